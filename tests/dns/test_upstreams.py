import pytest

from pointsman.dns.upstreams import DOWN, FADE, PROBE, Routes, Upstream, chosen


def those(*names: str) -> list[Upstream]:
    return [Upstream(name, 53) for name in names]


def names(upstreams: tuple[Upstream, ...]) -> str:
    return "".join(one.host for one in upstreams)


def dead(*upstreams: Upstream, now: float = 0.0) -> None:
    for one in upstreams:
        one.asked(now)
        for _ in range(DOWN):
            one.failed("timeout", now)


def test_the_two_fastest_are_asked_at_once_and_the_others_after_them() -> None:
    a, b, c = those("a", "b", "c")
    a.answered(0, 0.3, 0.0)
    b.answered(0, 0.02, 0.0)
    c.answered(3, 0.01, 0.0)
    first, rest = chosen([a, b, c], 0.0)
    assert (names(first), names(rest)) == ("cb", "a")


def test_who_was_never_asked_comes_first_and_else_the_order_is_that_of_the_operator() -> None:
    a, b, c = those("a", "b", "c")
    assert names(chosen([a, b, c], 0.0)[0]) == "ab"
    a.answered(0, 0.01, 0.0)
    assert names(chosen([a, b, c], 0.0)[0]) == "bc"


def test_who_fails_is_asked_later_until_that_is_long_ago() -> None:
    a, b, c = those("a", "b", "c")
    for one in (a, b, c):
        one.answered(0, 0.01, 0.0)
    a.failed("timeout", 0.0)
    assert names(chosen([a, b, c], 0.0)[0]) == "bc"
    for one in (b, c):
        one.answered(0, 0.01, 10 * FADE)
    assert "a" in names(chosen([a, b, c], 10 * FADE)[0])


@pytest.mark.parametrize("code", [1, 2, 4, 5, 16])
def test_who_can_not_answer_is_slower_but_not_down(code: int) -> None:
    a, b, c = those("a", "b", "c")
    for one in (a, b, c):
        one.answered(0, 0.01, 0.0)
    for _ in range(5):
        a.answered(code, 0.001, 0.0)
    assert names(chosen([a, b, c], 0.0)[0]) == "bc"
    assert not a.down
    assert a.failures.total() == 5


def test_one_that_is_down_is_asked_once_a_second_beside_those_that_are_not() -> None:
    a, b = those("a", "b")
    dead(a)
    assert a.down
    assert names(chosen([a, b], 0.5)[0]) == "b"
    assert names(chosen([a, b], 0.5)[1]) == "a"
    first, rest = chosen([a, b], PROBE)
    assert (names(first), names(rest)) == ("ba", "")
    a.asked(PROBE)
    assert names(chosen([a, b], PROBE + 0.5)[0]) == "b"
    a.answered(0, 0.01, PROBE + 0.6)
    assert not a.down


def test_where_all_are_down_two_are_asked_all_the_same() -> None:
    a, b, c = those("a", "b", "c")
    dead(a, b, c)
    first, rest = chosen([a, b, c], 0.0)
    assert (len(first), len(rest)) == (2, 1)


def test_no_more_than_one_that_is_down_is_asked_with_a_question() -> None:
    a, b, c, d = those("a", "b", "c", "d")
    dead(b, c, d)
    first, rest = chosen([a, b, c, d], 60.0)
    assert (names(first)[0], len(first), len(rest)) == ("a", 2, 2)


def test_answers_are_counted_with_their_time() -> None:
    (a,) = those("fd00::1")
    a.answered(0, 0.5, 0.0)
    a.answered(2, 0.25, 0.0)
    a.failed("unreachable", 0.0)
    assert (a.answers, a.seconds) == (2, 0.75)
    assert a.failures == {"servfail": 1, "unreachable": 1}
    assert str(a) == "[fd00::1]:53"


def test_the_longest_zone_counts() -> None:
    routes = Routes(
        [("10.0.0.1", 53)],
        {
            "consul": [("10.0.0.2", 8600), ("10.0.0.1", 53)],
            "dc1.Consul.": [("10.0.0.3", 53)],
        },
    )

    def of(name: str) -> str:
        return routes.of(name)[0].host

    assert of("consul.") == of("web.consul.") == of("xdc1.consul.") == "10.0.0.2"
    assert of("dc1.consul.") == of("a.b.dc1.consul.") == "10.0.0.3"
    assert of("org.") == of(".") == of("consul.org.") == of("xconsul.") == "10.0.0.1"
    assert routes.of("consul.")[1] is routes.of("org.")[0]
    assert len(routes.all) == 3


def test_without_upstreams_there_is_nobody_to_ask() -> None:
    assert Routes([]).of("example.org.") == ()

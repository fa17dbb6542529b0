import re
from pathlib import Path

from pointsman.dns.counts import BOUNDS, NATIVE_OUTCOMES, Counts, Durations, Numbers


def test_the_place_to_count_at_stays_the_same() -> None:
    counts = Counts()
    cell = counts.cell("udp", 1, "answered")
    cell[0] += 2
    counts.cell("udp", 1, "answered")[0] += 1
    counts.cell("tcp", 28, "nodata")[0] += 5
    assert counts.queries[("udp", "A", "answered")] == [3]
    assert (counts.total(), counts.total("nodata")) == (8, 5)


def test_clients_can_not_make_up_series() -> None:
    counts = Counts()
    for number in range(65_536):
        counts.cell("udp", number, "nodata")[0] += 1
    assert len(counts.queries) < 20
    assert counts.queries[("udp", "other", "nodata")][0] > 65_000


def test_durations_fall_into_the_first_bucket_that_holds_them() -> None:
    found = Durations()
    found.observe(0.0, 3)
    found.observe(BOUNDS[0])
    found.observe(BOUNDS[0] * 1.01)
    found.observe(1e9)
    assert found.counts[:2] == [4, 1]
    assert found.counts[-1] == 1
    assert sum(found.counts) == 6


def numbers(queries: int, seconds: int, passed: int, full: int = 0) -> Numbers:
    """Return what native code has counted, all of one type and in one bucket."""
    answered, denied = NATIVE_OUTCOMES.index("answered"), NATIVE_OUTCOMES.index("nxdomain")
    buckets = [0] * (len(BOUNDS) + 1)
    buckets[2] = queries
    rows = [(1, answered, queries), (0, denied, queries // 2)] if queries else []
    return rows, buckets, seconds * 1_000_000_000, passed, full


def test_what_is_counted_elsewhere_is_added_once_however_often_it_is_collected() -> None:
    counts, now = Counts(), [numbers(0, 0, 0)]
    counts.cell("udp", 1, "answered")[0] += 1
    source = lambda: now[0]  # noqa: E731 # must be the same each time
    counts.gather(source)
    for now[0] in (numbers(4, 1, 2), numbers(4, 1, 2), numbers(10, 3, 5, 1)):
        counts.collect()
        counts.collect()
    assert counts.queries[("udp", "A", "answered")] == [11]
    assert counts.queries[("udp", "other", "nxdomain")] == [5]
    assert counts.durations["udp"].counts[2] == 10
    assert counts.durations["udp"].sum == 3.0
    assert (counts.passed, counts.dropped) == (5, {"native_full": 1})
    assert (counts.total(), counts.total("nxdomain")) == (16, 5)


def test_who_is_let_go_is_counted_for_the_last_time_and_another_begins_at_nothing() -> None:
    counts = Counts()
    for many in (3, 4):
        now = numbers(many, 1, 1)
        source = lambda now=now: now  # noqa: E731
        counts.gather(source)
        counts.let_go(source)
        counts.collect()
    assert counts.queries[("udp", "A", "answered")] == [7]
    assert counts.passed == 2


def test_the_buckets_of_durations_are_those_of_native_code() -> None:
    text = (Path(__file__).parents[2] / "dns/native/server.c").read_text()
    (found,) = re.findall(r"bounds\[BOUNDS\] = \{([^}]*)\}", text)
    assert [int(one) for one in found.split(",")] == [round(bound * 1e9) for bound in BOUNDS]

from hypothesis import given
from hypothesis import strategies as st

import pointsman.dns.cache as cache_
from pointsman.dns.cache import Cache
from pointsman.dns.query import Query, read
from pointsman.dns.reply import Reply

QUESTION = b"\3web\0\0\1\0\1"
ADDRESS = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\1\2\3\4"


def of(lifetime: int = 60, more: bytes = b"") -> Reply:
    return Reply(0, ADDRESS + more, (1, 0, 0), len(ADDRESS), ((6, lifetime),), lifetime)


def asked() -> Query:
    query = read(b"\0\1\1\0\0\1\0\0\0\0\0\0" + QUESTION)
    assert isinstance(query, Query)
    return query


def ttl(cache: Cache, now: float) -> int | None:
    found = cache.found(b"q", now)
    return None if found is None else int.from_bytes(found.answer(asked(), now)[-10:-6])


def test_an_answer_is_fresh_for_its_time_and_then_stale_and_then_gone() -> None:
    cache = Cache(10, 100.0)
    cache.keep(b"q", of(60), 1_000.0)
    assert [ttl(cache, now) for now in (1_000.0, 1_000.9, 1_001.0, 1_059.9)] == [60, 60, 59, 1]
    for now, fresh in ((1_059.9, True), (1_060.0, False), (1_159.9, False)):
        kept = cache.found(b"q", now)
        assert kept is not None
        assert kept.fresh(now) == fresh
    assert ttl(cache, 1_060.0) == 30
    assert ttl(cache, 1_160.0) is None
    assert (len(cache), cache.octets) == (0, 0)


def test_a_newer_answer_takes_the_place_of_an_older_one() -> None:
    cache = Cache(10, 100.0)
    cache.keep(b"q", of(60), 0.0)
    cache.keep(b"q", of(7), 61.0)
    assert ttl(cache, 61.0) == 7
    cache.keep(b"q", of(0), 62.0)
    assert ttl(cache, 62.0) is None


def test_what_was_not_asked_for_longest_goes_first() -> None:
    cache = Cache(3, 0.0)
    for key in b"a", b"b", b"c":
        cache.keep(key, of(), 0.0)
    cache.found(b"a", 1.0)
    cache.keep(b"d", of(), 1.0)
    assert [key for key in (b"a", b"b", b"c", b"d") if cache.found(key, 1.0)] == [b"a", b"c", b"d"]


def test_large_answers_are_fewer() -> None:
    cache = Cache(10, 0.0)
    for number in range(10):
        cache.keep(bytes([number]), of(60, bytes(9_000)), 0.0)
    assert len(cache) == 2
    assert cache.octets <= 10 * cache_.OCTETS


def test_none_are_kept_where_none_are_wanted() -> None:
    cache = Cache(0, 100.0)
    cache.keep(b"q", of(), 0.0)
    assert cache.found(b"q", 0.0) is None


def test_a_failure_is_remembered_for_a_second_and_longer_if_it_goes_on() -> None:
    cache, now = Cache(10, 0.0), 0.0
    waits = []
    for _ in range(5):
        cache.fail(b"q", now)
        started = now
        while cache.failed(b"q", now):
            now += 0.5
        waits.append(now - started)
    assert waits == [1.0, 2.0, 4.0, 5.0, 5.0]
    cache.fail(b"q", now + 60.0)
    assert cache.failed(b"q", now + 60.9)
    assert not cache.failed(b"q", now + 61.0)


def test_an_answer_ends_a_failure() -> None:
    cache = Cache(10, 0.0)
    cache.fail(b"q", 0.0)
    cache.keep(b"q", of(0), 0.5)
    assert not cache.failed(b"q", 0.5)


def test_failures_are_bounded() -> None:
    cache = Cache(10, 0.0)
    for number in range(cache_.MOST_FAILED + 10):
        cache.fail(number.to_bytes(4), 0.0)
    assert not cache.failed((9).to_bytes(4), 0.0)
    assert cache.failed((10).to_bytes(4), 0.0)


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(0, 4_000), st.floats(0.0, 5.0)),
        max_size=60,
    )
)
def test_it_is_never_larger_than_it_may_be_and_knows_how_large(
    steps: list[tuple[int, int, int, float]],
) -> None:
    cache, now = Cache(4, 3.0), 0.0
    for key, lifetime, octets, passed in steps:
        now += passed
        if octets % 3:
            cache.keep(bytes([key]), of(lifetime, bytes(octets)), now)
        else:
            cache.found(bytes([key]), now)
        assert len(cache) <= 4
        assert cache.octets <= 4 * cache_.OCTETS
        assert cache.octets == sum(cache_._octets(k, v) for k, v in cache._kept.items())

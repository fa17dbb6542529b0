import heapq
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.healthcheck.schedule import JITTER, Schedule, phase

MANY = [f"tcp 10.0.{n // 250}.{n % 250}:{31000 + n % 7}" for n in range(10_000)]
INTERVAL = 5.0


def followed(
    schedule: Schedule[str], start: float, seconds: float, takes: float = 0.002
) -> list[tuple[float, str]]:
    """Return who came when, each probe taking so long."""
    came, running = [], list[tuple[float, float, str]]()
    now = start
    while True:
        while running and running[0][0] <= now:
            ended, due, key = heapq.heappop(running)
            schedule.again(key, due, INTERVAL, ended)
        for key, due in schedule.due(now, 10_000):
            came.append((now, key))
            heapq.heappush(running, (now + takes, due, key))
        following = [t for t in (schedule.next(), running[0][0] if running else None) if t]
        if not following or min(following) > start + seconds:
            return came
        now = max(min(following), now)


def busiest(came: list[tuple[float, str]], slice_: float) -> int:
    return max(Counter(int(at / slice_) for at, _ in came).values())


def test_ten_thousand_come_once_per_interval_and_evenly() -> None:
    schedule = Schedule[str]("10.0.0.1")
    for key in MANY:
        schedule.add(key, 100, INTERVAL)
    came = followed(schedule, 100, 6 * INTERVAL)
    times: dict[str, list[float]] = {key: [] for key in MANY}
    for at, key in came:
        times[key].append(at)
    for found in times.values():
        gaps = [b - a for a, b in pairwise(found)]
        assert len(found) in (5, 6, 7)
        assert all(abs(gap - INTERVAL) <= INTERVAL * JITTER + 0.001 for gap in gaps)
    assert busiest(came, 0.1) < 2 * len(MANY) * 0.1 / INTERVAL
    assert busiest(came, 0.005) < 40  # 10 on the average


def test_nodes_ask_the_same_targets_at_other_times() -> None:
    found = [[phase(f"10.0.0.{node}", key) for node in range(50)] for key in MANY[:100]]
    for phases in found:
        assert max(Counter(int(p * 10) for p in phases).values()) < 20


def test_what_one_seed_puts_together_another_spreads() -> None:
    # A node's share of the targets is not to be what has its turn at one time.
    share = [key for key in MANY if phase("share 10.0.0.1", key) < 0.1]
    turns = Counter(int(phase("10.0.0.1", key) * 10) for key in share)
    assert len(turns) == 10
    assert max(turns.values()) < 2 * len(share) / 10


def test_nobody_comes_before_it_is_due_or_twice_before_it_is_back() -> None:
    schedule = Schedule[str]()
    schedule.add("a", 100, 0)
    assert list(schedule.due(99.9, 9)) == []
    assert list(schedule.due(100, 9)) == [("a", 100)]
    assert list(schedule.due(200, 9)) == []
    assert schedule.next() is None
    assert "a" in schedule
    schedule.again("a", 100, 5, 100.1)
    assert schedule.next() == pytest.approx(105, abs=0.25)


def test_only_so_many_come_at_once_and_the_others_then() -> None:
    schedule = Schedule[str]()
    for key in "abc":
        schedule.add(key, 100, 0)
    assert [key for key, _ in schedule.due(100, 2)] == ["a", "b"]
    assert [key for key, _ in schedule.due(100, 0)] == []
    assert [key for key, _ in schedule.due(100, -1)] == []
    assert [key for key, _ in schedule.due(100, 2)] == ["c"]


def test_what_was_missed_is_not_made_up_for_and_turns_are_kept() -> None:
    schedule = Schedule[str]("x")
    for key in MANY[:1000]:
        schedule.add(key, 100, INTERVAL)
    stalled = list(schedule.due(220, 1000))  # nobody came for two minutes
    assert len(stalled) == 1000
    for key, due in stalled:
        schedule.again(key, due, INTERVAL, 220)
    came = followed(schedule, 220, 2 * INTERVAL)
    assert len(came) == pytest.approx(2000, abs=60)
    assert busiest(came, 0.5) < 2 * 1000 * 0.5 / INTERVAL


def test_a_slow_one_comes_again_as_soon_as_it_is_back() -> None:
    schedule = Schedule[str]()
    schedule.add("a", 100, 0)
    list(schedule.due(100, 1))
    schedule.again("a", 100, 1, 102.003)
    assert schedule.next() == 102.003


def test_one_that_was_removed_does_not_come_again() -> None:
    schedule = Schedule[str]()
    schedule.add("a", 100, 0)
    schedule.add("b", 100, 0)
    schedule.remove("a")
    schedule.remove("c")
    assert list(schedule.due(100, 9)) == [("b", 100)]
    schedule.remove("b")
    schedule.again("b", 100, 5, 101)
    assert (schedule.next(), len(schedule), "b" in schedule) == (None, 0, False)


def test_one_that_is_back_from_before_it_was_added_again_does_not_change_its_turn() -> None:
    schedule = Schedule[str]()
    schedule.add("a", 100, 0)
    list(schedule.due(100, 1))
    schedule.remove("a")
    schedule.add("a", 101, 0)
    schedule.again("a", 100, 5, 101.5)
    assert list(schedule.due(102, 9)) == [("a", 101)]


def test_who_is_suspected_comes_at_once_and_then_in_turn() -> None:
    schedule = Schedule[str]()
    schedule.add("a", 100, 0)
    list(schedule.due(100, 1))
    schedule.hasten("a", 101)  # it is being probed
    schedule.hasten("b", 101)  # nobody knows it
    assert schedule.next() is None
    schedule.again("a", 100, 5, 101)
    schedule.hasten("a", 102)
    schedule.hasten("a", 103)
    assert list(schedule.due(103, 9)) == [("a", 102)]
    schedule.again("a", 102, 5, 103)
    assert len(list(schedule.due(200, 9))) == 1


KEYS = st.sampled_from("abc")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "hasten", "due", "back"]), KEYS, st.floats(0.01, 9)
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_happens_none_runs_twice_and_none_is_forgotten(
    steps: list[tuple[str, str, float]],
) -> None:
    schedule, now = Schedule[str](), 100.0
    running, there = dict[str, float](), set[str]()
    for what, key, seconds in steps:
        now += seconds
        if what == "add" and key not in there:
            running.pop(key, None)  # of its life before
            schedule.add(key, now, seconds)
            there.add(key)
        elif what == "remove":
            schedule.remove(key)
            running.pop(key, None)
            there.discard(key)
        elif what == "hasten":
            schedule.hasten(key, now)
        elif what == "due":
            for found, due in schedule.due(now, 9):
                assert found in there
                assert found not in running
                assert due <= now
                running[found] = due
        elif key in running:
            schedule.again(key, running.pop(key), seconds, now)
    assert len(schedule) == len(there)
    assert {key for key, _ in schedule.due(now + 100, 9)} == there - running.keys()

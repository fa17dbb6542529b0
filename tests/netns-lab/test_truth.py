import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pointlab.judge.truth import (
    FOREVER,
    Course,
    Interval,
    changes,
    common,
    course,
    expected,
    gaps,
    hurt,
    merged,
    own,
    served,
    without,
)
from pointlab.report.simulated import Simulation
from pointlab.watch.recording import Moment, Task

INTERVALS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9))).map(
    lambda drawn: merged((float(since), float(since + lasts)) for since, lasts in drawn)
)
POINTS = [n + 0.5 for n in range(-1, 45)]


def holds(intervals: list[Interval], at: float) -> bool:
    return any(since <= at < until for since, until in intervals)


@given(INTERVALS, INTERVALS)
def test_intervals_are_sets_of_moments(one: list[Interval], other: list[Interval]) -> None:
    for at in POINTS:
        assert holds(merged([*one, *other]), at) == (holds(one, at) or holds(other, at))
        assert holds(common(one, other), at) == (holds(one, at) and holds(other, at))
        assert holds(gaps(one), at) != holds(one, at)
        left = [piece for whole in one for piece in without(whole, other)]
        assert holds(left, at) == (holds(one, at) and not holds(other, at))


def test_moment_is_left_unless_it_is_in_a_hole() -> None:
    assert without((3, 3), [(1, 2), (4, 5)]) == [(3, 3)]
    assert without((3, 3), [(1, 3)]) == []


def test_task_serves_while_it_runs_and_is_not_unhealthy() -> None:
    def times(*moments: tuple[float, str, bool | None]) -> list[Interval]:
        said = tuple(Moment(*one) for one in moments)
        checked = any(one.healthy is not None for one in said)
        return served(Task("web.1", "agent1", (), said, checked))

    assert times((1, "TASK_STARTING", None), (2, "TASK_RUNNING", None)) == [(2, FOREVER)]
    assert times((2, "TASK_RUNNING", None), (3, "TASK_RUNNING", False)) == []
    checked = (2, "TASK_RUNNING", None), (3, "TASK_RUNNING", True), (9, "TASK_KILLING", True)
    assert times(*checked) == [(3, 9)]
    again = (1, "TASK_RUNNING", None), (5, "TASK_LOST", None), (7, "TASK_RUNNING", None)
    assert times(*again) == [(1, 5), (7, FOREVER)]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.lists(st.floats(900, 1070), min_size=20))
def test_course_is_what_is_expected_at_every_moment(seed: int, moments: list[float]) -> None:
    recording = Simulation(seed, rate=1).recording()
    for what in ("kernel", "srv"):
        found = course(recording, "agent1", what)
        for at in [*moments, *(change.at for change in changes(recording))]:
            assert found.at(at) == expected(recording, "agent1", what, at)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.lists(st.floats(900, 1070), min_size=20))
def test_kernels_prefer_their_own_zone_at_every_moment(seed: int, moments: list[float]) -> None:
    everywhere = Simulation(seed, rate=1).recording()
    zones = {"agent1": "a", "agent2": "a", "agent3": "b", "agent4": "b"}
    recording = msgspec.structs.replace(everywhere, zones=zones)
    near = own(recording.tasks, zones, "agent1")
    assert near == {e for t in recording.tasks if zones[t.agent] == "a" for e in t.endpoints}
    found = {what: course(recording, "agent1", what) for what in ("kernel", "srv")}
    for at in moments:
        all_ = expected(everywhere, "agent1", "kernel", at)
        assert found["kernel"].at(at) == expected(recording, "agent1", "kernel", at)
        assert found["kernel"].at(at) == (all_ & near or all_)
        assert found["srv"].at(at) == all_
        assert expected(recording, "master", "kernel", at) == all_


def test_course_tells_what_was_before_and_what_comes() -> None:
    one, two = ("10.31.0.11", 1), ("10.31.0.12", 2)
    found = Course([1.0, 2.0], [frozenset({one}), frozenset({one, two})])
    assert found.before(1.0) == frozenset()
    assert found.before(2.0) == found.at(1.0) == {one}
    assert [*found.has(frozenset({two}), 0.0)] == [(1.0, False), (2.0, True)]
    assert [*found.has(frozenset({two}), 2.0)] == []


def test_tasks_are_hurt_with_their_hosts() -> None:
    recording = Simulation(1, rate=1).recording()
    unplugged = next(fault for fault in recording.faults if fault.nodes)
    found = hurt(recording).at(unplugged.at)
    assert found == {
        one for task in recording.tasks if task.agent in unplugged.nodes for one in task.endpoints
    }
    assert not hurt(recording).at(unplugged.at - 0.01)

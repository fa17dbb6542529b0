"""What a real master said on a stream, folded, beside what it said when asked at that moment."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from pointsman.discovery import details, recording, v1
from pointsman.discovery.errors import Transient
from pointsman.discovery.fold import fold, unclear
from pointsman.discovery.listing import gather
from pointsman.discovery.model import Change, Cluster, Framework, Note, Task, TaskKey, difference
from pointsman.discovery.recordio import Records
from pointsman.testing import AGENT, FRAMEWORK, cluster, task, told

DATA = Path(__file__).parents[1] / "data/mesos"


def records(name: str) -> list[bytes]:
    return list(map(b"".join, Records().feed((DATA / name).read_bytes())))


def folded(of: list[bytes]) -> Cluster:
    first, *rest = map(v1.event, of)
    assert isinstance(first, v1.Snapshot)
    found = gather([first.listing])
    for event in rest:
        found, _ = fold(found, event)
    return found


def seen(of: Cluster) -> tuple[Any, ...]:
    tasks = {t.key: t for t in details.tasks(of)}
    frameworks = {(f.id, f.name, f.address) for f in of.frameworks.values()}
    return tasks, dict(of.agents), frameworks, of.recovering


def asked(name: str) -> Cluster:
    body = (DATA / name).read_bytes()
    return recording.read(body.partition(b"\r\n\r\n")[2] if name.endswith(".http") else body)


@pytest.mark.parametrize(
    ("length", "name"),
    [
        (20, "running-GET_STATE.json"),
        (20, "running-state.json"),
        (21, "unhealthy-state.http"),
        (33, "unreachable-state.http"),
        (39, "after-GET_STATE.json"),
        (39, "after-master_state.json"),
        (40, "disconnected-state.http"),
        (45, "torndown-GET_STATE.json"),
    ],
)
def test_the_stream_so_far_and_the_state_asked_for_tell_the_same(length: int, name: str) -> None:
    assert seen(folded(records("subscribe.recordio")[:length])) == seen(asked(name))


@pytest.mark.parametrize(
    "name",
    [
        "outage-subscribe-after-restart",
        "outage-subscribe-master-killed",
        "zk-subscribe-leader-killed",
        "paused-leader-subscribe",
    ],
)
def test_other_streams_end_with_their_five_tasks_running(name: str) -> None:
    found = folded(records(f"{name}.recordio"))
    running = [t for t in details.tasks(found) if t.state == "TASK_RUNNING"]
    assert len(running) == len(found.tasks) == 5
    assert not found.recovering
    assert found.notes == ()


def test_every_change_names_what_differs() -> None:
    first, *rest = map(v1.event, records("subscribe.recordio"))
    assert isinstance(first, v1.Snapshot)
    before = gather([first.listing])
    for event in rest:
        after, change = fold(before, event)
        assert change == difference(before, after)
        assert bool(change) == (after != before)
        before = after


WEB, JOB = task("web.1"), task("job.1")
KEY = WEB.key


def update(state: str, key: TaskKey = KEY, **more: Any) -> v1.TaskUpdated:
    status = Raw(b'{"state": "%s"}' % state.encode())
    return v1.TaskUpdated(key, more.pop("latest", state), status, **more)


@pytest.mark.parametrize(
    "state",
    ["TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_LOST", "TASK_ERROR", "TASK_DROPPED",
     "TASK_GONE", "TASK_GONE_BY_OPERATOR", "TASK_UNREACHABLE"],
)  # fmt: skip
def test_a_task_that_ends_is_gone(state: str) -> None:
    after, change = fold(cluster(WEB, JOB), update(state))
    assert set(after.tasks) == {JOB.key}
    assert change == Change(tasks=frozenset((KEY,)))


def test_an_agent_that_the_master_gave_up_is_gone_with_the_first_of_its_tasks() -> None:
    # There is no AGENT_REMOVED for an agent that can't be reached.
    after, change = fold(cluster(WEB), update("TASK_UNREACHABLE", lost_agent=AGENT.id))
    assert (set(after.tasks), set(after.agents)) == (set(), set())
    assert change == Change(tasks=frozenset((KEY,)), agents=frozenset((AGENT.id,)))


def test_a_removed_agent_takes_along_what_is_left_on_it() -> None:
    after, change = fold(cluster(WEB), v1.AgentRemoved(AGENT.id))
    assert (set(after.tasks), set(after.agents)) == (set(), set())
    assert change == Change(tasks=frozenset((KEY,)), agents=frozenset((AGENT.id,)))


def test_a_removed_framework_takes_along_what_is_left_of_it() -> None:
    after, change = fold(cluster(WEB), v1.FrameworkRemoved(FRAMEWORK.id))
    assert (set(after.tasks), set(after.frameworks)) == (set(), set())
    assert change.frameworks == {FRAMEWORK.id}


def test_a_task_may_come_before_its_agent() -> None:
    after, change = fold(Cluster(), v1.TaskAdded(told(WEB)))
    assert change == Change(tasks=frozenset((KEY,)))
    assert list(details.tasks(after)) == []
    for event in (v1.AgentAdded(AGENT), v1.FrameworkChanged(FRAMEWORK)):
        after, _ = fold(after, event)
    assert [t.id for t in details.tasks(after)] == ["web.1"]


def test_an_agent_that_is_back_is_waited_for_no_more() -> None:
    before = cluster(WEB, recovering=frozenset((AGENT.id, "S9")))
    after, change = fold(before, v1.AgentAdded(AGENT))
    assert after.recovering == {"S9"}
    assert change


def test_a_framework_keeps_the_address_that_no_event_tells() -> None:
    without = Framework(FRAMEWORK.id, "renamed")
    after, _ = fold(cluster(WEB), v1.FrameworkChanged(without))
    assert after.frameworks[FRAMEWORK.id].address == FRAMEWORK.address
    assert after.frameworks[FRAMEWORK.id].name == "renamed"


@pytest.mark.parametrize(
    "event",
    [
        v1.Heartbeat(),
        v1.AgentAdded(AGENT),
        v1.AgentRemoved("S9"),
        v1.FrameworkChanged(FRAMEWORK),
        v1.FrameworkRemoved("F9"),
        v1.TaskAdded(told(WEB)),
        update("TASK_KILLED", ("F1", "never")),
        update("TASK_RUNNING", ("F1", "never")),
    ],
)
def test_what_says_nothing_new_changes_nothing(event: v1.Event) -> None:
    before = cluster(WEB)
    assert fold(before, event) == (before, Change())


def test_what_can_not_be_read_is_noted_once() -> None:
    event = v1.Unreadable(Note("event TASK_ADDED", "no name"))
    once, change = fold(cluster(WEB), event)
    assert (once.notes, change) == ((event.note,), Change(rest=True))
    assert fold(once, event) == (once, Change())


def test_a_status_that_can_not_be_applied_is_a_transient_error() -> None:
    bad = v1.TaskUpdated(KEY, "TASK_RUNNING", Raw(b'{"state": 7}'))
    with pytest.raises(Transient, match=r"web\.1"):
        fold(cluster(WEB), bad)


def test_a_task_is_unclear_while_its_last_status_is_of_another_state() -> None:
    ahead = update("TASK_STARTING", latest="TASK_RUNNING")
    after, _ = fold(cluster(task(state="TASK_STAGING")), ahead)
    assert unclear(after, ahead) == KEY
    clear = update("TASK_RUNNING")
    assert unclear(fold(after, clear)[0], clear) is None
    assert unclear(after, update("TASK_RUNNING", ("F1", "never"))) == ("F1", "never")
    assert unclear(after, v1.Heartbeat()) is None


SUBSCRIBED = records("subscribe.recordio")


@given(st.data())
def test_damage_at_any_place_is_a_transient_error_or_takes_nothing_away(
    data: st.DataObject,
) -> None:
    at = data.draw(st.integers(1, len(SUBSCRIBED) - 1))
    record = SUBSCRIBED[at]
    borders = [i for i, byte in enumerate(record) if byte in b'{}[],:"'] + [0, len(record)]
    place = data.draw(st.sampled_from(borders))
    cut = data.draw(st.integers(0, 3))
    damaged = record[:place] + data.draw(st.binary(max_size=4)) + record[place + cut :]
    before = folded(SUBSCRIBED[:at])
    try:
        after, _ = fold(before, v1.event(damaged))
    except Transient:
        return
    honest, _ = fold(before, v1.event(record))
    assert set(after.tasks) >= set(before.tasks) & set(honest.tasks)


def ids(of: Cluster) -> set[str]:
    return {t.id for t in details.tasks(of)}


tasks: st.SearchStrategy[Task] = st.builds(task, st.sampled_from(["web.1", "web.2", "job.1"]))
events: st.SearchStrategy[v1.Event] = st.one_of(
    st.builds(lambda t: v1.TaskAdded(told(t)), tasks),
    st.builds(
        lambda t, state: update(state, t.key),
        tasks,
        st.sampled_from(["TASK_RUNNING", "TASK_KILLED", "TASK_KILLING"]),
    ),
    st.sampled_from([v1.AgentAdded(AGENT), v1.AgentRemoved(AGENT.id)]),
    st.sampled_from([v1.FrameworkChanged(FRAMEWORK), v1.FrameworkRemoved(FRAMEWORK.id)]),
)


@given(st.lists(events, max_size=12))
def test_changes_are_exact_in_any_order_of_events(said: list[v1.Event]) -> None:
    found = Cluster()
    for event in said:
        after, change = fold(found, event)
        assert change == difference(found, after)
        found = after

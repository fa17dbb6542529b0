import json
from pathlib import Path
from typing import Any

import pytest

from pointsman.discovery import v1
from pointsman.discovery.errors import Transient
from pointsman.discovery.listing import gather
from pointsman.discovery.model import Agent, Framework, Master

DATA = Path(__file__).parents[1] / "data/mesos"
STATE = (DATA / "running-GET_STATE.json").read_bytes()


def event(type_: str, **members: Any) -> v1.Event:
    return v1.event(json.dumps({"type": type_, **members}).encode())


def test_a_state_is_read_whole() -> None:
    found = gather([v1.read(STATE)])
    assert len(found.tasks) == 5
    assert {a.address for a in found.agents.values()} == {"127.0.0.11", "127.0.0.12"}
    assert {a.attributes for a in found.agents.values()} == {(("rack", "r1"),), (("rack", "r2"),)}
    assert [f.name for f in found.frameworks.values()] == ["marathon"]
    assert found.notes == ()


@pytest.mark.parametrize(
    ("path", "to", "left"),
    [
        (("get_tasks", "tasks", 0, "name"), 7, 4),
        (("get_tasks", "tasks", 0, "task_id"), {}, 4),
        (("get_agents", "agents", 0, "agent_info"), None, 5),
        (("get_frameworks", "frameworks", 0), [], 5),
    ],
)
def test_one_bad_member_is_left_out_with_a_note(
    path: tuple[str | int, ...], to: Any, left: int
) -> None:
    state = json.loads(STATE)
    place: Any = state["get_state"]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    found = gather([v1.read(json.dumps(state).encode())])
    assert len(found.tasks) == left
    assert len(found.notes) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"type": "GET_MASTER"}', STATE[:999]])
def test_what_is_no_state_is_a_transient_error(body: bytes) -> None:
    with pytest.raises(Transient):
        v1.read(body)


def test_a_master_says_who_it_is_and_since_when() -> None:
    said = (DATA / "running-GET_MASTER.json").read_bytes()
    assert v1.master(said) == (Master("127.0.0.1", 5050), 1795401273.091806)
    with pytest.raises(Transient):
        v1.master(STATE)


def test_a_stream_begins_with_the_state_and_its_interval() -> None:
    state = STATE.removeprefix(b'{"type":"GET_STATE","get_state":')[:-1]
    said = v1.event(
        b'{"type":"SUBSCRIBED","subscribed":{"get_state":%b,"heartbeat_interval_seconds":7.5}}'
        % state
    )
    assert isinstance(said, v1.Snapshot)
    assert said.heartbeat == 7.5
    assert gather([said.listing]) == gather([v1.read(STATE)])


def test_agents_that_have_not_come_back_are_known() -> None:
    first = (DATA / "outage-subscribe-after-restart.recordio").read_bytes().partition(b"\n")[2]
    said = v1.event(first[: first.index(b"\n") - 2])
    assert isinstance(said, v1.Snapshot)
    assert {id_[-2:] for id_ in said.listing.recovering} == {"S0", "S1"}


def test_a_status_update_tells_of_its_task_alone() -> None:
    status = {
        "task_id": {"value": "web.1"}, "agent_id": {"value": "S1"}, "state": "TASK_UNREACHABLE",
        "source": "SOURCE_MASTER", "reason": "REASON_AGENT_REMOVED", "timestamp": 7.5,
    }  # fmt: skip
    said = event(
        "TASK_UPDATED",
        task_updated={"framework_id": {"value": "F1"}, "status": status, "state": "TASK_LOST"},
    )
    assert isinstance(said, v1.TaskUpdated)
    assert (said.key, said.state, said.lost_agent, said.time) == (
        ("F1", "web.1"),
        "TASK_LOST",
        "S1",
        7.5,
    )


def test_an_agent_is_given_up_by_the_master_alone() -> None:
    status = {
        "task_id": {"value": "web.1"}, "agent_id": {"value": "S1"}, "state": "TASK_LOST",
        "source": "SOURCE_AGENT", "reason": "REASON_AGENT_REMOVED",
    }  # fmt: skip
    said = event(
        "TASK_UPDATED",
        task_updated={"framework_id": {"value": "F1"}, "status": status, "state": "TASK_LOST"},
    )
    assert isinstance(said, v1.TaskUpdated)
    assert said.lost_agent == ""


def test_agents_come_with_all_their_attributes() -> None:
    attributes = [
        {"name": "rack", "type": "TEXT", "text": {"value": "r1"}},
        {"name": "slots", "type": "SCALAR", "scalar": {"value": 4.0}},
        {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 2}]}},
        {"name": "os", "type": "SET", "set": {"item": ["a", "b"]}},
    ]
    domain = {"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "eu-a"}}}
    info = {"id": {"value": "S1"}, "hostname": "h", "attributes": attributes, "domain": domain}
    said = event(
        "AGENT_ADDED", agent_added={"agent": {"agent_info": info, "pid": "slave(1)@10.0.0.2:5051"}}
    )
    written = (("rack", "r1"), ("slots", "4"), ("ports", "[1-2]"), ("os", "{a, b}"))
    expected = Agent("S1", "10.0.0.2", 5051, "h", written, "eu", "eu-a")
    assert said == v1.AgentAdded(expected)
    assert event("AGENT_REMOVED", agent_removed={"agent_id": {"value": "S1"}}) == v1.AgentRemoved(
        "S1"
    )


@pytest.mark.parametrize("kind", ["added", "updated"])
def test_frameworks_come_and_go(kind: str) -> None:
    info = {"id": {"value": "F1"}, "name": "marathon", "hostname": "10.0.0.7"}
    framework = {"framework_info": info, "active": False}
    members: dict[str, Any] = {f"framework_{kind}": {"framework": framework}}
    said = event(f"FRAMEWORK_{kind.upper()}", **members)
    assert said == v1.FrameworkChanged(Framework("F1", "marathon", "10.0.0.7", active=False))
    gone = event("FRAMEWORK_REMOVED", framework_removed={"framework_info": info})
    assert gone == v1.FrameworkRemoved("F1")


@pytest.mark.parametrize("type_", ["HEARTBEAT", "SOMETHING_NEW"])
def test_what_is_of_no_concern_is_a_sign_of_life(type_: str) -> None:
    assert event(type_) == v1.Heartbeat()
    assert event(type_, something_new={"a": 1}) == v1.Heartbeat()


def test_a_bad_addition_is_noted_and_a_bad_update_is_a_transient_error() -> None:
    bad = event("TASK_ADDED", task_added={"task": {"name": "web"}})
    assert isinstance(bad, v1.Unreadable)
    assert bad.note.where == "event TASK_ADDED"
    lost = event("AGENT_ADDED", agent_added={"agent": {"agent_info": {"id": {"value": "S1"}}}})
    assert isinstance(lost, v1.Unreadable)
    assert "S1" in lost.note.where
    with pytest.raises(Transient, match="TASK_UPDATED"):
        event(
            "TASK_UPDATED",
            task_updated={"framework_id": {"value": "F"}, "status": {}, "state": "TASK_LOST"},
        )
    with pytest.raises(Transient):
        event("AGENT_REMOVED", agent_removed={})


@pytest.mark.parametrize("part", ["get_tasks", "get_frameworks", "get_agents"])
def test_a_state_without_one_of_its_parts_is_a_transient_error(part: str) -> None:
    with pytest.raises(Transient, match=part):
        v1.read(STATE.replace(part.encode(), b"something_else"))

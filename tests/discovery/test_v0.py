import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.discovery import details, v0
from pointsman.discovery.errors import Transient
from pointsman.discovery.listing import gather
from pointsman.discovery.model import Cluster, Master, Task

RUNNING = (Path(__file__).parents[1] / "data/mesos/running-state.json").read_bytes()
F = "89fd7722-b6ad-455f-b67f-a280957ce3fb-0000"


def read(body: bytes) -> Cluster:
    return gather([v0.read(body)])


def tasks(cluster: Cluster) -> dict[str, Task]:
    return {task.id: task for task in details.tasks(cluster)}


def changed(*path: str | int, to: Any) -> bytes:
    """Return the captured state with one value replaced."""
    state = json.loads(RUNNING)
    place = state
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return json.dumps(state).encode()


def test_the_captured_state_is_read_whole() -> None:
    cluster = read(RUNNING)
    assert cluster.leader == Master("127.0.0.1", 5050)
    assert {a.address for a in cluster.agents.values()} == {"127.0.0.11", "127.0.0.12"}
    assert cluster.frameworks[F].name == "marathon"
    assert {t.id for t in cluster.tasks.values()} == {
        "db.1",
        "web.1",
        "web.2",
        "docker.1",
        "plain.1",
    }
    assert cluster.notes == ()


@pytest.mark.parametrize("length", [0, 1, 100, len(RUNNING) // 2, len(RUNNING) - 1])
def test_half_a_body_is_a_transient_error(length: int) -> None:
    with pytest.raises(Transient, match="can't be read"):
        read(RUNNING[:length])


@pytest.mark.parametrize("leader", [None, "", "master@nowhere:5050", "garbage"])
def test_a_state_need_not_name_a_leader(leader: str | None) -> None:
    assert read(changed("leader", to=leader)).leader is None


@pytest.mark.parametrize(
    "body", [b"[]", b"7", b'"state"', b"{}", b'{"leader": "x"}', b'{"frameworks": {}}']
)
def test_what_is_no_state_is_a_transient_error(body: bytes) -> None:
    with pytest.raises(Transient):
        read(body)


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("frameworks", 0, "tasks", 0, "state"), None),
        (("frameworks", 0, "tasks", 0, "id"), 7),
        (("frameworks", 0, "tasks", 0), []),
    ],
)
def test_one_bad_task_is_left_out_with_a_note_and_spoils_no_other(
    path: tuple[str | int, ...], to: Any
) -> None:
    cluster = read(changed(*path, to=to))
    assert {t.id for t in cluster.tasks.values()} == {"web.1", "web.2", "docker.1", "plain.1"}
    (note,) = cluster.notes
    assert note.where == "task of marathon, the 1. listed"


def test_one_bad_agent_takes_only_its_own_tasks_along() -> None:
    state = json.loads(RUNNING)
    state["slaves"][0] |= {"pid": None, "hostname": None}
    cluster = read(json.dumps(state).encode())
    assert set(cluster.agents) == {state["slaves"][1]["id"]}
    assert {t.agent_id for t in tasks(cluster).values()} == set(cluster.agents)
    assert any("pid" in note.why for note in cluster.notes)


def test_one_bad_framework_spoils_no_other() -> None:
    state = json.loads(RUNNING)
    state["frameworks"].append({"id": 7})
    cluster = read(json.dumps(state).encode())
    assert len(cluster.tasks) == 5
    assert [n.where for n in cluster.notes] == ["framework, the 2. listed"]


def test_an_agent_is_found_by_its_hostname_when_its_pid_tells_no_address() -> None:
    cluster = read(changed("slaves", 0, "pid", to=None))
    assert len(cluster.agents) == 2


def test_text_that_is_not_utf8_leaves_out_its_task_alone() -> None:
    cluster = read(RUNNING.replace(b'"name":"group/sub/Db_1"', b'"name":"group/sub/\xff"'))
    assert len(cluster.tasks) == 4
    assert len(cluster.notes) == 1


@given(st.binary(max_size=8), st.integers(0, len(RUNNING)))
def test_damaged_bytes_end_in_a_cluster_or_a_transient_error(noise: bytes, at: int) -> None:
    with contextlib.suppress(Transient):
        read(RUNNING[:at] + noise + RUNNING[at:])


def test_tasks_that_ended_are_listed_and_not_of_the_cluster() -> None:
    path = ("frameworks", 0, "tasks", 0, "state")
    assert len(list(v0.read(changed(*path, to="TASK_KILLED")).tasks)) == 5
    assert len(read(changed(*path, to="TASK_KILLED")).tasks) == 4


def test_an_agents_own_state_lists_tasks_below_their_executors() -> None:
    master = json.loads(RUNNING)
    (framework,) = master["frameworks"]
    one = next(a for a in master["slaves"] if a["pid"] == "slave(1)@127.0.0.12:5051")
    own = [task for task in framework["tasks"] if task["slave_id"] == one["id"]]
    body = {
        **{key: one[key] for key in ("id", "pid", "hostname", "attributes")},
        "frameworks": [
            {"id": F, "name": "marathon", "executors": [{"id": t["id"], "tasks": [t]} for t in own]}
        ],
    }
    cluster = read(json.dumps(body).encode())
    whole = read(RUNNING)
    assert cluster.leader is None
    assert dict(cluster.agents) == {one["id"]: whole.agents[one["id"]]}
    assert tasks(cluster) == {t.id: t for t in details.tasks(whole) if t.agent_id == one["id"]}


def test_an_agent_has_its_attributes_and_its_fault_domain() -> None:
    domain = {"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "eu-a"}}}
    state = json.loads(changed("slaves", 0, "domain", to=domain))
    state["slaves"][0]["attributes"] = {"rack": "r1", "slots": 4.0, "ports": "[1-2]"}
    agent = read(json.dumps(state).encode()).agents[state["slaves"][0]["id"]]
    assert agent.attributes == (("rack", "r1"), ("slots", "4"), ("ports", "[1-2]"))
    assert (agent.region, agent.zone) == ("eu", "eu-a")


def test_agents_that_have_not_come_back_are_known() -> None:
    state = changed("recovered_slaves", to=[{"id": "S7", "hostname": "x"}])
    assert read(state).recovering == {"S7"}


def test_schedulers_are_found_by_their_pids() -> None:
    state = json.loads(RUNNING)
    state["frameworks"][0]["hostname"] = "scheduler.example"
    before = read(json.dumps(state).encode())
    assert before.frameworks[F].address == ""
    summary = {"frameworks": [{"id": F, "name": "marathon", "pid": "scheduler(1)@10.0.0.7:8080"}]}
    found = v0.with_schedulers(before.frameworks, json.dumps(summary).encode())
    assert (found[F].address, found[F].port) == ("10.0.0.7", 8080)


def test_a_state_of_an_old_version_is_read() -> None:
    # 0.20 to 0.25: no statuses' container_status, a single address, no elected_time.
    old = {
        "leader": "master@10.0.0.1:5050",
        "slaves": [{"id": "S0", "pid": "slave(1)@10.0.0.2:5051", "hostname": "h"}],
        "frameworks": [{
            "id": "F", "name": "marathon", "pid": "scheduler-1@10.0.0.3:9000",
            "tasks": [{
                "id": "a.1", "name": "a", "framework_id": "F", "slave_id": "S0", "executor_id": "",
                "state": "TASK_RUNNING", "resources": {"cpus": 1, "ports": "[31000-31001]"},
                "statuses": [{
                    "state": "TASK_RUNNING", "timestamp": 1.5,
                    "container_status": {"network_infos": [{"ip_address": "10.1.0.4"}]},
                }],
            }],
        }],
    }  # fmt: skip
    cluster = read(json.dumps(old).encode())
    assert cluster.leader == Master("10.0.0.1", 5050)
    assert cluster.frameworks["F"].address == "10.0.0.3"
    task = tasks(cluster)["a.1"]
    assert (task.agent, task.addresses, task.ports) == ("10.0.0.2", ("10.1.0.4",), (31000, 31001))

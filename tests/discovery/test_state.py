import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.discovery.errors import Transient
from pointsman.discovery.model import Discovery, Master, Port, PortMapping
from pointsman.discovery.state import read

RUNNING = (Path(__file__).parents[1] / "data/mesos/running-state.json").read_bytes()
F = "89fd7722-b6ad-455f-b67f-a280957ce3fb-0000"


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


def test_a_task_has_all_that_names_and_vips_need() -> None:
    web = read(RUNNING).tasks[F, "web.1"]
    assert (web.name, web.framework, web.agent, web.state) == (
        "web",
        "marathon",
        "127.0.0.11",
        "TASK_RUNNING",
    )
    assert (web.healthy, web.checked) == (True, True)
    assert web.addresses == ("127.0.0.11",)
    assert web.ports == (10000, 10001)
    assert web.labels == (("VIP_0", "/web:80"),)
    assert web.discovery == Discovery(
        "web", (Port(10000, "http", "tcp", (("VIP_0", "/web:80"),)), Port(10001, "stats", "udp"))
    )


def test_the_newest_running_status_gives_the_addresses() -> None:
    # The older TASK_STARTING status holds the agent's address.
    assert read(RUNNING).tasks[F, "db.1"].addresses == ("10.9.0.5", "fd00::5")


def test_docker_port_mappings_are_read() -> None:
    docker = read(RUNNING).tasks[F, "docker.1"]
    assert docker.mappings == (PortMapping(31000, 80, "tcp"),)
    assert docker.runtime == "DOCKER"


@pytest.mark.parametrize("length", [0, 1, 100, len(RUNNING) // 2, len(RUNNING) - 1])
def test_half_a_body_is_a_transient_error(length: int) -> None:
    with pytest.raises(Transient, match="can't be read"):
        read(RUNNING[:length])


@pytest.mark.parametrize("leader", [None, "", "master@nowhere:5050", "garbage"])
def test_a_state_without_a_leader_is_a_transient_error(leader: str | None) -> None:
    with pytest.raises(Transient, match="no leader"):
        read(changed("leader", to=leader))


@pytest.mark.parametrize("body", [b"[]", b"7", b'"state"', b'{"leader": 7}', b'{"frameworks": {}}'])
def test_what_is_no_state_is_a_transient_error(body: bytes) -> None:
    with pytest.raises(Transient):
        read(body)


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("frameworks", 0, "tasks", 0, "state"), None),
        (("frameworks", 0, "tasks", 0, "statuses"), "none"),
        (("frameworks", 0, "tasks", 0, "resources", "ports"), 31000),
        (("frameworks", 0, "tasks", 0, "resources", "ports"), "[x-y]"),
        (("frameworks", 0, "tasks", 0), []),
        (("frameworks", 0, "tasks", 0, "slave_id"), "nobody"),
    ],
)
def test_one_bad_task_is_left_out_with_a_note_and_spoils_no_other(
    path: tuple[str | int, ...], to: Any
) -> None:
    cluster = read(changed(*path, to=to))
    assert {t.id for t in cluster.tasks.values()} == {"web.1", "web.2", "docker.1", "plain.1"}
    assert len(cluster.notes) == 1


def test_one_bad_agent_takes_only_its_own_tasks_along() -> None:
    state = json.loads(RUNNING)
    state["slaves"][0] |= {"pid": None, "hostname": None}
    cluster = read(json.dumps(state).encode())
    assert set(cluster.agents) == {state["slaves"][1]["id"]}
    assert {t.agent_id for t in cluster.tasks.values()} == set(cluster.agents)
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

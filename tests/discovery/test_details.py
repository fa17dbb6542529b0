"""What is made of a task's members, in the forms of both APIs."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from pointsman.discovery import details, recording
from pointsman.discovery.model import (
    NULL,
    Discovery,
    HealthCheck,
    Port,
    PortMapping,
    Task,
    Told,
)
from pointsman.testing import discovery, labels, port, task, told

DATA = Path(__file__).parents[1] / "data/mesos"


def captured(name: str) -> dict[str, Task]:
    return {t.id: t for t in details.tasks(recording.read((DATA / name).read_bytes()))}


def described(**members: Any) -> Task:
    raws = {name: Raw(json.dumps(value).encode()) for name, value in members.items()}
    return details.task(
        Told("web.1", "web", "F1", "S1", "TASK_RUNNING", **raws), "marathon", "1.1.1.1"
    )


@pytest.fixture(params=["running-state.json", "running-GET_STATE.json"])
def running(request: pytest.FixtureRequest) -> dict[str, Task]:
    return captured(request.param)


def test_both_apis_tell_the_same() -> None:
    assert captured("running-state.json") == captured("running-GET_STATE.json")
    assert captured("after-master_state.json") == captured("after-GET_STATE.json")


def test_a_task_has_all_that_names_and_vips_need(running: dict[str, Task]) -> None:
    web = running["web.1"]
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
    assert web.network == "host"
    assert web.discovery == Discovery(
        "web", (Port(10000, "http", "tcp", (("VIP_0", "/web:80"),)), Port(10001, "stats", "udp"))
    )


def test_the_newest_running_status_gives_the_addresses(running: dict[str, Task]) -> None:
    # The older TASK_STARTING status holds the agent's address.
    assert running["db.1"].addresses == ("10.9.0.5", "fd00::5")
    assert running["db.1"].network == "container"


def test_docker_port_mappings_are_read(running: dict[str, Task]) -> None:
    docker = running["docker.1"]
    assert docker.mappings == (PortMapping(31000, 80, "tcp"),)
    assert (docker.runtime, docker.network) == ("DOCKER", "bridge")


def test_several_networks_give_all_their_addresses_and_names() -> None:
    infos = [
        {"name": "blue", "ip_addresses": [{"ip_address": "9.0.0.5"}, {"ip_address": "fd00::5"}]},
        {"name": "green", "ip_addresses": [{"ip_address": "9.1.0.5"}, {"ip_address": "none"}]},
    ]
    found = described(
        container={"type": "MESOS", "network_infos": [{"name": "blue"}, {"name": "green"}]},
        statuses=[{"state": "TASK_RUNNING", "container_status": {"network_infos": infos}}],
    )
    assert found.addresses == ("9.0.0.5", "fd00::5", "9.1.0.5")
    assert (found.network, found.networks) == ("container", ("blue", "green"))


def test_a_pods_mappings_are_those_that_its_status_tells() -> None:
    mapping = {"host_port": 31005, "container_port": 80, "protocol": "TCP"}
    status = {"container_status": {"network_infos": [{"port_mappings": [mapping]}]}}
    found = described(statuses=[{"state": "TASK_RUNNING", **status}])
    assert found.mappings == (PortMapping(31005, 80, "tcp"),)


@pytest.mark.parametrize(
    ("resources", "ports"),
    [
        ({"ports": "[31000-31001, 31005-31005]"}, (31000, 31001, 31005)),
        ({"cpus": 0.1}, ()),
        (
            [
                {"name": "ports", "ranges": {"range": [{"begin": 31000, "end": 31001}]}},
                {"name": "cpus", "scalar": {"value": 0.1}},
                {"name": "ports", "ranges": {"range": [{"begin": 5, "end": 5}]}},
            ],
            (31000, 31001, 5),
        ),
        ([{"name": "ports", "scalar": {"value": 31000}}], (31000,)),
        (None, ()),
    ],
)
def test_ports_are_written_out(resources: Any, ports: tuple[int, ...]) -> None:
    assert described(resources=resources).ports == ports


@pytest.mark.parametrize(
    ("told_check", "expected"),
    [
        (None, None),
        ({}, HealthCheck()),
        ({"type": "COMMAND", "command": {"value": "true"}}, HealthCheck("COMMAND")),
        ({"type": "TCP", "tcp": {"port": 31000}}, HealthCheck("TCP", 31000)),
        (
            {
                "type": "HTTP",
                "http": {"port": 80, "path": "/up", "scheme": "https", "statuses": [200]},
                "delay_seconds": 15.0,
                "grace_period_seconds": 300,
                "interval_seconds": 10.5,
                "timeout_seconds": 20.0,
                "consecutive_failures": 3,
            },
            HealthCheck("HTTP", 80, "/up", "https", 15.0, 300.0, 10.5, 20.0, 3),
        ),
    ],
)
def test_what_mesos_checks_of_a_task_is_read(told_check: Any, expected: HealthCheck | None) -> None:
    found = described(health_check=told_check)
    assert (found.health_check, found.checked) == (expected, expected is not None)


@pytest.mark.parametrize("form", ["list", "object"])
def test_labels_are_read_in_the_form_of_either_api(form: str) -> None:
    pairs: Any = [{"key": "a", "value": "b"}, {"key": "a"}]
    if form == "object":
        pairs = {"labels": pairs}
    ports = {"ports": [{"number": 80, "labels": pairs}]}
    status = {
        "state": "TASK_RUNNING",
        "labels": [{"key": "Docker.NetworkSettings.IPAddress", "value": "172.17.0.2"}],
    }
    found = described(labels=pairs, discovery={"name": "x", "ports": ports}, statuses=[status])
    assert found.labels == (("a", "b"), ("a", ""))
    assert found.discovery == Discovery("x", (Port(80, labels=(("a", "b"), ("a", ""))),))
    assert found.docker_address == "172.17.0.2"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("statuses", "none"),
        ("resources", 7),
        ("resources", {"ports": "[x-y]"}),
        ("resources", [{"name": "ports", "ranges": {"range": [{"begin": 9, "end": 70000}]}}]),
        ("labels", [7]),
        ("discovery", {"ports": {"ports": [{"name": "no number"}]}}),
        ("container", []),
        ("health_check", {"http": {"port": "http"}}),
    ],
)
def test_a_member_of_the_wrong_shape_is_named(member: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{member}: "):
        described(**{member: value})


def status(state: str, **more: Any) -> Raw:
    return Raw(json.dumps({"state": state, "timestamp": 1.0, **more}).encode())


def states(of: Told) -> list[str]:
    return [one["state"] for one in msgspec.json.decode(of.statuses)]


NEW = Told("web.1", "web", "F1", "S1", "TASK_STAGING")


def test_updates_are_kept_as_a_master_keeps_them() -> None:
    # A status of the same state as the last takes its place (Mesos Master::updateTask).
    one = details.updated(NEW, "TASK_STARTING", status("TASK_STARTING"))
    two = details.updated(one, "TASK_RUNNING", status("TASK_RUNNING"))
    three = details.updated(two, "TASK_RUNNING", status("TASK_RUNNING", healthy=True))
    assert (one.state, states(one)) == ("TASK_STARTING", ["TASK_STARTING"])
    assert (three.state, states(three)) == ("TASK_RUNNING", ["TASK_STARTING", "TASK_RUNNING"])
    assert details.task(two, "marathon", "1.1.1.1").healthy is None
    assert details.task(three, "marathon", "1.1.1.1").healthy is True


def test_the_state_of_an_update_counts_before_that_of_its_status() -> None:
    ahead = details.updated(NEW, "TASK_RUNNING", status("TASK_STARTING"))
    assert (ahead.state, states(ahead)) == ("TASK_RUNNING", ["TASK_STARTING"])
    assert not details.settled(ahead)
    assert details.settled(details.updated(ahead, "TASK_RUNNING", status("TASK_RUNNING")))
    assert details.settled(NEW)
    assert NEW.statuses == NULL


whole = st.builds(
    task,
    healthy=st.sampled_from([None, True, False]),
    health_check=st.sampled_from(
        [
            None,
            HealthCheck(),
            HealthCheck("COMMAND", delay=15, grace=10, interval=5, timeout=2, failures=3),
            HealthCheck("HTTP", 8080, "/health", "https"),
            HealthCheck("TCP", 8080, grace=1.5),
        ]
    ),
    addresses=st.sampled_from([(), ("10.0.0.11",), ("9.0.0.1", "fd00::1")]),
    docker_address=st.sampled_from(["", "172.17.0.2"]),
    ports=st.sampled_from([(), (31000, 31002)]),
    labels=st.sampled_from([(), labels(a="b")]),
    discovery=st.sampled_from([None, discovery("web", port(80, "http", VIP_0="/web:80"))]),
)


@given(whole)
def test_what_is_told_of_a_task_is_read_back(of: Task) -> None:
    of = msgspec.structs.replace(of, checked=of.health_check is not None)
    found = details.task(told(of), of.framework, of.agent)
    assert msgspec.structs.replace(found, network=of.network) == of

"""Pointsman's peers have the same data: what the refresher writes, and how all follow for real."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointlab.site import peers, refresher, topology

LAB = Path(__file__).parents[2] / "netns-lab/lab"


def task(id_: str, state: str = "TASK_RUNNING", **more: Any) -> dict[str, Any]:
    labels = {"labels": [{"key": "VIP_0", "value": "/web:80"}]}
    port = {"number": 10_000, "labels": labels}
    return {
        "id": id_, "name": "web", "state": state, "slave_id": "S1", "statuses": [],
        "discovery": {"ports": {"ports": [port]}}, **more,
    }  # fmt: skip


def state(*tasks: dict[str, Any]) -> dict[str, Any]:
    return {
        "slaves": [{"id": "S1", "hostname": "10.31.0.11"}],
        "frameworks": [{"name": "marathon", "tasks": list(tasks)}],
    }


def status(at: float, **more: Any) -> dict[str, Any]:
    return {"state": "TASK_RUNNING", "timestamp": at, **more}


def test_only_tasks_that_run_and_are_healthy_if_they_have_a_check_are_told() -> None:
    found = refresher.instances(
        state(
            task("web.1"),
            task("web.2", "TASK_KILLING"),
            task("web.3", health_check={}),
            task("web.4", health_check={}, statuses=[status(1.0), status(2.0, healthy=True)]),
            task("web.5", statuses=[status(2.0, healthy=False), status(1.0, healthy=True)]),
            task("web.6", slave_id="S2"),
            task("web.7", discovery={}),
        )
    )
    assert [one.id for one in found] == ["web.1", "web.4"]
    assert {(one.app, one.address, one.port, one.vip_port) for one in found} == {
        ("web", "10.31.0.11", 10_000, 80)
    }


def test_keepalived_checks_as_pointsman_does_in_the_topology() -> None:
    text = refresher.keepalived(refresher.instances(state(task("web.1"))))["keepalived.conf"]
    assert f"virtual_server {refresher.vip('web')} 80 {{" in text
    assert "real_server 10.31.0.11 10000 {" in text
    health = topology.load("peers").pointsman["health"]
    times = health["interval"], health["timeout"], health["fall"], health["edge_interval"]
    assert times == (refresher.CHECK, refresher.PATIENCE, refresher.FALL, refresher.CHECK)


def test_zones_have_the_names_that_pointsman_has() -> None:
    found = refresher.instances(state(task("web.1")))
    zones = refresher.zones(found)
    label = found[0].label
    assert zones["mesos.zone"].splitlines() == [
        f"_web._tcp.marathon.mesos. SRV 0 1 10000 {label}.marathon.mesos.",
        f"{label}.marathon.mesos. A 10.31.0.11",
        "web.marathon.mesos. A 10.31.0.11",
    ]
    name = "web.marathon.l4lb.thisdcos.directory."
    assert zones["l4lb.thisdcos.directory.zone"] == f"{name} A {refresher.vip('web')}\n"


@given(st.permutations([f"web.{n}" for n in range(5)]))
def test_nothing_changes_when_a_master_tells_the_same_in_another_order(ids: list[str]) -> None:
    found = refresher.instances(state(*map(task, ids)))
    assert found == refresher.instances(state(*map(task, sorted(ids))))


class Clock:
    """Stands for the refresher's time: it goes on with each look, and ends it after some sleeps."""

    def __init__(self, sleeps: int) -> None:
        self.now, self.left = 0.0, sleeps

    def monotonic(self) -> float:
        self.now += refresher.INTERVAL
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def test_refresher_that_is_late_goes_on_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = Clock(sleeps=3)
    monkeypatch.setattr(refresher, "time", clock)
    monkeypatch.setattr(refresher, "ask", lambda _: None)

    with pytest.raises(KeyboardInterrupt):
        refresher.run("zones", tmp_path, tmp_path / "pid", [])


def test_what_runs_beside_which_peer() -> None:
    read = topology.load("peers")
    services = {
        one.name: [service.name for service in peers.services(read, one, Path("/run/x"))]
        for one in read.nodes.values()
    }
    assert {name: found for name, found in services.items() if found} == {
        "kalived": ["keepalived-kalived", "refresher-kalived"],
        "named": ["named-named", "refresher-named"],
    }


@pytest.mark.long
@pytest.mark.timeout(600)
def test_peers_follow_a_killed_instance_beside_pointsman() -> None:
    if not (peers.NAMED.exists() and peers.KEEPALIVED.exists()):
        pytest.skip("the peers are not there: scripts/install")
    done = subprocess.run(
        [LAB, "test", "--peers", "killed"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    row = r"^(killed +\d+ s|  peers) +(\d+) +\d+ +\d+ +[\d.]+ s +[\d.]+ s"
    rows = re.findall(row, done.stdout, re.MULTILINE)
    assert len(rows) == 2, done.stdout
    assert all(int(sent) > 50 for _, sent in rows)

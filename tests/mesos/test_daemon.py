"""The whole program by ZooKeeper: the leading master dies, and no name goes with it."""

import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointlab.site.cluster import Cluster
from pointlab.site.process import wait_for

DNS, HTTP = "127.0.22.53", "127.0.22.53:8123"


def dig(name: str) -> list[str]:
    command = ["dig", "+short", "+time=1", "+tries=1", "-p", "5399", f"@{DNS}", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return sorted(done.stdout.split())


def ready() -> bool:
    with urllib.request.urlopen(f"http://{HTTP}/readyz", timeout=5) as reply:
        return bool(reply.status == 200)


@pytest.fixture
def log(elected: Cluster, tmp_path: Path) -> Iterator[Path]:
    """Run Pointsman, told of ZooKeeper alone; give its log."""
    config = tmp_path / "pointsman.toml"
    config.write_text(f"""
        state_dir = "{tmp_path}/state"
        discovery = {{ zookeeper = "zk://{elected.zookeeper}/mesos", poll_interval = 0.2 }}
        dns = {{ listen = ["{DNS}:5399"] }}
        vip = {{ enabled = false }}
        http = {{ listen = "{HTTP}" }}
    """)
    path = tmp_path / "log"
    with path.open("wb") as file:
        command = [sys.executable, "-m", "pointsman", "run", "--config", str(config)]
        process = subprocess.Popen(command, stderr=file)
    try:
        wait_for(ready, "Pointsman")
        yield path
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_names_stand_while_the_masters_elect(elected: Cluster, log: Path) -> None:
    elected.launch("job.1", name="job", cmd="exec sleep 1000")
    (address,) = wait_for(lambda: dig("job.marathon.mesos"), "the task's name")
    leader = elected.leader()
    assert dig("leader.mesos") == [leader.address]

    elected.crash(leader.name)

    def followed() -> bool:
        assert dig("job.marathon.mesos") == [address]
        return dig("leader.mesos") not in ([], [leader.address])

    wait_for(followed, "the new leader's name", 30)

    def settled() -> bool:
        assert dig("job.marathon.mesos") == [address]
        return "knows of all agents" in log.read_text() or "has not heard" not in log.read_text()

    wait_for(settled, "the agents to come back")
    assert "ZooKeeper names" in log.read_text()

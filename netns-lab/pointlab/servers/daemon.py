"""The program on this kernel, before a master that says what it is told."""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pointlab.site.process import wait_for

FRAMEWORK = "F-0"


class Daemon:
    """`pointsman run` with its configuration, started and stopped."""

    def __init__(
        self,
        folder: Path,
        master: str,
        vip: str = "",
        *,
        node: str = "127.0.0.1",
        health: str = "",
    ) -> None:
        """``vip`` and ``health`` are further lines of those tables, ``node`` is the own address."""
        self.config = folder / "pointsman.toml"
        self.config.write_text(f"""
            state_dir = "{folder}/state"
            discovery = {{ masters = ["{master}"], poll_interval = 0.1 }}
            dns = {{ listen = ["127.0.0.1:53"] }}
            [health]
            {health}
            [vip]
            node_address = "{node}"
            check_interval = 0.5
            {vip}
        """)
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it serves."""
        command = [sys.executable, "-m", "pointsman", "run", "--config", str(self.config)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log)
        wait_for(lambda: self.get("/readyz") == "ready\n", "readiness", 60)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; return its status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self.process and self.process.poll() is None:
            self.end(signal.SIGKILL)

    def health(self) -> dict[str, str]:
        """Return what is believed of each task that is probed."""
        targets = json.loads(self.get("/v1/health"))["targets"]
        return {row["tasks"][0]: row["state"] for row in targets}

    def get(self, path: str) -> str:
        """Return what it answers over HTTP."""
        with urllib.request.urlopen(f"http://127.0.0.1:8123{path}", timeout=5) as reply:
            return str(reply.read().decode())

    def metric(self, name: str) -> float:
        """Return the sum of a metric over its labels."""
        found = re.findall(rf"^{name}(?:\{{.*\}})? (.*)$", self.get("/metrics"), re.MULTILINE)
        return sum(map(float, found))

    def command(self, *words: str) -> str:
        """Return what a command of the program prints, with the same configuration."""
        command = [sys.executable, "-m", "pointsman", *words, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def state(*tasks: Mapping[str, Any], agents: Mapping[str, Mapping[str, str]] = {}) -> bytes:
    """Return a master's ``/state`` of one framework, marathon, with these tasks.

    ``agents`` says more of agents, by address (their fault domains); those of tasks are there.
    """
    addresses = sorted({t["slave_id"] for t in tasks} | agents.keys())
    return json.dumps({
        "pid": "master@127.0.0.1:5050",
        "leader": "master@127.0.0.1:5050",
        "slaves": [
            {"id": a, "hostname": a, "pid": f"slave(1)@{a}:5051", **_domain(agents.get(a))}
            for a in addresses
        ],
        "frameworks": [
            {"id": FRAMEWORK, "name": "marathon", "active": True, "tasks": list(tasks)},
        ],
    }).encode()  # fmt: skip


def task(
    id_: str,
    agent: str,
    port: int,
    run: str = "TASK_RUNNING",
    healthy: bool | None = None,
    labels: Mapping[str, str] = {},
    protocol: str = "tcp",
) -> dict[str, Any]:
    """Return a task of ``/state`` on its agent's network, with a port and its labels."""
    status = {"state": run, "timestamp": 1.0, **({} if healthy is None else {"healthy": healthy})}
    listed = [{"key": key, "value": value} for key, value in labels.items()]
    ports = [{"number": port, "protocol": protocol, "labels": {"labels": listed}}]
    return {
        "id": id_,
        "name": id_.partition(".")[0],
        "framework_id": FRAMEWORK,
        "slave_id": agent,
        "state": run,
        "resources": {"ports": f"[{port}-{port}]"},
        "statuses": [status],
        "discovery": {"name": id_.partition(".")[0], "ports": {"ports": ports}},
    }


def _domain(of: Mapping[str, str] | None) -> dict[str, Any]:
    if not of:
        return {}
    return {"domain": {"fault_domain": {
        "region": {"name": of["region"]}, "zone": {"name": of["zone"]},
    }}}  # fmt: skip


def ipvsadm() -> list[str]:
    """Return the kernel's table as ipvsadm writes it, sorted."""
    shown = subprocess.run(["ipvsadm", "-Sn"], capture_output=True, text=True, check=True)
    return sorted(line.strip() for line in shown.stdout.splitlines())

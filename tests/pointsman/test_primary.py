"""The whole program as the primary of Debian's Knot: changes, a restart, a reload."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pointlab.servers import secondaries
from pointlab.servers.secondaries import Primary
from pointlab.site.process import Processes, free_port, wait_for

STATE = Path(__file__).parents[1] / "data/mesos/running-state.json"
SECRET = "c2VjcmV0IG9mIGEgdGVzdCwgb2YgMzIgb2N0ZXRzLg=="


def asked(port: int, name: str, type_: str = "A") -> list[str]:
    command = ["dig", "+short", "+time=1", "+tries=1", "@127.0.0.1", "-p", str(port), name, type_]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    return sorted(shown.stdout.splitlines()) if shown.returncode == 0 else []


def serial(port: int) -> int:
    found = asked(port, "mesos", "SOA")
    return int(found[0].split()[2]) if found else 0


class Node:
    """`pointsman run`, and the secondary beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.primary = Primary("mesos", "127.0.0.1", free_port(), "transfers", SECRET)
        self.secondary = free_port()
        self.processes = Processes(folder)
        self.state: dict[str, Any] = json.loads(STATE.read_text())
        self.write(lambda tasks: None)
        (folder / "keys").write_text(secondaries.key_file(self.primary))
        (folder / "pointsman.toml").write_text(f"""
            state_dir = "{folder}/state"
            discovery = {{ file = "{folder}/state.json" }}
            vip = {{ enabled = false }}
            http = {{ listen = "" }}
            [dns]
            listen = ["127.0.0.1:{self.primary.port}"]
            transfer.allow = ["127.0.0.0/8"]
            transfer.key_file = "{folder}/keys"
            transfer.notify = ["127.0.0.1:{self.secondary}"]
        """)

    def write(self, change: Callable[[list[Any]], None]) -> None:
        """Change the tasks of the first framework."""
        change(self.state["frameworks"][0]["tasks"])
        new = self.folder / "state.new"
        new.write_text(json.dumps(self.state))
        new.replace(self.folder / "state.json")

    def start(self) -> None:
        config = str(self.folder / "pointsman.toml")
        command = [sys.executable, "-m", "pointsman", "run", "--config", config]
        self.processes.start("pointsman", command)

    def follows(self, what: str) -> None:
        def same() -> bool:
            there = serial(self.primary.port)
            return there != 0 and there == serial(self.secondary)

        wait_for(same, what)


def test_a_secondary_follows_changes_a_restart_and_a_reload(tmp_path: Path) -> None:
    node = Node(tmp_path)
    (tmp_path / "knot").mkdir()
    command = secondaries.knot(tmp_path / "knot", node.secondary, node.primary)
    node.start()
    node.processes.start("knot", command)
    try:
        wait_for(lambda: len(asked(node.secondary, "web.marathon.mesos")) == 2, "two instances")
        gone: list[Any] = []
        node.write(lambda tasks: gone.append(tasks.pop([t["name"] for t in tasks].index("web"))))
        wait_for(lambda: len(asked(node.secondary, "web.marathon.mesos")) == 1, "one instance")
        node.follows("the change")
        assert "IXFR, incoming" in node.processes.log("knot").read_text()
        before = serial(node.secondary)

        node.processes.stop("pointsman", signal.SIGKILL)
        node.write(lambda tasks: tasks.append(gone.pop()))
        node.start()
        wait_for(lambda: len(asked(node.secondary, "web.marathon.mesos")) == 2, "both again")
        node.follows("the restart")
        restarted = serial(node.secondary)
        assert restarted > before

        node.processes.send("pointsman", signal.SIGHUP)
        wait_for(lambda: serial(node.primary.port) > restarted, "the reload")
        node.follows("the reload")
    except AssertionError as error:
        error.add_note(node.processes.log("pointsman").read_text()[-3000:])
        raise
    finally:
        for name in ("pointsman", "knot"):
            node.processes.stop(name)


def test_a_key_file_that_can_not_be_used_ends_the_start(tmp_path: Path) -> None:
    Node(tmp_path)
    (tmp_path / "keys").write_text("nonsense")
    config = str(tmp_path / "pointsman.toml")
    for command in ("run", "check"):
        done = subprocess.run(
            [sys.executable, "-m", "pointsman", command, "--config", config],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode == 1
        assert (
            f"dns.transfer.key_file: {tmp_path}/keys: line 1: is not key"
            in done.stderr + done.stdout
        )


@pytest.mark.parametrize("value", ["nowhere", "10.0.0.1:0", "0.0.0.0:53"])
def test_a_secondary_that_is_no_address_is_refused(value: str, tmp_path: Path) -> None:
    file = tmp_path / "pointsman.toml"
    file.write_text(f'[discovery]\nfile = "x"\n[dns.transfer]\nnotify = ["{value}"]\n')
    done = subprocess.run(
        [sys.executable, "-m", "pointsman", "check", "--config", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "dns.transfer.notify[0]: " in done.stderr

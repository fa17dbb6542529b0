"""The whole program on a real kernel: what it makes, what it leaves alone, what outlives it."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointlab.servers.daemon import Daemon, ipvsadm
from pointlab.site.process import wait_for
from pointsman.doubles import MasterDouble

STATE = (Path(__file__).parents[1] / "data/mesos/running-state.json").read_bytes()
VIP = "11.225.36.193"  # of web.marathon
WANTED = [
    f"-A -t {VIP}:80 -s wlc",
    f"-a -t {VIP}:80 -r 127.0.0.11:10000 -m -w 1",
    f"-a -t {VIP}:80 -r 127.0.0.12:10000 -m -w 1",
]
FOREIGN = ["-A -t 192.0.2.1:443 -s rr", "-a -t 192.0.2.1:443 -r 192.0.2.9:443 -m -w 1"]


def without(task: str) -> bytes:
    """Return the state without one task."""
    state = json.loads(STATE)
    framework = state["frameworks"][0]
    framework["tasks"] = [t for t in framework["tasks"] if t["id"] != task]
    return json.dumps(state).encode()


def dig(name: str, *words: str) -> list[str]:
    command = ["dig", "+short", "+time=1", "@127.0.0.1", name, *words]
    return sorted(
        subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    )


@pytest.fixture
def master() -> Iterator[MasterDouble]:
    with MasterDouble(STATE) as double:
        yield double


@pytest.fixture
def daemon(tmp_path: Path, master: MasterDouble) -> Iterator[Daemon]:
    one = Daemon(tmp_path, master.address)
    one.start()
    yield one
    one.kill()


def test_the_kernel_has_exactly_the_wanted_table_and_what_is_foreign(daemon: Daemon) -> None:
    assert ipvsadm() == sorted(WANTED)
    assert dig("web.marathon.l4lb.thisdcos.directory") == [VIP]
    assert dig("_web._tcp.marathon.mesos", "SRV", "+tcp")
    (vip,) = json.loads(daemon.get("/v1/vips"))
    assert vip["vip"] == "web.marathon.l4lb.thisdcos.directory:80"
    assert {b["ip"] for b in vip["backend"]} == {"127.0.0.11", "127.0.0.12"}


@pytest.mark.usefixtures("daemon")
def test_a_task_that_ends_leaves_dns_and_kernel_and_others_stay(master: MasterDouble) -> None:
    subprocess.run(["ipvsadm", "-R"], input="\n".join(FOREIGN), text=True, check=True)
    master.body = without("web.1")
    wait_for(lambda: ipvsadm() == sorted([*WANTED[:1], *WANTED[2:], *FOREIGN]), "the kernel")
    wait_for(lambda: dig("web.marathon.mesos") == ["127.0.0.12"], "DNS")
    master.body = STATE
    wait_for(lambda: ipvsadm() == sorted([*WANTED, *FOREIGN]), "the kernel")


@pytest.mark.usefixtures("daemon")
def test_what_somebody_cleared_comes_back() -> None:
    subprocess.run(["ipvsadm", "-C"], check=True)
    wait_for(lambda: ipvsadm() == sorted(WANTED), "the repair")


def test_a_master_that_fails_loses_nothing(daemon: Daemon, master: MasterDouble) -> None:
    assert daemon.process
    for status, body in ((503, b"No leader elected"), (200, STATE[:5000]), (200, b"{}")):
        master.status, master.body = status, body
        asked = master.asked
        wait_for(lambda asked=asked: master.asked > asked + 1, "two readings")  # type: ignore[misc]
        assert ipvsadm() == sorted(WANTED)
        assert dig("web.marathon.mesos") == ["127.0.0.11", "127.0.0.12"]
    text = daemon.log.read_text()
    assert "answered 503 No leader elected; the last good view stands" in text
    assert "can't be read" in text
    assert "are no state" in text


def test_killed_and_started_again_it_cuts_no_connection_and_changes_nothing(daemon: Daemon) -> None:
    with socket.create_server(("127.0.0.11", 10000)) as server:
        connections = []

        def serve() -> None:
            connection, _ = server.accept()
            connections.append(connection)
            while data := connection.recv(100):
                connection.sendall(data)

        # The other real server must not be chosen: it has nobody.
        subprocess.run(
            ["ipvsadm", "-e", "-t", f"{VIP}:80", "-r", "127.0.0.12:10000", "-m", "-w", "0"],
            check=True,
        )
        thread = threading.Thread(target=serve)
        thread.start()
        with socket.create_connection((VIP, 80), timeout=5) as client:
            client.sendall(b"one")
            assert client.recv(10) == b"one"
            wait_for(lambda: ipvsadm() == sorted(WANTED), "the repair")
            daemon.end(signal.SIGKILL)
            client.sendall(b"two")
            assert client.recv(10) == b"two"
            daemon.start()
            assert daemon.metric("pointsman_kernel_changes_total") == 0
            assert ipvsadm() == sorted(WANTED)
            client.sendall(b"three")
            assert client.recv(10) == b"three"
        thread.join()
        connections[0].close()


def test_started_without_a_master_it_serves_the_last_view(
    daemon: Daemon, master: MasterDouble
) -> None:
    daemon.end(signal.SIGTERM)
    master.status, master.body = 503, b"No leader elected"
    daemon.start()
    assert dig("web.marathon.mesos") == ["127.0.0.11", "127.0.0.12"]
    assert dig("web.marathon.l4lb.thisdcos.directory") == [VIP]
    assert ipvsadm() == sorted(WANTED)
    assert daemon.metric("pointsman_kernel_changes_total") == 0
    master.status, master.body = 200, without("web.1")
    wait_for(lambda: ipvsadm() == sorted([*WANTED[:1], *WANTED[2:]]), "the kernel")


def test_a_clean_stop_leaves_the_kernel_forwarding_and_flush_removes_it(daemon: Daemon) -> None:
    subprocess.run(["ipvsadm", "-R"], input="\n".join(FOREIGN), text=True, check=True)
    assert daemon.end(signal.SIGTERM) == 0
    assert ipvsadm() == sorted([*WANTED, *FOREIGN])
    command = [sys.executable, "-m", "pointsman", "flush", "--config", str(daemon.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "removed 1 virtual servers" in done.stdout
    assert ipvsadm() == sorted(FOREIGN)
    links = subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout
    assert "pointsman0" not in links


def test_a_reload_takes_what_is_good_and_refuses_what_is_not(daemon: Daemon) -> None:
    assert daemon.process
    good = daemon.config.read_text()
    daemon.config.write_text(good + "scheduler = 'rr'")
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: f"-A -t {VIP}:80 -s rr" in ipvsadm(), "the new scheduler")
    daemon.config.write_text(good.replace("poll_interval", "pol_interval"))
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "reload refused" in daemon.log.read_text(), "the refusal")
    assert 'discovery.pol_interval: unknown key; did you mean "poll_interval"?' in (
        daemon.log.read_text()
    )
    assert f"-A -t {VIP}:80 -s rr" in ipvsadm()
    assert dig("web.marathon.l4lb.thisdcos.directory") == [VIP]

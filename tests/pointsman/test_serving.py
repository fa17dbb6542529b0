"""The whole program at its addresses: as interfaces have them, as systemd hands them over.

The cluster is a file and there is no balancing, so that any kernel will do.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from pointlab.site.process import wait_for
from pointsman.doubles import activated

STATE = Path(__file__).parents[1] / "data/mesos/running-state.json"
WEB = ["127.0.0.11", "127.0.0.12"]
NOBODY = 65534
Ip = Callable[[str], None]


class Daemon:
    """`pointsman run` with its configuration, started and stopped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.log.touch()
        self.config = folder / "pointsman.toml"
        shutil.copy(STATE, folder / "state.json")
        self.command = [sys.executable, "-m", "pointsman", "run", "--config", str(self.config)]
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, *listen: str, http: str = "", dns: str = "") -> None:
        self.config.write_text(f"""
            state_dir = "{self.folder}/state"
            discovery = {{ file = "{self.folder}/state.json" }}
            dns = {{ listen = {list(listen)}{dns and ", "}{dns} }}
            vip = {{ enabled = false }}
            http = {{ listen = "{http}" }}
        """)

    def start(self, *before: str, sockets: Mapping[str, socket.socket] = {}) -> None:
        """Start it, by what words before it; with sockets, as systemd does it."""
        command = [*before, *self.command]
        descriptors = {name: one.fileno() for name, one in sockets.items()}
        if sockets:
            command = activated(command, descriptors)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, pass_fds=descriptors.values())

    def reload(self) -> None:
        assert self.process
        before = self.said().count("reloaded")
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.said().count("reloaded") > before, "the reload")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(20)

    def said(self) -> str:
        return self.log.read_text()


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """Give a daemon with a folder that every user may enter, and that is nobody's own."""
    with tempfile.TemporaryDirectory() as folder:
        one = Daemon(Path(folder))
        yield one
        if one.process and one.process.poll() is None:
            one.end(signal.SIGKILL)


def dig(server: str, name: str, *words: str, port: int = 53) -> list[str]:
    command = ["dig", "+short", "+time=1", "+tries=1", f"@{server}", "-p", str(port), name, *words]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    return sorted(shown.stdout.split()) if shown.returncode == 0 else [shown.stdout]


def answers(server: str, *words: str) -> bool:
    return dig(server, "web.marathon.mesos", *words) == WEB


def test_an_interface_that_appears_later_is_served_with_all_its_addresses(
    network: Ip, daemon: Daemon
) -> None:
    daemon.configure("127.0.0.1:53", "eth0:53")
    daemon.start()
    wait_for(lambda: answers("127.0.0.1"), "answers")
    assert "dns.listen: there is no interface eth0 yet" in daemon.said()
    assert dig("127.0.0.1", "ns1.mesos") == ["127.0.0.1"]

    network("link add eth0 type veth peer name peer")
    network("link set eth0 addrgenmode none up")
    network("link set peer up")
    network("addr add 10.9.0.1/24 dev eth0")
    network("addr add fd09::1/64 dev eth0 nodad")
    network("addr add fe80::9/64 dev eth0 nodad")
    for server in ("10.9.0.1", "fd09::1", "fe80::9%eth0"):
        wait_for(lambda server=server: answers(server), f"answers at {server}")  # type: ignore[misc]
        assert answers(server, "+tcp")
    # The nameserver is where it answers, without a reload.
    wait_for(lambda: dig("10.9.0.1", "ns1.mesos", "AAAA") == ["fd09::1"], "its address")
    assert dig("10.9.0.1", "ns1.mesos") == ["10.9.0.1", "127.0.0.1"]
    assert dig("10.9.0.1", "thisnode.thisdcos.directory") == ["10.9.0.1", "127.0.0.1"]

    network("addr del 10.9.0.1/24 dev eth0")
    wait_for(lambda: dig("127.0.0.1", "ns1.mesos") == ["127.0.0.1"], "its end")
    network("addr add 10.9.0.1/24 dev lo")
    assert not answers("10.9.0.1")  # it is there, and on another interface
    assert answers("fd09::1")
    assert daemon.end() == 0


def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, Any]:
    """Return the status and the JSON that a request is answered with."""
    host, _, path = url.partition("/")
    connection = http.client.HTTPConnection(host, timeout=20)
    connection.request(method, f"/{path}", headers=headers)
    reply = connection.getresponse()
    found = reply.status, json.loads(reply.read())
    connection.close()
    return found


def test_the_api_tells_what_happened_and_reloads_even_to_another_address(
    network: Ip, daemon: Daemon
) -> None:
    token = daemon.folder / "token"
    token.write_text("0123456789abcdef")
    daemon.configure("127.0.0.1:53", http='127.0.0.1:8123", token_file = "' + str(token))
    daemon.start()
    wait_for(lambda: answers("127.0.0.1"), "answers")
    wait_for(lambda: ask("127.0.0.1:8123/v1/summary")[1]["ready"], "readiness")
    _, told = ask("127.0.0.1:8123/v1/events")
    kinds = [event["kind"] for event in told["events"]]
    assert {"task", "leader", "node"} <= {*kinds}
    assert told["events"][-1]["after"] == "ready"
    assert [e["id"] for e in told["events"]] == list(
        range(told["last"] - len(kinds) + 1, told["last"] + 1)
    )
    status, said = ask("127.0.0.1:8123/v1/resolve?name=web.marathon.mesos&type=A")
    assert (status, said["answer"][0]["data"]) == (200, WEB)

    daemon.configure("127.0.0.1:53", http='127.0.0.1:8124", token_file = "' + str(token))
    bearer = {"Authorization": "Bearer 0123456789abcdef"}
    assert ask("127.0.0.1:8123/v1/reload", "POST")[0] == 401
    assert ask("127.0.0.1:8123/v1/reload", "POST", **bearer) == (200, {"problems": []})
    daemon.config.write_text("nonsense = 1")
    status, said = ask("127.0.0.1:8124/v1/reload", "POST", **bearer)
    assert status == 409
    assert said["problems"][0].startswith("nonsense: unknown key")
    status, said = ask("127.0.0.1:8124/v1/resync", "POST", **bearer)
    assert (status, said["repaired"]) == (200, 0)
    _, later = ask(f"127.0.0.1:8124/v1/events?since={told['last']}")
    assert [(e["kind"], e["after"]) for e in later["events"]] == [
        ("config", "reloaded"),
        ("config", "reload refused"),
    ]
    assert daemon.end() == 0
    assert not [line for line in daemon.said().splitlines() if "Traceback" in line]


def test_an_address_of_all_nodes_that_moves_here_is_answered_at_once(
    eth0: Ip, daemon: Daemon
) -> None:
    daemon.configure("10.9.0.100:53", "127.0.0.1:53")
    daemon.start()
    wait_for(lambda: answers("127.0.0.1"), "answers")
    assert "dns.listen: no interface has 10.9.0.100 yet" in daemon.said()
    for _ in range(2):
        eth0("addr add 10.9.0.100/32 dev eth0")
        assert answers("10.9.0.100")
        assert answers("10.9.0.100", "+tcp")
        eth0("addr del 10.9.0.100/32 dev eth0")
    assert daemon.end() == 0


def test_all_addresses_of_both_families_answer_each_client_from_where_it_asked(
    eth0: Ip, daemon: Daemon
) -> None:
    eth0("addr add 10.9.0.1/24 dev eth0")
    eth0("addr add fd09::1/64 dev eth0 nodad")
    eth0("addr add fe80::9/64 dev eth0 nodad")
    daemon.configure("0.0.0.0:53", "[::]:53", "eth0:53")
    daemon.start()
    for server in ("127.0.0.1", "::1", "10.9.0.1", "fd09::1", "fe80::9%eth0"):
        wait_for(lambda server=server: answers(server), f"answers at {server}")  # type: ignore[misc]
        assert answers(server, "+tcp")
    daemon.configure("eth0:53")  # from all addresses to some
    daemon.reload()
    assert answers("10.9.0.1")
    assert answers("fe80::9%eth0", "+tcp")
    assert not answers("127.0.0.1")
    assert daemon.end() == 0


HOW = ("native = false", "native = true", "threads = 2", "threads = 3", "query_log = 1000000")
"""Keys of `dns` by which who answers differs."""


@pytest.mark.parametrize("how", [HOW[:1], HOW[1:2], HOW[2:3], HOW], ids=" ".join)
def test_a_reload_between_all_addresses_and_some_loses_no_query(
    network: Ip, daemon: Daemon, how: tuple[str, ...]
) -> None:
    daemon.configure("0.0.0.0:53", dns=how[0])
    daemon.start()
    wait_for(lambda: answers("127.0.0.1"), "answers")
    over = threading.Event()
    answered = [0]

    def ask() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", 53))
            client.settimeout(5)
            while not over.is_set():
                client.send(query(answered[0] % 65_536))
                if client.recv(512)[:2] == (answered[0] % 65_536).to_bytes(2):
                    answered[0] += 1

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            listens = ("127.0.0.1:53", "0.0.0.0:53", "lo:53") * 3
            for listen, keys in zip(listens, cycle(how), strict=False):
                daemon.configure(listen, dns=keys)
                daemon.reload()
        finally:
            over.set()
        asking.result()  # raises what its client met: no answer, or a port that nobody has
    assert answered[0] > 100
    assert daemon.end() == 0


def query(number: int) -> bytes:
    """Return a query for web.marathon.mesos."""
    return number.to_bytes(2) + bytes.fromhex(
        "0000000100000000000003776562086d61726174686f6e056d65736f730000010001"
    )


def metric(name: str) -> float:
    """Return the sum of a metric over its labels."""
    connection = http.client.HTTPConnection("127.0.0.1:8123", timeout=20)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def test_who_answers_is_changed_by_a_reload_and_said(network: Ip, daemon: Daemon) -> None:
    def threads() -> int:
        assert daemon.process
        tasks = Path(f"/proc/{daemon.process.pid}/task").iterdir()
        return sum((task / "comm").read_text() == "dns\n" for task in tasks)

    python = "all DNS answers are made in Python"
    for number, (keys, count, said) in enumerate((
        ("native = true", 1, "known DNS answers are native, threads for each address: 1"),
        ("threads = 2", 2, "known DNS answers are native, threads for each address: 2"),
        ("query_log = 1", 0, f"{python}, as dns.query_log asks for"),
        ("native = false", 0, f"{python}: dns.native is false"),
        ("threads = 3", 3, "known DNS answers are native, threads for each address: 3"),
    )):  # fmt: skip
        daemon.configure("127.0.0.1:53", http="127.0.0.1:8123", dns=keys)
        if number:
            daemon.reload()
        else:
            daemon.start()
            wait_for(lambda: answers("127.0.0.1"), "answers")
        assert daemon.said().count(said) == 1
        assert threads() == count
        assert answers("127.0.0.1", "+nocookie")  # which has it taught
        before = [metric(f"pointsman_dns_{n}_total") for n in ("queries", "passed")]
        assert dig("127.0.0.1", "WEB.marathon.mesos", "+noedns") == WEB
        for _ in range(5):
            assert answers("127.0.0.1", "+nocookie")
        after = [metric(f"pointsman_dns_{n}_total") for n in ("queries", "passed")]
        assert after == [before[0] + 6, before[1]]
    assert daemon.said().count("web.marathon.mesos. A") >= 6  # what the log of queries has
    assert daemon.said().count("reloaded") == 4
    assert daemon.end() == 0


@pytest.mark.parametrize("dns", ["native = false", "threads = 1", "threads = 3"])
def test_what_comes_while_it_restarts_is_answered_after(
    network: Ip, daemon: Daemon, dns: str
) -> None:
    """As deploy/pointsman.socket has it: the sockets are the service manager's."""
    with (
        socket.create_server(("127.0.0.1", 53)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.create_server(("127.0.0.1", 8123)) as http,
        socket.create_server(("127.0.0.1", 54)) as other,
    ):
        udp.bind(("127.0.0.1", 53))
        daemon.configure("127.0.0.1:53", http="127.0.0.1:8123", dns=dns)
        sockets = {"dns-udp": udp, "dns-tcp": tcp, "http": http, "other": other}
        daemon.start(sockets=sockets)
        wait_for(lambda: answers("127.0.0.1"), "answers")
        said = "no listener for what the service manager handed over: TCP 127.0.0.1:54 (other);"
        assert daemon.said().count(said) == 1

        for number in (signal.SIGTERM, signal.SIGKILL):
            daemon.end(number)
            with (
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets,
                socket.create_connection(("127.0.0.1", 53), 20) as connection,
                socket.create_connection(("127.0.0.1", 8123), 20) as browser,
            ):
                packets.settimeout(20)
                packets.connect(("127.0.0.1", 53))
                for one in range(100):
                    packets.send(query(one))
                connection.sendall(len(query(100)).to_bytes(2) + query(100))
                browser.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
                daemon.start(sockets=sockets)  # nobody was there until now
                assert {packets.recv(512)[:2] for _ in range(100)} == {
                    one.to_bytes(2) for one in range(100)
                }
                assert connection.recv(512)[2:4] == (100).to_bytes(2)
                assert browser.recv(512).startswith(b"HTTP/1.0 200")
        assert daemon.end() == 0


# A user may have no way into the folder of this project, as into /root.
OPEN = all(path.stat().st_mode & 0o001 for path in Path(__file__).absolute().parents)
CAP_DAC_READ_SEARCH, CAP_NET_BIND_SERVICE = 2, 10


def as_nobody(*capabilities: str) -> list[str]:
    """Return the words that run a command as a user without rights but these."""
    reading = () if OPEN else ("dac_read_search",)
    some = ",".join(["-all", *(f"+{capability}" for capability in (*capabilities, *reading))])
    return [
        "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
        f"--inh-caps={some}", f"--ambient-caps={some}", f"--bounding-set={some}",
    ]  # fmt: skip


@pytest.fixture
def guarded(network: Ip, daemon: Daemon) -> Daemon:
    """Give a daemon of user nobody's where ports below 1024 are kept for those who may."""
    Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("1024")
    for path in (daemon.folder, *daemon.folder.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    return daemon


def test_port_53_needs_no_root_but_the_capability(guarded: Daemon) -> None:
    guarded.configure("127.0.0.1:53", "[::1]:53", "lo:53")
    guarded.start(*as_nobody("net_bind_service"))
    wait_for(lambda: answers("127.0.0.1"), "answers")
    assert answers("::1", "+tcp")
    assert guarded.process
    status = Path(f"/proc/{guarded.process.pid}/status").read_text().split("\n")
    facts = dict(line.split(":\t", 1) for line in status if line)
    assert facts["Uid"].split() == [str(NOBODY)] * 4
    reading = 0 if OPEN else 1 << CAP_DAC_READ_SEARCH
    assert int(facts["CapEff"], 16) == 1 << CAP_NET_BIND_SERVICE | reading
    assert guarded.end() == 0


def test_without_it_what_is_missing_is_said(guarded: Daemon) -> None:
    guarded.configure("127.0.0.1:53")
    guarded.start(*as_nobody())
    assert guarded.process
    assert guarded.process.wait(20) == 1
    assert guarded.said().splitlines()[-1] == (
        "pointsman: dns.listen: UDP 127.0.0.1:53 is not allowed: a port below 1024 needs root or "
        "AmbientCapabilities=CAP_NET_BIND_SERVICE"
    )

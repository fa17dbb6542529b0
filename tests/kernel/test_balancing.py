"""The whole program balances on a real kernel: connections through it see no change."""

import json
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from pointlab.servers.daemon import Daemon, ipvsadm, state, task
from pointlab.site import netns
from pointlab.site.process import wait_for
from pointsman.doubles import MasterDouble

ONE, TWO = ("127.0.0.11", 31000), ("127.0.0.12", 31000)
VIP = "11.225.36.193"  # of web.marathon


def web(
    where: tuple[str, int],
    run: str = "TASK_RUNNING",
    *,
    healthy: bool | None = None,
    **options: str,
) -> dict[str, Any]:
    """Return an instance of the app web, at this address and port."""
    return task(f"web.{where[0][-1]}", *where, run, healthy, {"VIP_0": "/web:80", **options})


class Echo:
    """Says who it is, then echoes, on each connection."""

    def __init__(self, where: tuple[str, int]) -> None:
        self.name = where[0].encode()
        self.socket = socket.create_server(where)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with connection:
            connection.sendall(self.name)
            while data := connection.recv(100):
                connection.sendall(data)

    def __enter__(self) -> "Echo":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Box:
    """The program, its master, and what it balances over."""

    def __init__(self, opened: ExitStack, folder: Path) -> None:
        self.folder = folder
        self.opened = opened
        self.master = opened.enter_context(MasterDouble(state(web(ONE), web(TWO))))
        for where in (ONE, TWO):
            opened.enter_context(Echo(where))

    def start(self, vip: str = "") -> Daemon:
        daemon = Daemon(self.folder, self.master.address, vip)
        daemon.start()
        self.opened.callback(daemon.kill)
        return daemon

    def connect(self) -> tuple[socket.socket, str]:
        """Open a connection to the VIP; return it, and who took it."""
        client = self.opened.enter_context(socket.create_connection((VIP, 80), timeout=5))
        return client, client.recv(100).decode()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with ExitStack() as opened:
        yield Box(opened, tmp_path)


def reals() -> dict[str, str]:
    """Return weights by address of the VIP's real servers."""
    lines = (line.split() for line in ipvsadm() if line.startswith(f"-a -t {VIP}:80"))
    return {words[4].partition(":")[0]: words[-1] for words in lines}


def alive(client: socket.socket) -> bool:
    client.sendall(b"still there?")
    return client.recv(100) == b"still there?"


def killing(address: str) -> bytes:
    """Return the state in which the task at this address is being killed."""
    return state(
        *(web(w, "TASK_KILLING" if w[0] == address else "TASK_RUNNING") for w in (ONE, TWO))
    )


def test_d2iq_61077_a_connection_outlives_the_order_to_end_and_new_ones_go_elsewhere(
    box: Box,
) -> None:
    box.start()
    client, who = box.connect()
    box.master.body = killing(who)
    wait_for(lambda: reals()[who] == "0", "the drain")
    assert alive(client)
    assert who not in {box.connect()[1] for _ in range(6)}
    client.close()
    wait_for(lambda: who not in reals(), "the end of the drain")


def test_a_drain_ends_at_its_deadline_even_over_a_restart(box: Box) -> None:
    daemon = box.start("drain = 10")
    client, who = box.connect()
    box.master.body = killing(who)
    wait_for(lambda: reals()[who] == "0", "the drain")
    daemon.end(signal.SIGKILL)
    daemon.start()
    (vip,) = json.loads(daemon.get("/v1/status"))["virtual_servers"]
    (left,) = (real["left"] for real in vip["real_servers"] if real["address"] == who)
    assert 0 < left < 10
    assert alive(client)
    wait_for(lambda: who not in reals(), "the end of the drain")
    client.sendall(b"x")
    with pytest.raises(ConnectionResetError):
        client.recv(100)


def test_kubernetes_71358_who_is_gone_is_out_at_once_and_its_clients_are_reset(box: Box) -> None:
    box.start()
    client, who = box.connect()
    box.master.body = state(*(web(w) for w in (ONE, TWO) if w[0] != who))
    wait_for(lambda: who not in reals(), "the removal")
    client.sendall(b"x")
    with pytest.raises(ConnectionResetError):
        client.recv(100)
    assert box.connect()[1] != who


def test_a_vip_without_a_healthy_task_is_open_or_refuses(box: Box) -> None:
    box.master.body = state(web(ONE, healthy=False), web(TWO, healthy=False))
    daemon = box.start()
    assert set(reals().values()) == {"1"}
    box.connect()
    daemon.config.write_text(daemon.config.read_text() + "\nno_live = 'refuse'\ndrain = 1\n")
    assert daemon.process
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: not ipvsadm(), "the virtual server's end")
    with pytest.raises(ConnectionRefusedError):
        box.connect()


def test_moby_31208_idle_connections_last_as_long_as_configured(box: Box) -> None:
    def shown() -> list[str]:
        command = ["ipvsadm", "-L", "--timeout"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    before = shown()
    daemon = box.start("tcp_timeout = 7200")
    assert shown()[-3:] == ["7200", *before[-2:]]
    assert (
        "7200" in json.loads(daemon.get("/v1/status"))["settings"]["timeouts (tcp, tcp_fin, udp)"]
    )
    daemon.end()
    daemon.command("flush")
    assert shown() == before


def test_moby_36878_a_udp_client_moves_on_at_once(box: Box) -> None:
    servers = {}
    for where in (ONE, TWO):
        servers[where[0]] = box.opened.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        servers[where[0]].bind(where)
        servers[where[0]].settimeout(5)
    labels = {"VIP_0": "/dns:53"}
    both = [task(f"dns.{w[0][-1]}", *w, labels=labels, protocol="udp") for w in (ONE, TWO)]
    box.master.body = state(*both)
    daemon = box.start()
    (vip,) = json.loads(daemon.get("/v1/vips"))
    client = box.opened.enter_context(socket.socket(type=socket.SOCK_DGRAM))
    client.connect((vip["ip"], 53))
    client.send(b"one")
    wait_for(lambda: any(map(_waits, servers.values())), "the first datagram")
    (who,) = (address for address, server in servers.items() if _waits(server))
    servers[who].recv(10)
    box.master.body = state(*(t for t in both if t["slave_id"] != who))
    wait_for(lambda: not any(f"-r {who}:" in line for line in ipvsadm()), "the removal")
    (other,) = (server for address, server in servers.items() if address != who)

    def moved() -> bool:
        with suppress(PermissionError):  # the one that finds its real server gone may be dropped
            client.send(b"two")
        return _waits(other)

    wait_for(moved, "the next datagram or the one after it")
    assert other.recv(10) == b"two"


def _waits(server: socket.socket) -> bool:
    return bool(select.select([server], [], [], 0)[0])


def test_labels_say_how_a_vip_is_balanced(box: Box) -> None:
    box.master.body = state(
        web(ONE, VIP_0_SCHEDULER="mh,mh-port", VIP_0_WEIGHT="7", VIP_0_PERSISTENCE="60/24"),
        web(TWO, VIP_0_SCHEDULER="mh,mh-port", VIP_0_PERSISTENCE="60/24", VIP_0_THRESHOLDS="9:5"),
        task("odd.1", "127.0.0.11", 31001, labels={"VIP_0": "/odd:80", "VIP_0_SCHEDULER": "best"}),
    )
    daemon = box.start()
    assert ipvsadm()[0].endswith(("-s wlc", "-s mh -p 60 -M 255.255.255.0 -b flag-2"))
    shown = subprocess.run(
        ["ipvsadm", "-Ln", "--thresholds"], capture_output=True, text=True, check=True
    ).stdout
    (line,) = (line for line in shown.splitlines() if "127.0.0.12" in line)
    assert line.split()[2:4] == ["9", "5"]
    assert reals() == {"127.0.0.11": "7", "127.0.0.12": "1"}
    assert "'best' is no scheduler" in daemon.get("/v1/notes")
    assert len([line for line in ipvsadm() if "-s wlc" in line]) == 1


def test_a_new_one_starts_slowly_and_at_last_all_weigh_what_they_did(box: Box) -> None:
    box.master.body = state(web(ONE))
    box.start("slow_start = 3")
    assert reals() == {"127.0.0.11": "1"}
    box.master.body = state(web(ONE), web(TWO))
    early = wait_for(lambda: reals() if len(reals()) == 2 else None, "the new one")
    assert early["127.0.0.11"] == "100"
    assert int(early["127.0.0.12"]) < 100
    wait_for(lambda: set(reals().values()) == {"1"}, "its full weight", 20)


def test_near_real_servers_are_preferred_and_far_ones_keep_what_they_have(box: Box) -> None:
    domains = {
        ONE[0]: {"region": "eu", "zone": "eu-1"},
        TWO[0]: {"region": "eu", "zone": "eu-2"},
    }
    both = [web(where, VIP_0_LOCALITY="zone") for where in (ONE, TWO)]
    box.master.body = state(*both, agents=domains)
    daemon = box.start("region = 'eu'\nzone = 'eu-1'")
    assert reals() == {"127.0.0.11": "1"}
    # The near one ends: the other zone takes over.
    box.master.body = state(
        web(ONE, "TASK_KILLING", VIP_0_LOCALITY="zone"), both[1], agents=domains
    )
    wait_for(lambda: reals().get("127.0.0.12") == "1", "the spill-over")
    client, who = box.connect()
    assert who == "127.0.0.12"
    # It comes back: the far one gets no new connections, and keeps this one.
    box.master.body = state(*both, agents=domains)
    wait_for(lambda: reals() == {"127.0.0.11": "1", "127.0.0.12": "0"}, "the way back")
    assert alive(client)
    assert daemon.metric("pointsman_real_servers_draining") == 1
    assert daemon.metric("pointsman_virtual_servers_programmed") == 1


def test_dcos_oss_1825_what_somebody_changed_is_repaired_and_counted(box: Box) -> None:
    daemon = box.start()
    before, repairs = ipvsadm(), "pointsman_kernel_repairs_total"
    for command in (
        "ipvsadm -C",
        f"ipvsadm -e -t {VIP}:80 -r 127.0.0.11:31000 -m -w 9",
        f"ipvsadm -a -t {VIP}:80 -r 127.0.0.13:31000 -m",
        "ip route del local 11.0.0.0/8 dev pointsman0 table local",
        "ip link del pointsman0",
        "sysctl -qw net.ipv4.vs.expire_nodest_conn=0",
        "iptables-legacy -F POINTSMAN-IN",
        "ipset flush pointsman",
    ):
        counted = daemon.metric(repairs)
        subprocess.run(command.split(), check=True)
        wait_for(lambda: daemon.metric(repairs) > counted, f"the repair after {command}", 20)  # noqa: B023
        assert ipvsadm() == before
        box.connect()[0].close()


def test_what_would_empty_most_vips_at_once_waits(box: Box) -> None:
    many = [task(f"n{n}.1", ONE[0], 32000 + n, labels={"VIP_0": f"/n{n}:80"}) for n in range(20)]
    box.master.body = state(*many, web(ONE))
    daemon = box.start("guard_time = 6")
    before = ipvsadm()
    # Each has lost its label: the discovery's own guard sees no task missing.
    without = (task(f"n{n}.1", ONE[0], 32000 + n) for n in range(20))
    box.master.body = state(*without, web(ONE))
    wait_for(lambda: daemon.metric("pointsman_virtual_servers_held") == 20, "the guard")
    assert ipvsadm() == before
    name = "n7.marathon.l4lb.thisdcos.directory"
    dig = ["dig", "+short", "@127.0.0.1", name]
    assert subprocess.run(dig, capture_output=True, text=True, check=True).stdout
    wait_for(lambda: len(ipvsadm()) == 2, "belief", 20)
    assert not subprocess.run(dig, capture_output=True, text=True, check=True).stdout


def test_a_further_namespace_balances_by_itself_until_it_is_gone(box: Box) -> None:
    folder = box.folder / "l4lb"
    folder.mkdir()
    for command in (
        "netns add inner", "link add outer type veth peer name eth0 netns inner",
        "address add 10.77.0.1/24 dev outer", "link set outer up",
        "-n inner link set lo up", "-n inner address add 10.77.0.2/24 dev eth0",
        "-n inner link set eth0 up", "-n inner route add default via 10.77.0.1",
    ):  # fmt: skip
        subprocess.run(["ip", *command.split()], check=True)
    box.opened.callback(subprocess.run, ["ip", "netns", "delete", "inner"], check=True)
    box.opened.enter_context(Echo(("10.77.0.1", 31000)))
    box.master.body = state(web(("10.77.0.1", 31000)))
    daemon = box.start(f'namespace_folder = "{folder}"')
    (folder / "c0ffee").write_text("/run/netns/inner\n")
    wait_for(lambda: daemon.metric("pointsman_namespaces") == 1, "the namespace")
    inside = ["ip", "netns", "exec", "inner", "ipvsadm", "-Sn"]

    def table() -> list[str]:
        shown = subprocess.run(inside, capture_output=True, text=True, check=True).stdout
        return sorted(line.strip() for line in shown.splitlines())

    wait_for(lambda: table() == ipvsadm(), "the namespace's table")
    with netns.connect("inner", VIP, 80, 5) as client:
        assert client.recv(100) == b"10.77.0.1"
        assert client.getsockname()[0] == "10.77.0.2"
    box.master.body = state(web(("10.77.0.1", 31000)), web(("10.77.0.9", 31000)))
    wait_for(lambda: len(table()) == 3, "the change in the namespace")
    (folder / "c0ffee").unlink()
    wait_for(lambda: daemon.metric("pointsman_namespaces") == 0, "its end")
    assert not list((box.folder / "state").glob("namespaces/*"))


def test_a_dry_run_says_what_it_would_do_and_does_nothing(box: Box) -> None:
    daemon = box.start("dry_run = true")
    assert ipvsadm() == []
    assert f"tcp {VIP}:80: none -> wlc; dry run, nothing is changed: " in daemon.log.read_text()
    assert daemon.command("show", "diff").splitlines() == [
        f"add tcp {VIP}:80 wlc",
        f"add tcp {VIP}:80 -> 127.0.0.11:31000 weight 1",
        f"add tcp {VIP}:80 -> 127.0.0.12:31000 weight 1",
    ]
    links = subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout
    assert "pointsman0" not in links


def test_the_status_tells_each_vip_with_its_connections(box: Box) -> None:
    daemon = box.start()
    _, who = box.connect()
    box.master.body = killing(who)
    wait_for(lambda: "killing, draining" in daemon.command("status"), "the drain's state", 20)
    (line,) = (x for x in daemon.command("status").splitlines() if x.startswith(f"  {who}:31000"))
    assert f"web.{who[-1]}" in line
    assert line.split()[-6:-4] == ["1", "0"]
    wait_for(lambda: daemon.metric("pointsman_vip_connections_total") >= 1, "the count", 20)
    assert daemon.command("show", "diff") == "nothing\n"

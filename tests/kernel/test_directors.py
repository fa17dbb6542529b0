"""A VIP moves from one director to another: connections stay, by two ways."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from pointlab.site import netns
from pointlab.site.process import wait_for
from pointsman.vip.addresses import parse_range
from pointsman.vip.elect import Target
from pointsman.vip.kernel import Kernel
from pointsman.vip.link import Link
from pointsman.vip.model import (
    Endpoint,
    Forwarding,
    Key,
    Protocol,
    RealServer,
    Settings,
    VirtualServer,
)
from pointsman.vip.netlink import Ipvs
from pointsman.vip.owned import Owned
from pointsman.vip.parts import Wants
from pointsman.vip.sync import Daemon, Sync, wanted
from pointsman.vip.sysctl import Sysctl, settings

RANGES = (parse_range("11.0.0.0/8"),)
VIP = Key(Protocol.TCP, "11.0.0.1", 80)
CLIENT = "10.1.0.2"
DIRECTORS = {"d1": "10.1.0.11", "d2": "10.1.0.12"}
REALS = {f"r{n}": f"10.1.0.2{n}" for n in (1, 2, 3)}
MH_PORT, MH_FALLBACK = 0x10, 0x08


def ip(*lines: str, name: str = "") -> None:
    where = ["-netns", name] if name else []
    text = "\n".join(lines)
    subprocess.run(["ip", *where, "-batch", "-"], input=text, text=True, check=True)


class Net:
    """A client, two directors and three real servers on one network."""

    def __init__(self, opened: ExitStack, folder: Path) -> None:
        self.opened = opened
        self.folder = folder
        ip("link add br0 type bridge", "link set br0 up")
        for name, address in {"c": CLIENT, **DIRECTORS, **REALS}.items():
            ip(f"netns add {name}")
            opened.callback(ip, f"netns delete {name}")
            ip(f"link add v-{name} type veth peer name eth0 netns {name}",
               f"link set v-{name} master br0 up")  # fmt: skip
            ip(
                "link set lo up",
                f"address add {address}/24 dev eth0",
                "link set eth0 up",
                name=name,
            )
        for name in REALS:
            ip(f"address add {VIP.address}/32 dev lo", name=name)
            self.sysctl(name, "net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2")
            self.serve(name, "0.0.0.0", 80)
        for name in DIRECTORS:
            # What a director would tell a client on its own network: go there yourself.
            self.sysctl(name, "net.ipv4.conf.all.send_redirects=0",
                        "net.ipv4.conf.eth0.send_redirects=0")  # fmt: skip
        self.move("d1")

    def sysctl(self, name: str, *values: str) -> None:
        subprocess.run(["ip", "netns", "exec", name, "sysctl", "-qw", *values], check=True)

    def serve(self, name: str, address: str, port: int) -> None:
        """Have a real server echo."""
        with netns.inside(name):
            listening = socket.create_server((address, port))

        def run() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=echo, args=(connection,), daemon=True).start()

        threading.Thread(target=run, daemon=True).start()
        self.opened.callback(listening.close)
        self.opened.callback(listening.shutdown, socket.SHUT_RDWR)

    def move(self, director: str) -> None:
        """Have all that is for VIPs, and all that real servers answer, go through a director."""
        ip(f"route replace 11.0.0.0/8 via {DIRECTORS[director]}", name="c")

    def kernel(self, name: str, sync: Sync) -> Kernel:
        """Give the kernel's part of a director; the thread is inside its namespace then."""
        servers = self.opened.enter_context(Ipvs())
        link = Link("pointsman0", RANGES, {4: DIRECTORS[name]})
        self.opened.enter_context(closing(link))
        owned = Owned(self.folder / f"{name}.json")
        wants = Wants(RANGES, settings(masquerade=True), daemons=wanted(sync))
        return Kernel(servers, link, None, Sysctl(), owned, wants)

    def direct(self, name: str, *reals: str, scheduler: str, sync: Sync = Sync()) -> Kernel:  # noqa: B008
        """Have a director balance over these, one after the other."""
        flags = MH_PORT | MH_FALLBACK if scheduler == "mh" else 0
        with netns.inside(name):
            kernel = self.kernel(name, sync)
            found: dict[Endpoint, RealServer] = {}
            for real in reals:
                found[Endpoint(REALS[real], 80)] = RealServer(forwarding=Forwarding.DIRECT)
                ordered = dict(sorted(found.items()))
                target = Target(VirtualServer(Settings(scheduler, flags), ordered))
                report = kernel.sync({VIP: target}, {VIP}, 0)
                assert (report.failures, report.complaints) == ((), ())
        return kernel

    def connect(self, count: int) -> list[socket.socket]:
        return [
            self.opened.enter_context(netns.connect("c", VIP.address, VIP.port, 3))
            for _ in range(count)
        ]


def echo(connection: socket.socket) -> None:
    with connection, suppress(OSError):
        while data := connection.recv(100):
            connection.sendall(data)


def alive(client: socket.socket) -> bool:
    """Say something; tell whether it comes back."""
    try:
        client.sendall(b"still there?")
        return client.recv(100) == b"still there?"
    except OSError:
        return False


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    with ExitStack() as opened:
        yield Net(opened, tmp_path)


def test_kubernetes_114305_under_mh_directors_take_over_each_others_connections(net: Net) -> None:
    net.direct("d1", "r1", "r2", "r3", scheduler="mh")
    net.direct("d2", "r3", "r2", "r1", scheduler="mh")  # told in another order
    clients = net.connect(30)
    assert all(map(alive, clients))
    net.move("d2")
    assert [alive(client) for client in clients] == [True] * 30


def test_under_another_scheduler_some_of_them_break(net: Net) -> None:
    for name in DIRECTORS:
        net.direct(name, "r1", "r2", "r3", scheduler="rr")
    clients = net.connect(6)
    assert all(map(alive, clients))
    net.move("d2")
    assert not all(map(alive, clients))


@pytest.mark.parametrize("synchronised", [True, False])
def test_synchronised_directors_know_each_others_connections(net: Net, synchronised: bool) -> None:
    sync = Sync("eth0" if synchronised else "", 7)
    for name in DIRECTORS:
        net.direct(name, "r1", "r2", "r3", scheduler="rr", sync=sync)
    (client,) = net.connect(1)
    # The kernel tells of a connection at its third packet, and then now and again.
    assert all(alive(client) for _ in range(5))
    if synchronised:
        with netns.inside("d2"):
            table = Path("/proc/thread-self/net/ip_vs_conn")
            wait_for(lambda: "ESTABLISHED" in table.read_text(), "the connection at the other")
    net.move("d2")
    assert alive(client) == synchronised


def test_daemons_are_read_back_and_end_with_flush(net: Net) -> None:
    with netns.inside("d1"):
        kernel = net.kernel("d1", Sync("eth0", 7))
        assert kernel.sync({}, (), 0).complaints == ()
        with Ipvs() as ipvs:
            assert ipvs.daemons() == {Daemon("master", "eth0", 7), Daemon("backup", "eth0", 7)}
            assert kernel.sync({}, (), 0, whole=True).repaired == 0
            kernel.flush()
            assert ipvs.daemons() == frozenset()


def test_an_interface_that_is_not_there_is_a_complaint_and_the_rest_works(net: Net) -> None:
    with netns.inside("d1"):
        kernel = net.kernel("d1", Sync("eth9"))
        real = RealServer(forwarding=Forwarding.DIRECT)
        target = Target(VirtualServer(Settings(), {Endpoint(REALS["r1"], 80): real}))
        report = kernel.sync({VIP: target}, (), 0)
    assert "No such device" in report.complaints[0]
    assert all(map(alive, net.connect(1)))

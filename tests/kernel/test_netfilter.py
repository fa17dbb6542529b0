"""A client, a director and a real server on one network: who may reach a VIP, and how."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from pointlab import netns
from pointsman.vip.addresses import parse_range
from pointsman.vip.elect import Target
from pointsman.vip.kernel import Kernel
from pointsman.vip.link import Link
from pointsman.vip.model import Endpoint, Key, Protocol, RealServer, Settings, VirtualServer
from pointsman.vip.netfilter import Netfilter
from pointsman.vip.netlink import Ipvs
from pointsman.vip.owned import Owned
from pointsman.vip.parts import Wants
from pointsman.vip.sysctl import Sysctl, settings

RANGE = parse_range("11.0.0.0/8")
VIP = Key(Protocol.TCP, "11.0.0.1", 80)
DIRECTOR, CLIENT, REAL = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def ip(*lines: str) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)


@pytest.fixture
def director(tmp_path: Path) -> Iterator[Kernel]:
    """Be the director, with a client and a real server beside it on one bridge."""
    ip("netns add t-client", "netns add t-real", "link add br0 type bridge", "link set br0 up",
       f"address add {DIRECTOR}/24 dev br0")  # fmt: skip
    for name, address in (("t-client", CLIENT), ("t-real", REAL)):
        ip(f"link add {name} type veth peer name eth0 netns {name}",
           f"link set {name} master br0 up")  # fmt: skip
        subprocess.run(
            ["ip", "-netns", name, "-batch", "-"],
            input=f"link set lo up\naddress add {address}/24 dev eth0\nlink set eth0 up\n"
            f"route add 11.0.0.0/8 via {DIRECTOR}\n",
            text=True,
            check=True,
        )
    try:
        with ExitStack() as opened:
            servers = opened.enter_context(Ipvs())
            link = opened.enter_context(closing(Link("pointsman0", [RANGE], {4: DIRECTOR})))
            owned = Owned(tmp_path / "owned.json")
            wants = Wants((RANGE,), settings(masquerade=True))
            yield Kernel(servers, link, Netfilter([RANGE]), Sysctl(), owned, wants)
    finally:
        for name in ("t-client", "t-real"):
            subprocess.run(["ip", "netns", "delete", name], check=True)


class Server:
    """Answers each connection with its client's address."""

    def __init__(self) -> None:
        with netns.inside("t-real"):
            self.socket = socket.create_server((REAL, 8080))
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        while True:
            try:
                connection, (address, _) = self.socket.accept()
            except OSError:
                return
            with connection:
                connection.sendall(address.encode())

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def seen(name: str) -> str:
    """Connect to the VIP from a namespace; return the address that the real server saw."""
    with netns.connect(name, VIP.address, VIP.port, timeout=2.0) as connection:
        return connection.recv(100).decode()


def serve(kernel: Kernel) -> None:
    server = VirtualServer(Settings(), {Endpoint(REAL, 8080): RealServer()})
    report = kernel.sync({VIP: Target(server)}, None, 0)
    assert report.complaints == ()


def test_another_hosts_client_is_answered_through_the_director(director: Kernel) -> None:
    with closing(Server()):
        serve(director)
        assert seen("t-client") == DIRECTOR


def test_a_client_that_is_itself_the_real_server_is_answered(director: Kernel) -> None:
    with closing(Server()):
        serve(director)
        assert seen("t-real") == DIRECTOR


def test_this_hosts_own_client_keeps_its_address(director: Kernel) -> None:
    with closing(Server()):
        serve(director)
        assert seen("") == DIRECTOR


def test_an_address_without_a_virtual_server_is_refused_at_once(director: Kernel) -> None:
    serve(director)
    director.sync({}, {VIP}, 0)
    with pytest.raises(ConnectionRefusedError):
        seen("t-client")

"""A client that comes again from the same port, as one behind a proxy does at high rates."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from pointlab.site.process import wait_for
from pointsman.vip.elect import Target
from pointsman.vip.kernel import Kernel
from pointsman.vip.link import Link
from pointsman.vip.model import Endpoint, Key, Protocol, RealServer, Settings, VirtualServer
from pointsman.vip.netfilter import Netfilter
from pointsman.vip.netlink import Ipvs
from pointsman.vip.owned import Owned
from pointsman.vip.parts import Wants
from pointsman.vip.sysctl import Sysctl, settings

VIP = Key(Protocol.TCP, "192.0.2.7", 80)
ONE, TWO = Endpoint("127.0.0.11", 8080), Endpoint("127.0.0.12", 8080)
DRAIN = 5.0


def target(**weights: int) -> Target:
    reals = {ONE: RealServer(weights["one"]), TWO: RealServer(weights["two"])}
    drains = {endpoint: DRAIN for endpoint, real in reals.items() if not real.weight}
    return Target(VirtualServer(Settings("wlc"), reals), drains)


class Named:
    """Says who it is on each connection, and ends it, so that the client's port is free again."""

    def __init__(self, where: Endpoint) -> None:
        self.name = where.address
        self.socket = socket.create_server((where.address, where.port))
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            connection.sendall(self.name.encode())
            connection.close()

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    subprocess.run(["ip", "address", "add", "10.0.0.9/32", "dev", "lo"], check=True)
    with ExitStack() as opened:
        for where in (ONE, TWO):
            opened.enter_context(closing(Named(where)))
        yield Kernel(
            opened.enter_context(Ipvs()),
            opened.enter_context(closing(Link("pointsman0", (), {4: "10.0.0.9"}))),
            Netfilter(()),
            Sysctl(),
            Owned(tmp_path / "owned.json"),
            Wants((), settings(masquerade=True), forwarding=True),
        )


def ask(port: int = 40_000) -> str:
    """Connect from this port; return who answered."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.settimeout(5)
        client.bind(("10.0.0.9", port))
        # The last one on this port may not have ended yet: its last ACK is on its way.
        wait_for(lambda: client.connect_ex((VIP.address, VIP.port)) == 0, "a connection")
        said = client.recv(100)
        assert client.recv(100) == b""
    return said.decode()


def sent_again() -> int:
    """Return how many segments of TCP this namespace had to send again."""
    names, values = (
        line.split()
        for line in Path("/proc/net/snmp").read_text().splitlines()
        if line.startswith("Tcp:")
    )
    return int(values[names.index("RetransSegs")])


def test_kubernetes_81775_a_port_that_is_used_again_does_not_go_on_with_what_drains(
    kernel: Kernel,
) -> None:
    kernel.sync({VIP: target(one=1, two=0)}, (), 0, whole=True)
    assert ask() == ONE.address
    assert kernel.sync({VIP: target(one=0, two=1)}, {VIP}, 0).draining == 1
    assert {ask() for _ in range(5)} == {TWO.address}
    # Nothing is established there, however often the port is used.
    kernel.sync({VIP: target(one=0, two=1)}, (), 1)
    assert kernel.sync({VIP: target(one=0, two=1)}, (), 4).draining == 0


def test_kubernetes_70747_a_port_that_is_used_again_waits_for_nothing(kernel: Kernel) -> None:
    kernel.sync({VIP: target(one=1, two=1)}, (), 0, whole=True)
    before = sent_again()
    for _ in range(20):
        ask()
    assert sent_again() == before  # a SYN that is dropped comes again after a second

"""What the kernel counts, as we read it and as ipvsadm shows it, with real connections."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from pointlab.site.process import wait_for
from pointsman.vip.diff import diff
from pointsman.vip.model import (
    Activity,
    Endpoint,
    Key,
    Protocol,
    RealServer,
    Settings,
    VirtualServer,
)
from pointsman.vip.netlink import Ipvs

V4, V6 = Key(Protocol.TCP, "11.1.2.3", 80), Key(Protocol.TCP, "fd01:c::1", 80)
UDP = Key(Protocol.UDP, "11.1.2.3", 53)
ABSENT = Key(Protocol.TCP, "11.1.2.4", 80)
REAL = {
    V4: Endpoint("127.0.0.1", 31000),
    V6: Endpoint("::1", 31000),
    UDP: Endpoint("127.0.0.1", 31053),
}
IDLE = Endpoint("127.0.0.9", 31000)
PATIENCE = 20
"""Seconds; the kernel works its counts out every 2 s."""

BOTH = pytest.mark.parametrize("key", [V4, V6], ids=["IPv4", "IPv6"])


@pytest.fixture
def ipvs() -> Iterator[Ipvs]:
    """Have echo servers behind virtual servers, and one behind which nobody is asked."""
    with ExitStack() as stack:
        for address in ("11.1.2.3/32", "fd01:c::1/128"):
            subprocess.run(["ip", "address", "add", address, "dev", "lo", "nodad"], check=True)
        for key, (family, kind) in {
            V4: (socket.AF_INET, socket.SOCK_STREAM),
            V6: (socket.AF_INET6, socket.SOCK_STREAM),
            UDP: (socket.AF_INET, socket.SOCK_DGRAM),
        }.items():
            server = stack.enter_context(socket.socket(family, kind))
            server.bind((REAL[key].address, REAL[key].port))
            echo = echo_stream if kind == socket.SOCK_STREAM else echo_datagram
            if kind == socket.SOCK_STREAM:
                server.listen()
            threading.Thread(target=echo, args=(server,), daemon=True).start()
        ours = stack.enter_context(Ipvs())
        table = {key: VirtualServer(Settings(), {real: RealServer()}) for key, real in REAL.items()}
        table[V4] = VirtualServer(Settings(), {REAL[V4]: RealServer(), IDLE: RealServer(0)})
        assert ours.apply(diff({}, table, lambda _: True)) == ()
        yield ours


def echo_stream(server: socket.socket) -> None:
    """Echo on one connection after the other, until the test is over."""
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            while data := connection.recv(100):
                connection.sendall(data)


def echo_datagram(server: socket.socket) -> None:
    """Echo each datagram, until the test is over."""
    while True:
        try:
            server.sendto(*server.recvfrom(100))
        except OSError:
            return


def said(key: Key, *words: str) -> tuple[list[int], dict[str, list[int]]]:
    """Return the numbers that ipvsadm shows of a virtual server, and of its real ones by name."""
    option = "-u" if key.protocol == Protocol.UDP else "-t"
    where = str(Endpoint(key.address, key.port))
    done = subprocess.run(
        ["ipvsadm", "-Ln", option, where, "--exact", *words],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [line.split() for line in done.stdout.splitlines()]
    (whole,) = [line[2:] for line in lines if line[0] in ("TCP", "UDP")]
    reals = {
        line[1]: [int(word) for word in line if word.isdigit()]
        for line in lines
        if line[0] == "->" and line[1][-1].isdigit()
    }
    return [int(word) for word in whole if word.isdigit()], reals


def established() -> int:
    """Return how many established connections ipvsadm shows."""
    done = subprocess.run(["ipvsadm", "-Lcn"], capture_output=True, text=True, check=True)
    return done.stdout.count("ESTABLISHED")


def connected(key: Key) -> socket.socket:
    """Return a connection through a virtual server that has carried five octets and back."""
    client = socket.create_connection((key.address, key.port), timeout=10)
    client.sendall(b"hello")
    assert client.recv(100) == b"hello"
    return client


def totals(found: Activity) -> list[int]:
    """Return what `ipvsadm --stats` shows, in its order."""
    return [
        found.connections, found.packets_in, found.packets_out, found.bytes_in, found.bytes_out,
    ]  # fmt: skip


@BOTH
def test_a_connection_is_active_while_it_is_open_and_inactive_after(ipvs: Ipvs, key: Key) -> None:
    def counted(active: int, inactive: int) -> bool:
        found = ipvs.activity([key])[key][REAL[key]]
        _, reals = said(key)
        theirs = reals[str(REAL[key])][-2:]
        return [found.active, found.inactive] == theirs == [active, inactive]

    assert counted(0, 0)
    with connected(key):
        wait_for(lambda: counted(1, 0), "an active connection", PATIENCE)
        assert established() == 1
        with socket.create_connection((key.address, key.port), timeout=10):
            wait_for(lambda: counted(2, 0), "two active connections", PATIENCE)
            assert established() == 2
    wait_for(lambda: counted(0, 2), "their end", PATIENCE)
    assert established() == 0


@pytest.mark.parametrize("key", [V4, V6, UDP], ids=["IPv4", "IPv6", "UDP"])
def test_totals_are_those_of_ipvsadm(ipvs: Ipvs, key: Key) -> None:
    for _ in range(3):
        talk(key)

    def same() -> bool:
        whole = totals(ipvs.traffic()[key])
        real = totals(ipvs.activity([key])[key][REAL[key]])
        counted, reals = said(key, "--stats")
        return whole[0] == 3 and whole == counted and real == reals[str(REAL[key])]

    wait_for(same, "the counts of ipvsadm", PATIENCE)
    found = ipvs.traffic()[key]
    assert found.packets_in >= 3
    assert found.packets_out >= 3
    # Each time five octets and their headers of 20 octets at least, both ways.
    assert found.bytes_in >= 3 * 25
    assert found.bytes_out >= 3 * 25


def talk(key: Key) -> None:
    """Send five octets through a virtual server, and have them back."""
    if key.protocol == Protocol.TCP:
        connected(key).close()
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.sendto(b"hello", (key.address, key.port))
        assert client.recv(100) == b"hello"


def test_rates_are_those_of_ipvsadm(ipvs: Ipvs) -> None:
    def same() -> bool:
        for _ in range(20):
            talk(V4)
        found = ipvs.traffic()[V4]
        (connections, _, _, bytes_in, bytes_out), _ = said(V4, "--rate")
        rates = [found.connection_rate, found.bytes_in_rate, found.bytes_out_rate]
        return all(rates) and rates == [connections, bytes_in, bytes_out]

    wait_for(same, "rates that are not 0", PATIENCE)


def test_a_flow_of_udp_is_inactive_from_its_first_datagram(ipvs: Ipvs) -> None:
    talk(UDP)
    found = ipvs.activity([UDP])[UDP][REAL[UDP]]
    assert (found.active, found.inactive) == (0, 1)


def test_nothing_is_counted_where_nobody_asked(ipvs: Ipvs) -> None:
    with connected(V4):
        assert ipvs.activity([V4, V6]) == {
            V4: {REAL[V4]: ipvs.activity([V4])[V4][REAL[V4]], IDLE: Activity()},
            V6: {REAL[V6]: Activity()},
        }
        assert ipvs.traffic()[V6] == Activity()


def test_of_a_virtual_server_that_is_not_there_nothing_is_told(ipvs: Ipvs) -> None:
    assert ipvs.activity([ABSENT, V6]) == {ABSENT: {}, V6: {REAL[V6]: Activity()}}
    assert ABSENT not in ipvs.traffic()
    assert ipvs.activity([]) == {}

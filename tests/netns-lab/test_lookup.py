import socket
import threading
from collections.abc import Iterator

import dnslib
import pytest
from dnslib import AAAA, QTYPE, RR, SRV, A

from pointlab.watch import lookup
from pointlab.watch.lookup import Answer, Asking, read
from pointlab.watch.recording import Seen

SERVICE = "_web._tcp.marathon.mesos."
TARGET = "web-a.marathon.slave.mesos."
VIP = "web.marathon.l4lb.thisdcos.directory."


def reply(query: bytes, *answers: RR, more: tuple[RR, ...] = (), rcode: int = 0) -> bytes:
    """Return what a server answers to a query."""
    answer = dnslib.DNSRecord.parse(query).reply()
    answer.header.rcode = rcode
    answer.add_answer(*answers)
    answer.add_ar(*more)
    return bytes(answer.pack())


def of(name: str, host: str) -> RR:
    """Return an address record."""
    if ":" in host:
        return RR(name, QTYPE.AAAA, rdata=AAAA(host), ttl=5)
    return RR(name, QTYPE.A, rdata=A(host), ttl=5)


INSTANCE = RR(SERVICE, QTYPE.SRV, rdata=SRV(0, 1, 31_000, TARGET), ttl=5)


class Server:
    """A DNS server that says what it is told to, by name and type."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.answers: dict[tuple[str, str], tuple[RR, ...]] = {}
        self.more: tuple[RR, ...] = ()
        self.rcode = 0
        self.silent = False
        self.asked: list[tuple[str, str]] = []
        connect = socket.socket.connect
        where = self.socket.getsockname()  # rather than port 53
        monkeypatch.setattr(socket.socket, "connect", lambda one, _: connect(one, where))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def end(self) -> None:
        """Answer no more."""
        with socket.socket(type=socket.SOCK_DGRAM) as telling:
            telling.sendto(b"", self.socket.getsockname())
        self._thread.join()
        self.socket.close()

    def _serve(self) -> None:
        while True:
            query, client = self.socket.recvfrom(4096)
            if not query:
                return
            question = dnslib.DNSRecord.parse(query).q
            key = str(question.qname), str(QTYPE.get(question.qtype))
            self.asked.append(key)
            if not self.silent:
                answers = self.answers.get(key, ())
                more = self.more if key[1] == "SRV" else ()
                self.socket.sendto(reply(query, *answers, more=more, rcode=self.rcode), client)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    one = Server(monkeypatch)
    monkeypatch.setattr(lookup, "PATIENCE", 0.2)
    yield one
    if one.socket.fileno() >= 0:
        one.end()


@pytest.fixture
def asking(server: Server) -> Iterator[Asking]:
    one = Asking("", "127.0.0.1")
    yield one
    one.close()


def test_instances_are_targets_with_the_addresses_beside_them(
    server: Server, asking: Asking
) -> None:
    server.answers[SERVICE, "SRV"] = (INSTANCE,)
    server.more = (of(TARGET, "10.31.0.11"), of(TARGET, "fd00::11"))
    look = lookup.srv(asking, SERVICE)
    assert look() == Seen(frozenset({("10.31.0.11", 31_000), ("fd00::11", 31_000)}))
    assert server.asked == [(SERVICE, "SRV")]


def test_addresses_that_are_not_beside_them_are_asked_for(server: Server, asking: Asking) -> None:
    server.answers[SERVICE, "SRV"] = (INSTANCE,)
    server.answers[TARGET, "A"] = (of(TARGET, "10.31.0.11"),)
    look = lookup.srv(asking, SERVICE)
    assert look() == Seen(frozenset({("10.31.0.11", 31_000)}))
    server.answers.pop((TARGET, "A"))
    assert look() == Seen(status="no addresses")


def test_addresses_of_both_kinds_are_endpoints_of_port_0(server: Server, asking: Asking) -> None:
    server.answers[VIP, "A"] = (of(VIP, "11.1.2.3"),)
    look = lookup.address(asking, VIP, "A", "AAAA")
    assert look() == Seen(frozenset({("11.1.2.3", 0)}))
    server.answers[VIP, "AAAA"] = (of(VIP, "fd01::1"),)
    assert look() == Seen(frozenset({("11.1.2.3", 0), ("fd01::1", 0)}))


@pytest.mark.parametrize(
    ("rcode", "status"), [(0, "empty"), (2, "SERVFAIL"), (3, "NXDOMAIN"), (5, "REFUSED")]
)
def test_what_is_wrong_is_said(server: Server, asking: Asking, rcode: int, status: str) -> None:
    server.rcode = rcode
    assert lookup.srv(asking, SERVICE)() == Seen(status=status)
    assert lookup.address(asking, VIP, "A", "AAAA")() == Seen(status=status)


def test_server_that_says_nothing_is_a_timeout_and_asked_again(
    server: Server, asking: Asking
) -> None:
    server.answers[SERVICE, "SRV"] = (INSTANCE,)
    server.more = (of(TARGET, "10.31.0.11"),)
    look = lookup.srv(asking, SERVICE)
    server.silent = True
    assert look() == Seen(status="timeout")
    server.silent = False
    assert look() == Seen(frozenset({("10.31.0.11", 31_000)}))


def test_server_that_is_not_there_refuses(server: Server, asking: Asking) -> None:
    server.end()
    assert lookup.srv(asking, SERVICE)().status == "refused"


def test_host_that_is_not_there_is_no_host() -> None:
    assert lookup.srv(Asking("lab-nowhere", "10.31.0.1"), SERVICE)() == Seen(status="no host")


def test_unchanged_answers_are_read_once(
    server: Server, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers[SERVICE, "SRV"] = (INSTANCE,)
    server.more = (of(TARGET, "10.31.0.11"),)
    messages: list[bytes] = []

    def reading(message: bytes) -> Answer:
        messages.append(message)
        return read(message)

    monkeypatch.setattr(lookup, "read", reading)
    look = lookup.srv(asking, SERVICE)
    assert look() == look() == look()
    assert len(messages) == 1


def test_garbage_is_said_to_be_garbled() -> None:
    assert read(b"\0\1\x81\x80\0\1\0\1\0\0\0\0\xc0").status.startswith("garbled")

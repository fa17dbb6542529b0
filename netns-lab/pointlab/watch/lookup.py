"""Looks by DNS: where an app's instances are by the names of a node's server."""

import os
import socket
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import dnslib
import msgspec

from pointlab.site import netns
from pointlab.watch.recording import Endpoint, Seen

PATIENCE = 1.0
"""Seconds for an answer."""
GLANCE = struct.pack("ll", 0, 100_000)
"""0.1 s, as the kernel has it: how long a namespace that has gone is kept by a socket in it."""
HEADER = 12
"""Bytes that any message has."""
MOST = 1232
"""Bytes of an answer by UDP."""
KEPT = 512
"""Answers of which it is known what they say: a server that rotates gives some in turn."""


class Answer(msgspec.Struct, frozen=True):
    """What a message says."""

    status: str
    """The rcode, ``empty``, ``truncated``; "" when it has answers."""
    hosts: frozenset[str] = frozenset()
    """Addresses of the question's own name."""
    targets: frozenset[Endpoint] = frozenset()
    """Name and port, of SRV records."""
    additional: frozenset[tuple[str, str]] = frozenset()
    """Name and address."""


class Asking:
    """Asks one server over UDP from inside a namespace, which may go and be made anew."""

    def __init__(self, netns_: str, server: str) -> None:
        self.netns, self._server = netns_, server
        self._socket: socket.socket | None = None
        self._inode: int | None = None
        self._said: dict[bytes, Answer] = {}

    def answer(self, name: str, kind: str) -> Answer:
        """Return the answer, read only if it is another than before; raises OSError."""
        message = self.ask(name, kind)
        if message[2] & 2:
            message = self._ask_tcp(name, kind)
        said = self._said.get(message[2:])
        if said is None:
            if len(self._said) >= KEPT:
                self._said.clear()
            said = self._said[message[2:]] = read(message)
        return said

    def ask(self, name: str, kind: str) -> bytes:
        """Return the message; raises TimeoutError or another OSError."""
        query = os.urandom(2) + _query(name, kind)
        asking = self._opened()
        try:
            asking.send(query)
            until = time.monotonic() + PATIENCE
            while not (message := self._received(asking, until)).startswith(query[:2]):
                pass  # it answers a question before
            return message
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the socket, and of the namespace with it; the next question opens another."""
        if self._socket:
            self._socket.close()
        self._socket = None

    def _received(self, asking: socket.socket, until: float) -> bytes:
        """Wait for a message, but not for one in a namespace that has gone."""
        while time.monotonic() < until:
            try:
                if len(message := asking.recv(65_535)) >= HEADER:
                    return message
            except BlockingIOError:
                if netns.inode(self.netns) != self._inode:
                    raise OSError("the namespace has gone") from None
        raise TimeoutError

    def _opened(self) -> socket.socket:
        inode = netns.inode(self.netns)
        if inode != self._inode:
            self.close()
        if self._socket is None:
            family = socket.AF_INET6 if ":" in self._server else socket.AF_INET
            with netns.inside(self.netns):
                self._socket = socket.socket(family, socket.SOCK_DGRAM)
            self._inode = inode
            # By the kernel: Python's own timeouts take a system call more for each answer.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, GLANCE)
            self._socket.connect((self._server, 53))
        return self._socket

    def _ask_tcp(self, name: str, kind: str) -> bytes:
        query = os.urandom(2) + _query(name, kind)
        with netns.connect(self.netns, self._server, 53, PATIENCE) as asking:
            asking.sendall(struct.pack("!H", len(query)) + query)
            with asking.makefile("rb") as reading:
                (length,) = struct.unpack("!H", reading.read(2).rjust(2, b"\0"))
                message = reading.read(length)
        if len(message) < HEADER or len(message) < length:
            raise OSError(f"DNS over TCP from {self._server}: the answer was cut off")
        return message


def srv(asking: Asking, name: str) -> Callable[[], Seen]:
    """Look at the instances that an SRV name has, each by its addresses and port."""

    def look() -> Seen:
        answer = asking.answer(name, "SRV")
        addresses = set(answer.additional)
        for target in {target for target, _ in answer.targets} - {name for name, _ in addresses}:
            addresses.update(
                (target, host) for host in _addresses(asking, target, ("A", "AAAA"))[0]
            )
        found = frozenset(
            (host, port)
            for target, port in answer.targets
            for named, host in addresses
            if named == target
        )
        return Seen(found, answer.status or ("" if found else "no addresses"))

    return _well_or_not(asking, look)


def address(asking: Asking, name: str, *kinds: str) -> Callable[[], Seen]:
    """Look at the addresses (``A``, ``AAAA``) that a name has, as endpoints of port 0."""

    def look() -> Seen:
        found, status = _addresses(asking, name, kinds)
        return Seen(frozenset((host, 0) for host in found), status)

    return _well_or_not(asking, look)


def read(message: bytes) -> Answer:
    """Return what a message says."""
    try:
        parsed = dnslib.DNSRecord.parse(message)
    except (dnslib.DNSError, struct.error, ValueError) as error:
        return Answer(f"garbled: {error}")
    hosts = frozenset(str(rr.rdata) for rr in _of(parsed.rr, "A", "AAAA"))
    targets = frozenset((str(rr.rdata.target), rr.rdata.port) for rr in _of(parsed.rr, "SRV"))
    additional = frozenset((str(rr.rname), str(rr.rdata)) for rr in _of(parsed.ar, "A", "AAAA"))
    if parsed.header.rcode:
        status = str(dnslib.RCODE.get(parsed.header.rcode))
    elif parsed.header.tc:
        status = "truncated"
    else:
        status = "" if hosts or targets else "empty"
    return Answer(status, hosts, targets, additional)


def _addresses(asking: Asking, name: str, kinds: Sequence[str]) -> tuple[frozenset[str], str]:
    """Return a name's addresses, and what is wrong when it has none."""
    answers = [asking.answer(name, kind) for kind in kinds]
    found = frozenset[str]().union(*(one.hosts for one in answers))
    bad = next((one.status for one in answers if one.status not in ("", "empty")), "")
    return found, bad or ("" if found else "empty")


def _of(records: Iterable[dnslib.RR], *kinds: str) -> list[Any]:
    wanted = {getattr(dnslib.QTYPE, kind) for kind in kinds}
    return [rr for rr in records if rr.rtype in wanted]


@cache
def _query(name: str, kind: str) -> bytes:
    """Return a question without its id."""
    query = dnslib.DNSRecord.question(name, kind)
    query.add_ar(dnslib.EDNS0(udp_len=MOST))
    return bytes(query.pack())[2:]


def _well_or_not(asking: Asking, look: Callable[[], Seen]) -> Callable[[], Seen]:
    def looked() -> Seen:
        try:
            return look()
        except TimeoutError:
            status = "timeout"
        except ConnectionRefusedError:
            status = "refused"
        except OSError as error:
            status = error.strerror or str(error)
        return Seen(status=status if netns.exists(asking.netns) else "no host")

    return looked

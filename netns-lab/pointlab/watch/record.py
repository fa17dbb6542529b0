"""Recorders: what DNS answers and what the kernel's table holds, each change with its time."""

import ipaddress
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import dnslib

from pointlab.site import netns
from pointlab.watch import lookup
from pointlab.watch.recording import Endpoint, Seen, Span, View

State = frozenset[Endpoint]
"""Address or name, and port, of each instance."""

PAGE, LONGEST = 4096, 256
"""Bytes that the kernel gives at least of a long table, and more than a line of it has."""


class Sight:
    """How one node sees an app (``what`` is as in ``View``), as it grows.

    ``add`` is for one thread, ``view`` for any.
    """

    def __init__(self, node: str, what: str, look: Callable[[], Seen]) -> None:
        self._node, self._what = node, what
        self._look = look
        self._spans: list[Span] = []

    def look(self) -> None:
        """Look once more."""
        seen = self._look()
        # The time of the answer, or of when it was given up: what it names was so just before.
        self.add(time.monotonic(), seen)

    def add(self, at: float, seen: Seen) -> None:
        """Keep what was seen at a moment, in order of time."""
        last = self._spans[-1] if self._spans else None
        if last and (last.endpoints, last.status) == (seen.endpoints, seen.status):
            self._spans[-1] = Span(last.first, at, last.count + 1, last.endpoints, last.status)
        else:
            self._spans.append(Span(at, at, 1, seen.endpoints, seen.status))

    def view(self) -> View:
        """Return all that was seen until now."""
        return View(self._node, self._what, tuple(self._spans))


class Watch:
    """A thread that has several sights look, one after the other, again and again."""

    def __init__(self, sights: Sequence[Sight], interval: float) -> None:
        """``interval`` is the seconds from one round to the next."""
        self._sights = tuple(sights)
        self._interval = interval
        self._stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping = True
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            # An event to wait for would cost more than the looks.
            time.sleep(self._interval)
            for sight in self._sights:
                sight.look()


class Recorder:
    """A thread that looks again and again and keeps every change."""

    def __init__(self, look: Callable[[], State | None], interval: float) -> None:
        self.changes: list[tuple[float, State]] = []
        """Time (``time.monotonic``) and what was seen from then on."""
        self._look = look
        self._interval = interval
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def state(self) -> State:
        """What was seen last."""
        return self.changes[-1][1] if self.changes else frozenset()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        self._thread.join()

    def since(self, moment: float, condition: Callable[[State], bool]) -> float | None:
        """Return when the condition first held at or after a moment; None when it never did."""
        for at, state in self.changes:
            if at >= moment and condition(state):
                return at
        return None

    def _run(self) -> None:
        while not self._stopping.wait(self._interval):
            seen = self._look()
            if seen is not None and (not self.changes or seen != self.state):
                self.changes.append((time.monotonic(), seen))


class Table:
    """The kernel's table of a namespace, kept open.

    What runs in the namespace is of no matter. It may go and be made anew: the file is let go of at
    the next look, as it keeps the namespace.
    """

    def __init__(self, netns_: str) -> None:
        self.netns = netns_
        self._inode: int | None = None
        self._file: int | None = None

    def text(self) -> str:
        """Return what is in it; raises OSError when there is no namespace or no table."""
        try:
            inode = netns.inode(self.netns)
            if self._file is None or inode != self._inode:
                self.close()
                with netns.inside(self.netns):
                    self._file = os.open("/proc/thread-self/net/ip_vs", os.O_RDONLY | os.O_CLOEXEC)
                self._inode = inode
            found = b""
            while part := os.pread(self._file, 65_536, len(found)):
                found += part
                if len(part) < PAGE - LONGEST:
                    break  # asking for the end would have the kernel walk all of it again
            return found.decode()
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of it; the next look opens it again."""
        if self._file is not None:
            os.close(self._file)
        self._file = None


def held(table: Table, address: str, port: int) -> Callable[[], Seen]:
    """Look at the real servers, of weight above 0, of a virtual server of a namespace."""

    def look() -> Seen:
        try:
            text = table.text()
        except OSError:
            return Seen(status="no table" if netns.exists(table.netns) else "no host")
        found = _virtual_server(text, address, port)
        if found is None:
            return Seen(status="no virtual server")
        return Seen(found, "" if found else "no real server")

    return look


def kernel(pid: int, address: str, port: int) -> Callable[[], State | None]:
    """Look at the real servers, of weight above 0, of a virtual server.

    The table is that of the namespace in which the process runs.
    """
    path = Path(f"/proc/{pid}/net/ip_vs")

    def look() -> State | None:
        try:
            return real_servers(path.read_text(), address, port)
        except OSError:
            return None

    return look


def real_servers(text: str, address: str, port: int) -> State:
    """Return the real servers, of weight above 0, of a TCP virtual server in /proc/net/ip_vs."""
    return _virtual_server(text, address, port) or frozenset()


def _virtual_server(text: str, address: str, port: int) -> State | None:
    """Return the same; None when there is no such virtual server."""
    _, there, after = text.partition(f"\nTCP  {_written(address, port)} ")
    if not there:
        return None
    found = set()
    for line in after.splitlines()[1:]:
        if not line.startswith("  ->"):
            break
        _, where, _, weight, *_ = line.split()
        if int(weight):
            found.add(_read(where))
    return frozenset(found)


def _written(address: str, port: int) -> str:
    """Return an address and a port as the kernel's table has them."""
    parsed = ipaddress.ip_address(address)
    host = f"[{parsed.exploded}]" if parsed.version == 6 else parsed.packed.hex().upper()
    return f"{host}:{port:04X}"


def _read(where: str) -> Endpoint:
    host, _, port = where.rpartition(":")
    if host.startswith("["):
        return str(ipaddress.ip_address(host[1:-1])), int(port, 16)
    return str(ipaddress.IPv4Address(int(host, 16))), int(port, 16)


def dns(netns_: str, server: str, name: str) -> Callable[[], State | None]:
    """Look at the SRV records of a name: the target and port of each."""
    asking = lookup.Asking(netns_, server)

    def look() -> State | None:
        try:
            answer = dnslib.DNSRecord.parse(asking.ask(name, "SRV"))
        except (OSError, dnslib.DNSError):
            return None
        return frozenset((str(rr.rdata.target), rr.rdata.port) for rr in answer.rr)

    return look

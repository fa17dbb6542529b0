"""Recorders: what DNS answers and what the kernel's table holds, each change with its time."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

import dnslib

from pointlab import netns

State = frozenset[tuple[str, int]]
"""Address or name, and port, of each instance."""


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


def real_servers(table: str, address: str, port: int) -> State:
    """Return the real servers, of weight above 0, of a TCP virtual server in /proc/net/ip_vs."""
    key = f"TCP  {_hex(address, port)} "
    found = set()
    ours = False
    for line in table.splitlines()[3:]:
        if not line.startswith("  ->"):
            ours = line.startswith(key)
        elif ours:
            _, where, _, weight, *_ = line.split()
            if int(weight):
                host, _, number = where.partition(":")
                packed = struct.pack("!I", int(host, 16))
                found.add((socket.inet_ntoa(packed), int(number, 16)))
    return frozenset(found)


def _hex(address: str, port: int) -> str:
    return f"{socket.inet_aton(address).hex().upper()}:{port:04X}"


def dns(netns_: str, server: str, name: str) -> Callable[[], State | None]:
    """Look at the SRV records of a name: the target and port of each."""
    with netns.inside(netns_):
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asking.settimeout(1.0)
    asking.connect((server, 53))

    def look() -> State | None:
        query = dnslib.DNSRecord.question(name, "SRV")
        query.add_ar(dnslib.EDNS0(udp_len=1232))
        try:
            asking.send(query.pack())
            answer = dnslib.DNSRecord.parse(asking.recv(4096))
        except (OSError, dnslib.DNSError):
            return None
        if answer.header.id != query.header.id:
            return None
        return frozenset((str(rr.rdata.target), rr.rdata.port) for rr in answer.rr)

    return look

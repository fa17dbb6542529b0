"""The kernel's listing of its virtual servers, /proc/net/ip_vs: all of them by a few system calls.

It tells neither thresholds nor tunnels of real servers, nor all flags of virtual servers.
"""

import ipaddress
from functools import lru_cache
from pathlib import Path

from pointsman.vip.model import ORDERED, Endpoint, Forwarding, Key, Protocol, Table, VirtualServer

_HEAD = 3
"""Lines about the table as such."""
_COUNTERS = 21
"""Columns at the end of a real server's line: its connections."""
_FORWARDING = {
    Forwarding.MASQUERADE: "Masq",
    Forwarding.LOCAL: "Local",
    Forwarding.TUNNEL: "Tunnel",
    Forwarding.DIRECT: "Route",
}


def read() -> bytes:
    """Return the listing of the network namespace that this thread is in; empty for none."""
    try:
        return Path("/proc/thread-self/net/ip_vs").read_bytes()
    except OSError:
        return b""


class Listing:
    """Compares listings with tables, and remembers how virtual servers are listed."""

    def __init__(self) -> None:
        self._lines: dict[Key, tuple[VirtualServer, list[bytes], frozenset[bytes]]] = {}

    def lists(self, listing: bytes, table: Table) -> bool:
        """Tell whether a listing is of this table, as far as it tells."""
        servers: dict[bytes, list[bytes]] = {}
        reals: list[bytes] = []
        for line in listing.split(b"\n")[_HEAD:-1]:
            if line.startswith(b"  -> "):
                reals.append(line[:-_COUNTERS])
            else:
                reals = servers[b" ".join(line.split(b" ", 3)[:3])] = []
        if len(servers) != len(table):
            return False
        for key, server in table.items():
            listed = servers.get(_server(key))
            if listed is None or not self._equal(listed, key, server):
                return False
        if len(self._lines) > 2 * len(table):
            self._lines = {key: found for key, found in self._lines.items() if key in table}
        return True

    def _equal(self, listed: list[bytes], key: Key, server: VirtualServer) -> bool:
        known = self._lines.get(key)
        if known is None or known[0] is not server:
            lines = [_real(e, r.forwarding, r.weight) for e, r in server.real_servers.items()]
            known = self._lines[key] = (server, lines, frozenset(lines))
        _, lines, either = known
        if len(listed) != len(lines):
            return False
        if server.settings.scheduler == ORDERED:
            return listed[::-1] == lines  # the newest comes first
        return either.issuperset(listed)


@lru_cache(maxsize=65_536)
def _server(key: Key) -> bytes:
    """Return how the line of a virtual server begins; of a firewall mark it is no whole name."""
    if key.fwmark:
        return b""
    return f"{Protocol(key.protocol).name}  {_place(key.address, key.port)}".encode()


def _real(endpoint: Endpoint, forwarding: int, weight: int) -> bytes:
    """Return the line of a real server up to its connections."""
    place = _place(endpoint.address, endpoint.port)
    return f"  -> {place}      {_FORWARDING[Forwarding(forwarding)]:7} {weight:<6} ".encode()


def _place(address: str, port: int) -> str:
    ip = ipaddress.ip_address(address)
    host = f"[{ip.exploded}]" if ip.version == 6 else f"{int(ip):08X}"
    return f"{host}:{port:04X}"

"""The kernel's listing of its virtual servers, /proc/net/ip_vs: all of them by a few system calls.

It tells neither thresholds nor tunnels of real servers, nor all flags of virtual servers.
"""

import ipaddress
from functools import lru_cache
from pathlib import Path

from pointsman.vip.diff import ORDERED
from pointsman.vip.model import Endpoint, Forwarding, Key, Protocol, Table

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


def lists(listing: bytes, table: Table) -> bool:
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
        if listed is None or len(listed) != len(server.real_servers):
            return False
        wanted = [_real(e, real.forwarding, real.weight) for e, real in server.real_servers.items()]
        if server.settings.scheduler == ORDERED:
            if listed[::-1] != wanted:  # the newest comes first
                return False
        elif set(listed) != set(wanted):
            return False
    return True


@lru_cache(maxsize=65_536)
def _server(key: Key) -> bytes:
    """Return how the line of a virtual server begins; of a firewall mark it is no whole name."""
    if key.fwmark:
        return b""
    return f"{Protocol(key.protocol).name}  {_place(key.address, key.port)}".encode()


@lru_cache(maxsize=262_144)
def _real(endpoint: Endpoint, forwarding: int, weight: int) -> bytes:
    """Return the line of a real server up to its connections."""
    place = _place(endpoint.address, endpoint.port)
    return f"  -> {place}      {_FORWARDING[Forwarding(forwarding)]:7} {weight:<6} ".encode()


def _place(address: str, port: int) -> str:
    ip = ipaddress.ip_address(address)
    host = f"[{ip.exploded}]" if ip.version == 6 else f"{int(ip):08X}"
    return f"{host}:{port:04X}"

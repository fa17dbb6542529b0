"""What is announced to the routers around: from what ``/v1/vips`` tells to routes, and their text.

ExaBGP takes instructions line by line on the standard output of a process that it runs; BIRD reads
a file of static routes anew when it is told to.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec

from pointsman.discovery import text
from pointsman.discovery.errors import Fatal
from pointsman.vip.addresses import Range

Family: TypeAlias = Literal[4, 6]

Routes: TypeAlias = frozenset[str]
"""Prefixes, ``11.1.2.3/32``."""

CLEAR = "clear adj-rib out"
"""Has ExaBGP withdraw all that it has announced."""

_COMMUNITY = re.compile(r"no-export|no-advertise|no-peer|blackhole|\d{1,10}(:\d{1,10}){1,2}")


class Backend(msgspec.Struct, frozen=True):
    """A real server, as ``/v1/vips`` tells it."""

    weight: int


class Vip(msgspec.Struct, frozen=True):
    """A virtual server, as ``/v1/vips`` tells it: what matters here."""

    ip: str
    backend: tuple[Backend, ...]


class Attributes(msgspec.Struct, frozen=True):
    """What ExaBGP says of each route."""

    next_hops: tuple[str, ...] = ()
    """Addresses of this host, one of a family; for a family without, ``self``: the session's."""
    communities: tuple[str, ...] = ()
    """``65000:100``, large ones ``65000:1:2`` (RFC 8092), or ``no-export`` and such."""
    med: int | None = None

    @property
    def families(self) -> tuple[Family, ...]:
        """What can be announced: IPv6 by an address alone.

        ExaBGP's ``self`` of a session over IPv4 is none, and it would end the session over it.
        """
        return (4, 6) if any(":" in hop for hop in self.next_hops) else (4,)


def routes(vips: Iterable[Vip], families: Sequence[Family], ranges: Sequence[Range] = ()) -> Routes:
    """Return what is to be announced: each VIP with a real server that takes new connections.

    With ``ranges`` these are announced as a whole, and the VIPs outside of them one by one.
    """
    found = {prefix for range_ in ranges for prefix in range_.networks}
    for vip in vips:
        if any(real.weight > 0 for real in vip.backend) and not any(vip.ip in r for r in ranges):
            found.add(f"{vip.ip}/{128 if ':' in vip.ip else 32}")
    return frozenset(prefix for prefix in found if (6 if ":" in prefix else 4) in families)


def instructions(before: Routes | None, after: Routes, attributes: Attributes) -> list[str]:
    """Return the lines that lead ExaBGP from some routes to others; None for unknown ones."""
    lines = [CLEAR] if before is None else []
    before = before or frozenset()
    lines += [f"withdraw route {_route(p, attributes)}" for p in _ordered(before - after)]
    lines += [f"announce route {_route(p, attributes)}" for p in _ordered(after - before)]
    return lines


def _route(prefix: str, attributes: Attributes) -> str:
    hops = [h for h in attributes.next_hops if h != "self" and (":" in h) == (":" in prefix)]
    words = [prefix, "next-hop", *(hops or ["self"])[:1]]
    if attributes.med is not None:
        words += ["med", str(attributes.med)]
    large = [c for c in attributes.communities if c.count(":") == 2]
    plain = [c for c in attributes.communities if c not in large]
    for name, values in (("community", plain), ("large-community", large)):
        if values:
            words += [name, f"[{' '.join(values)}]"]
    return " ".join(words)


def bird(found: Routes) -> str:
    """Return BIRD's static protocols with these routes; empty ones for none.

    The routes are ``unreachable`` to BIRD, as their addresses are the kernel's matter: in BGP the
    next hop of such a route is this host.
    """
    lines = ["# By pointsman announce; changes here are lost."]
    for family in (4, 6):
        lines += [f"protocol static pointsman{family} {{", f"  ipv{family};"]
        own = frozenset(prefix for prefix in found if (":" in prefix) == (family == 6))
        lines += [f"  route {prefix} unreachable;" for prefix in _ordered(own)]
        lines += ["}"]
    return "\n".join(lines) + "\n"


def _ordered(found: Routes) -> list[str]:
    return sorted(found, key=lambda p: (":" in p, ipaddress.ip_network(p)))


def attributes(next_hops: Sequence[str], communities: Sequence[str], med: int | None) -> Attributes:
    """Return what the words of an operator lead to; raises Fatal when they make no sense."""
    for word in communities:
        if not _COMMUNITY.fullmatch(word):
            raise Fatal(f"--community: {word!r} is not 65000:100, 65000:1:2 or no-export")
    hops = []
    for word in next_hops:
        if word != "self" and not text.ip(word):
            raise Fatal(f"--next-hop: {word!r} is neither an IP address nor self")
        hops.append(text.ip(word) or word)
    if med is not None and not 0 <= med < 1 << 32:
        raise Fatal(f"--med: {med} is not from 0 to 4294967295")
    return Attributes(tuple(hops), tuple(communities), med)

"""Where to listen: from what `dns.listen` says and the addresses that interfaces have."""

import re
from collections.abc import Iterable, Iterator

import msgspec

from pointsman.discovery import text

ANY = {4: "0.0.0.0", 6: "::"}
"""The address that stands for all of a family."""

_INTERFACE = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_.-]{1,15}")
"""Names of interfaces (15 octets at most); without a letter it was meant as an address."""


class Address(msgspec.Struct, frozen=True):
    """An address of an interface."""

    interface: str
    index: int
    """Number of the interface: one made anew has another."""
    host: str
    lasting: bool = True
    """Whether others may know it: temporary ones (RFC 8981) and deprecated ones go."""


class Entry(msgspec.Struct, frozen=True):
    """One value of `dns.listen`."""

    host: str
    """An address; empty for all of the interface."""
    interface: str
    """Empty for an address of whatever interface."""
    port: int


class Endpoint(msgspec.Struct, frozen=True, order=True):
    """An address and a port to bind; a link-local address has its interface's number (``%2``)."""

    host: str
    port: int

    def __str__(self) -> str:
        return text.joined(self.host, self.port)


def parse(value: str) -> Entry:
    """Read ``ADDRESS:PORT`` or ``INTERFACE:PORT``; raises ValueError, with a reason for people."""
    name, port = text.endpoint(value)
    if not (host := text.ip(name)):
        if _INTERFACE.fullmatch(name):
            return Entry("", name, port)
        raise ValueError(f"{name!r} is neither an IP address nor an interface")
    address, _, interface = host.partition("%")
    if local(address) != bool(interface):
        raise ValueError(
            f"{name!r}: a link-local address, and no other, goes with its interface,"
            " as in [fe80::1%eth0]:53"
        )
    return Entry(address, interface, port)


def endpoints(entries: Iterable[Entry], addresses: Iterable[Address]) -> tuple[Endpoint, ...]:
    """Return what to bind now, each once; what an entry for all addresses covers is left out."""
    entries, addresses = tuple(entries), tuple(addresses)
    every = {(entry.host, entry.port) for entry in entries if entry.host in ANY.values()}
    found: dict[Endpoint, None] = {}
    for entry in entries:
        for host in _hosts(entry, addresses):
            if host in ANY.values() or (ANY[6 if ":" in host else 4], entry.port) not in every:
                found[Endpoint(host, entry.port)] = None
    return tuple(found)


def _hosts(entry: Entry, addresses: Iterable[Address]) -> Iterator[str]:
    if not entry.interface:
        yield entry.host
        return
    for address in addresses:
        if address.interface == entry.interface and entry.host in ("", address.host):
            scope = f"%{address.index}" if local(address.host) else ""
            yield f"{address.host}{scope}"


def local(host: str) -> bool:
    """Tell whether an address means something else on each link (RFC 4291 section 2.5.6)."""
    return host[:3] in ("fe8", "fe9", "fea", "feb") and ":" in host

"""What this host gives: its own addresses, and the parts that change its kernel."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pointsman.config import Config
from pointsman.discovery import text
from pointsman.discovery.leader import parse_url
from pointsman.dns import interfaces
from pointsman.dns.endpoints import ANY, local, parse
from pointsman.rules import ranges
from pointsman.vip.kernel import Kernel
from pointsman.vip.link import Link
from pointsman.vip.masquerade import Masquerade
from pointsman.vip.netlink import Ipvs
from pointsman.vip.owned import Owned
from pointsman.vip.sysctl import Sysctl

ANYWHERE = ("192.0.2.1:9", "[2001:db8::1]:9")
"""Addresses that only a default route leads to (RFC 5737, RFC 3849)."""

_AF = {4: socket.AF_INET, 6: socket.AF_INET6}


def facing(hosts: Sequence[str], family: int) -> str:
    """Return the address from which this host reaches the first of others, "" when it reaches none.

    ``hosts`` are ``HOST:PORT``. Connecting a UDP socket sends nothing: it asks the routing table.
    """
    for address in hosts:
        host, port = text.endpoint(address)
        try:
            with socket.socket(_AF[family], socket.SOCK_DGRAM) as probe:
                probe.connect((host, port))
                return str(probe.getsockname()[0])
        except OSError:
            continue
    return ""


def addresses(config: Config) -> dict[int, str]:
    """Return this node's own address by family: the one configured, else the one facing others."""
    own = text.ip(config.vip.node_address)
    hosts = config.discovery.masters
    if config.discovery.zookeeper:
        hosts = (*hosts, *parse_url(config.discovery.zookeeper).hosts.split(","))
    if config.discovery.file:
        hosts = ANYWHERE
    found = {family: facing(hosts, family) for family in (4, 6)}
    if own:
        found[6 if ":" in own else 4] = own
    return {family: address for family, address in found.items() if address}


def nameservers(config: Config) -> tuple[str, ...]:
    """Return the addresses under which this node answers DNS: those it listens on, if they tell.

    Of an interface these are the ones that it has now, and that others may know. Raises Transient
    when the interfaces can't be read.
    """
    entries = [parse(value) for value in config.dns.listen]
    own = addresses(config)
    named = any(entry.interface for entry in entries)
    there = interfaces.addresses() if named else ()
    found: list[str] = []
    for entry in entries:
        if entry.interface:
            found += [a.host for a in there if a.interface == entry.interface and a.lasting]
        elif entry.host in ANY.values():
            found += filter(None, [own.get(6 if ":" in entry.host else 4)])
        else:
            found.append(entry.host)
    return tuple(dict.fromkeys(host for host in found if not local(host)))


@contextmanager
def open_kernel(config: Config) -> Iterator[Kernel]:
    """Give the one thing that changes this host's kernel.

    Raises Fatal when the host lacks ip_vs, or this process the right to program it.
    """
    found = ranges(config)
    link = Link(config.vip.link, found, addresses(config))
    with Ipvs() as servers:
        try:
            yield Kernel(
                servers,
                link,
                Masquerade(found) if config.vip.masquerade else None,
                Sysctl(),
                Owned(Path(config.state_dir) / "virtual-servers.json"),
                found,
            )
        finally:
            link.close()

"""What this host gives: its own addresses, and the parts that change its kernel."""

import ipaddress
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from pointsman.config import Config
from pointsman.discovery import text
from pointsman.discovery.errors import Fatal
from pointsman.discovery.leader import parse_url
from pointsman.dns import interfaces
from pointsman.dns.endpoints import ANY, local, parse
from pointsman.kernels import Kernels
from pointsman.rules import ranges
from pointsman.vip import sync
from pointsman.vip.dry import DryOwned, DryRoutes, DryServers, DrySettings
from pointsman.vip.kernel import Kernel
from pointsman.vip.link import Link
from pointsman.vip.namespaces import Namespace
from pointsman.vip.netfilter import Netfilter
from pointsman.vip.netlink import Ipvs
from pointsman.vip.owned import Owned
from pointsman.vip.parts import Wants
from pointsman.vip.sysctl import Sysctl, settings

BOOT = Path("/proc/sys/kernel/random/boot_id")

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
                found = str(probe.getsockname()[0])
        except OSError:
            continue
        # A link-local one is of no use to servers on other links.
        if not ipaddress.ip_address(found.partition("%")[0]).is_link_local:
            return found
    return ""


def addresses(config: Config) -> dict[int, str]:
    """Return this node's own address by family: the one configured, else the one facing others."""
    own = text.ip(config.vip.node_address)
    hosts = config.discovery.masters
    if config.discovery.zookeeper:
        hosts = (*hosts, *parse_url(config.discovery.zookeeper).hosts.split(","))
    if config.discovery.file:
        hosts = ANYWHERE
    found = _facing_others(hosts)
    if own:
        found[6 if ":" in own else 4] = own
    return found


def _facing_others(hosts: Sequence[str]) -> dict[int, str]:
    """Return the address from which others are reached, by family, where there is one."""
    found = {family: facing(hosts, family) for family in (4, 6)}
    return {family: address for family, address in found.items() if address}


def own(config: Config) -> frozenset[str]:
    """Return all addresses of this node by which an agent on it may be known.

    Raises Transient when the interfaces can't be read.
    """
    there = (a.host for a in interfaces.addresses() if a.lasting)
    return frozenset((*addresses(config).values(), *there))


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
def open_kernel(config: Config, *, dry: bool = False) -> Iterator[Kernel]:
    """Give the one thing that changes this host's kernel; a dry one changes nothing.

    Raises Fatal when the host lacks ip_vs, this process the right to program it, or the VIPs a
    range of their own.
    """
    if cut_off := taken(config):
        raise Fatal(cut_off)
    owned = Owned(Path(config.state_dir) / "virtual-servers.json")
    vip = config.vip
    with Ipvs() as servers:
        if dry:
            memory = DryOwned(owned.memory)
            yield Kernel(
                DryServers(servers), DryRoutes(), None, DrySettings(Sysctl()), memory, wants(config)
            )
            return
        found = ranges(config)
        with closing(Link(vip.link, found, addresses(config))) as link:
            yield Kernel(
                servers,
                link,
                Netfilter(found, masquerade=vip.masquerade, guard=vip.protect),
                Sysctl(),
                owned,
                wants(config),
            )


def taken(config: Config) -> str:
    """Return why this node would be cut off: a whole range is local to it. "" when it is not."""
    for range_ in ranges(config):
        for address in addresses(config).values():
            if address in range_:
                key = f"vip.ipv{range_.family}_range"
                return f"{key}: {range_} has the address of this node, {address}; choose another"
    return ""


@contextmanager
def open_kernels(config: Config, *, dry: bool = False) -> Iterator[Kernels]:
    """Give the kernel's part of this host, dry or not, and, as they come, of further namespaces.

    Raises Fatal as ``open_kernel`` does.
    """
    with (
        open_kernel(config, dry=dry) as host,
        Kernels(
            host,
            lambda namespace: _open_inside(config, namespace),
            lambda namespace: _memory(config, namespace).unlink(missing_ok=True),
        ) as kernels,
    ):
        yield kernels


@contextmanager
def _open_inside(config: Config, namespace: Namespace) -> Iterator[Kernel]:
    """Give the kernel's part of a namespace, in which the thread is now.

    Only what is inside opens connections there: nothing is to be masqueraded or kept away.
    """
    found = ranges(config)
    with (
        Ipvs() as servers,
        closing(Link(config.vip.link, found, _facing_others(ANYWHERE))) as link,
    ):
        yield Kernel(
            servers,
            link,
            None,
            Sysctl(),
            Owned(_memory(config, namespace)),
            wants(config, host=False),
        )


def _memory(config: Config, namespace: Namespace) -> Path:
    """Return where it is remembered what is ours in a namespace."""
    name = namespace.name.replace("/", "-").strip("-.")
    return Path(config.state_dir) / "namespaces" / f"{name}.json"


def wants(config: Config, *, host: bool = True) -> Wants:
    """Return what a kernel is to have besides virtual servers: this host's, or another's."""
    vip = config.vip
    forwarding = host and vip.masquerade
    return Wants(
        ranges(config),
        settings(masquerade=forwarding),
        forwarding,
        (vip.tcp_timeout, vip.tcp_fin_timeout, vip.udp_timeout),
        BOOT.read_text().strip(),
        sync.wanted(vip.sync) if host else frozenset(),
    )

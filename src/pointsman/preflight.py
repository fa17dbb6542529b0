"""What `pointsman check` makes of a node: from facts to findings, each with what to do about it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, TypeAlias

import msgspec

from pointsman.config import Config
from pointsman.discovery import text
from pointsman.preflight_cluster import Asked, Quorum, cluster
from pointsman.preflight_finding import Finding, error, ok, warning
from pointsman.vip.netlink import NO_RIGHT
from pointsman.vip.sysctl import settings

Module: TypeAlias = Literal["loaded", "loadable", "missing"]
UNIT = "AmbientCapabilities= and CapabilityBoundingSet="
EPOCH = 1_767_225_600.0
"""2026-01-01, in seconds since 1970: a clock before this program was made is wrong."""

IPVS_OWNERS: Mapping[str, str] = {
    "keepalived": "its virtual servers are left alone; "
    "give it and Pointsman no address and port in common",
    "kube-proxy": "in its IPVS mode it removes virtual servers that it does not know; run it with "
    "--ipvs-exclude-cidrs={ranges}, or in another mode",
    "dcos-net": "it makes the same virtual servers; stop it before Pointsman starts",
    "ldirectord": "its virtual servers are left alone; "
    "give it and Pointsman no address and port in common",
}
"""Programs that keep virtual servers, by the name of the process, and what to do about each."""

DNS_SERVERS: Mapping[str, str] = {
    "systemd-resolve": "let dns.listen name this node's own address rather than 0.0.0.0, or set "
    "DNSStubListener=no in /etc/systemd/resolved.conf",
    "dnsmasq": "let dns.listen name an address that dnsmasq does not have (its bind-dynamic and "
    "except-interface), or let it forward: server=/{domain}/ADDRESS#PORT",
}
"""Programs that often hold port 53, and what to do about each."""


class Port(msgspec.Struct, frozen=True):
    """A place to listen at, and whether it can be had."""

    key: str
    """``dns.listen`` or ``http.listen``."""
    where: str
    """``UDP 10.0.0.11:53``."""
    problem: str = ""
    reason: Literal["taken", "denied", "odd"] = "odd"
    """Of a problem: somebody holds it, this process may not have it, or something else."""
    holders: tuple[str, ...] = ()
    """Names of the processes that hold it, where this process may see them."""
    ours: bool = False
    """A Pointsman holds it, or the service manager for one."""


class Facts(msgspec.Struct, frozen=True):
    """What was read of a node."""

    files: tuple[str, ...] = ()
    """Why files that the configuration names can't be used."""
    absent: tuple[str, ...] = ()
    """Why an entry of `dns.listen` is not answered on now."""
    capabilities: frozenset[str] = frozenset()
    """Of this process, as ``CAP_NET_ADMIN``."""
    ports: tuple[Port, ...] = ()
    modules: Mapping[str, Module] = {}
    ipvs: str = ""
    """Why the kernel's virtual servers can't be read though it has ip_vs; "" when they can."""
    missing: tuple[str, ...] = ()
    """Programs that are not installed."""
    sysctls: Mapping[str, str] = {}
    fixed: frozenset[str] = frozenset()
    """Those that this process may not write."""
    native: str = ""
    """Why there is no native responder; "" when there is one."""
    state_dir: str = ""
    """Why it can't be written to; "" when it can."""
    clock: float = 0.0
    """Seconds since 1970."""
    range_: str = ""
    """Why a range of VIPs would cut this node off; "" when none would."""
    interfaces: frozenset[str] = frozenset()
    running: frozenset[str] = frozenset()
    """Names of the processes that run here."""
    resolvers: tuple[str, ...] = ()
    """Addresses that /etc/resolv.conf names."""
    own: frozenset[str] = frozenset()
    """Addresses that this node answers DNS on."""
    masters: tuple[Asked, ...] = ()
    zookeeper: Quorum | None = None


def judge(config: Config, facts: Facts) -> tuple[Finding, ...]:
    """Return what is right and what is not, in the order in which a start would meet it."""
    found = [*_files(facts), *_rights(config, facts), *_ports(config, facts)]
    found += _responder(config, facts)
    if config.vip.enabled:
        found += [*_kernel(config, facts), *_settings(config, facts), *_others(config, facts)]
    return (
        *found,
        *_state_dir(config, facts),
        *_clock(facts),
        *_resolvers(config, facts),
        *cluster(facts.masters, facts.zookeeper, facts.clock),
    )


def _files(facts: Facts) -> Iterator[Finding]:
    if not facts.files:
        yield ok("files", "what the configuration names can be read")
    for problem in facts.files:
        yield error("files", problem, "mend the file, or the key that names it")


def _rights(config: Config, facts: Facts) -> Iterator[Finding]:
    needed = {"CAP_NET_ADMIN": NO_RIGHT} if config.vip.enabled else {}
    if config.vip.enabled and config.vip.namespaces:
        needed["CAP_SYS_ADMIN"] = "vip.namespaces: entering network namespaces needs CAP_SYS_ADMIN"
    for name, why in needed.items():
        if name in facts.capabilities:
            yield ok("rights", f"{name} is there")
        else:
            yield error("rights", why, f"as root, or with {name} in the unit's {UNIT}")


def _ports(config: Config, facts: Facts) -> Iterator[Finding]:
    for why in facts.absent:
        yield warning("ports", why, "nothing if it comes later, else mend dns.listen")
    for port in facts.ports:
        held = ", ".join(port.holders)
        if not port.problem:
            yield ok("ports", f"{port.where} is free")
        elif port.ours:
            yield ok("ports", f"{port.where} is held by {held}")
        elif port.reason == "denied":
            right = f"as root, or with CAP_NET_BIND_SERVICE in the unit's {UNIT}"
            yield error("ports", f"{port.key}: {port.problem}", right)
        elif port.reason == "odd":
            yield error("ports", f"{port.key}: {port.problem}", f"mend {port.key}")
        else:
            known = [DNS_SERVERS[one] for one in DNS_SERVERS if one in held]
            todo = "; ".join(known).format(domain=config.dns.domain)
            who = held or "a process that root alone can see"
            yield error(
                "ports",
                f"{port.key}: {port.where} is held by {who}",
                todo or f"stop it, or let {port.key} name another address",
            )


def _responder(config: Config, facts: Facts) -> Iterator[Finding]:
    if facts.native and config.dns.native:
        yield warning(
            "dns",
            f"all DNS answers are made in Python: no native responder ({facts.native})",
            "install a package that has it, or set dns.native = false",
        )


def _kernel(config: Config, facts: Facts) -> Iterator[Finding]:
    loads = "CAP_SYS_MODULE" in facts.capabilities
    match facts.modules.get("ip_vs", "missing"):
        case "loaded" if facts.ipvs:
            yield error("kernel", facts.ipvs, "as root, or as the unit does")
        case "loaded":
            yield ok("kernel", "ip_vs is loaded, and answers")
        case "loadable" if loads:
            yield ok("kernel", "ip_vs is not loaded yet; the start loads it")
        case "loadable":
            yield error(
                "kernel",
                "ip_vs is not loaded, and this process may not load it",
                "modprobe ip_vs && echo ip_vs > /etc/modules-load.d/pointsman.conf",
            )
        case _:
            yield error(
                "kernel",
                "this kernel has no ip_vs",
                "boot a kernel that has it (in a container: load it on the host), or set "
                "vip.enabled = false to serve DNS only",
            )
    scheduler = f"ip_vs_{config.vip.scheduler.partition(',')[0]}"
    for name, need in (
        (scheduler, f"for vip.scheduler = {config.vip.scheduler!r}"),
        ("dummy", f"for the link {config.vip.link}"),
    ):
        if facts.modules.get(name, "missing") == "missing":
            yield warning(
                "kernel",
                f"no module {name} is seen, {need}",
                f"modprobe {name} (nothing, if it is built into the kernel)",
            )
    if facts.missing and (config.vip.masquerade or config.vip.protect):
        yield warning(
            "kernel",
            f"there is no {' and no '.join(facts.missing)}, so there are no rules for VIPs",
            f"apt-get install {' '.join(facts.missing)}, or set vip.masquerade and vip.protect "
            "= false",
        )
    if (name := config.vip.sync.interface) and name not in facts.interfaces:
        yield error("kernel", f"vip.sync.interface: there is no {name}", "name one that there is")


def _settings(config: Config, facts: Facts) -> Iterator[Finding]:
    for name, wanted in settings(masquerade=config.vip.masquerade).items():
        there = facts.sysctls.get(name)
        if there == wanted:
            yield ok("settings", f"{name} is {wanted}")
        elif there is None:
            if facts.modules.get("ip_vs") == "loaded":
                yield warning(
                    "settings", f"this kernel has no {name}", "see what it was built with"
                )
        elif name in facts.fixed:
            yield warning(
                "settings",
                f"{name} is {there}, VIPs need {wanted}, and it can't be written from here",
                f"sysctl -w {name}={wanted}, and a file in /etc/sysctl.d",
            )
        else:
            yield ok("settings", f"{name} is {there}; the start sets it to {wanted}")
    if config.vip.forwarding != "masquerade":
        for name, value in facts.sysctls.items():
            if name.endswith(".rp_filter") and value == "1":
                yield warning(
                    "settings",
                    f"{name} is 1: a real server of this host is not answered under "
                    f"vip.forwarding = {config.vip.forwarding!r}",
                    f"sysctl -w {name}=2, and a file in /etc/sysctl.d",
                )


def _others(config: Config, facts: Facts) -> Iterator[Finding]:
    if facts.range_:
        yield error("addresses", facts.range_, "choose a range that no host is in")
    ranges = ",".join(filter(None, (config.vip.ipv4_range, config.vip.ipv6_range)))
    for name, todo in IPVS_OWNERS.items():
        if name in facts.running:
            yield warning(
                "others", f"{name} runs here, which keeps virtual servers too",
                todo.format(ranges=ranges),
            )  # fmt: skip


def _state_dir(config: Config, facts: Facts) -> Iterator[Finding]:
    if facts.state_dir:
        yield error(
            "state",
            f"state_dir: {config.state_dir}: {facts.state_dir}",
            f"mkdir -p {config.state_dir}, and let the user that Pointsman runs as own it",
        )
    else:
        yield ok("state", f"{config.state_dir} can be written to")


def _clock(facts: Facts) -> Iterator[Finding]:
    if facts.clock < EPOCH:
        yield error(
            "clock",
            "it is before 2026 here: certificates, tokens and TSIG will be refused",
            "set the clock, and have chrony or systemd-timesyncd keep it",
        )


def _resolvers(config: Config, facts: Facts) -> Iterator[Finding]:
    if not facts.resolvers:
        yield warning("resolver", "/etc/resolv.conf names no server", "name this node's address")
        return
    first = facts.resolvers[0]
    own = sorted(facts.own)
    there = _first_of(facts.resolvers, own)
    if there == first:
        yield ok("resolver", f"programs of this node ask {first}, which is this Pointsman")
    elif there:
        yield warning(
            "resolver",
            f"programs of this node ask {first} first, and {there}, this Pointsman, only after it",
            f"name {there} first in /etc/resolv.conf",
        )
    else:
        put = f"put `nameserver {own[0]}` first" if own else "dns.listen needs port 53 to be named"
        yield warning(
            "resolver",
            f"programs of this node ask {first}, which is not this Pointsman",
            f"nothing if {first} forwards {config.dns.domain} and {config.vip.domain} here; "
            f"else {put} in /etc/resolv.conf",
        )


def _first_of(resolvers: Iterable[str], own: Iterable[str]) -> str:
    """Return the first resolver that is one of our addresses, "" when none is."""
    mine = {text.ip(one.partition("%")[0]) for one in own}
    return next((one for one in resolvers if one.partition("%")[0] in mine), "")

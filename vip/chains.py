"""Rules of netfilter that VIPs need, as lines that iptables-save prints.

Masquerade. IPVS in masquerade mode sends a packet on with its client's address. A real server that
can reach the client without this host would answer it directly, and the client, which knows only
the VIP, would refuse that answer. Connections of this host itself need no rule: the route of the
VIPs gives them the node's address. The rule sees IPVS's packets only with net.ipv4.vs.conntrack =
1, and only those that it masquerades.

Host ports. CNI's portmap and Docker lead a host port to its container on every local address, and
VIPs are local: a container's host port 80 would take what goes to port 80 of every VIP
(DCOS_OSS-4970). What goes to VIPs leaves the nat chains before them.

Services of the host. What listens on all addresses of a host would be reached at VIPs too. IPVS
takes a packet after the filter's INPUT, so that has to know which VIPs and ports are served.

Marks. A probe's mark has IPVS lead its packets to one real server. Where the way there is a tunnel
(VXLAN, as DC/OS's overlay), the kernel gives the mark to the tunnel's own packets as well, and IPVS
would lead those there, too: into the tunnel again, without end. So a mark ends once it has served.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from pointsman.vip.model import Key, Protocol
from pointsman.vip.paths import COUNT, LOWEST

PRE, POST, IN = "POINTSMAN-PRE", "POINTSMAN-POST", "POINTSMAN-IN"
MARK = "POINTSMAN-MARK"

JUMPS = {
    PRE: ("nat", ("PREROUTING", "OUTPUT")),
    POST: ("nat", ("POSTROUTING",)),
    IN: ("filter", ("INPUT", "OUTPUT")),
    MARK: ("mangle", ("POSTROUTING",)),
}
"""Table of each chain, and the chains that jump to it before all else."""

_REJECT = {4: "icmp-port-unreachable", 6: "icmp6-port-unreachable"}
_NUMBERS = {str(protocol): int(protocol) for protocol in Protocol}
_SET_FAMILY = {4: "inet", 6: "inet6"}


class Sets(msgspec.Struct, frozen=True):
    """Names of the sets of a family."""

    servers: str
    """Address, protocol and port of each virtual server."""
    addresses: str
    """Where VIPs are: the ranges, and single addresses."""


SETS = {4: Sets("pointsman", "pointsman-vips"), 6: Sets("pointsman6", "pointsman6-vips")}


def chains(
    family: int, prefixes: Sequence[str], *, masquerade: bool, guard: bool, marks: bool = False
) -> dict[str, tuple[str, ...]]:
    """Return the rules of each of our chains, for VIPs under these prefixes.

    ``marks`` says that probes are marked.
    """
    found: dict[str, tuple[str, ...]] = {}
    sets = SETS[family]
    if masquerade:
        found[POST] = tuple(_masqueraded(prefix) for prefix in prefixes)
    if guard:
        found[PRE] = (f"-A {PRE} -m set --match-set {sets.addresses} dst -j ACCEPT",)
        found[IN] = tuple(_refused(sets, _REJECT[family]))
    if marks:
        ours = f"{LOWEST:#x}/{0x1_0000_0000 - COUNT:#x}"
        found[MARK] = (f"-A {MARK} -m mark --mark {ours} -j MARK --set-xmark 0x0/0xffffffff",)
    return found


def _masqueraded(prefix: str) -> str:
    address, _, length = prefix.partition("/")
    whole = length == ("128" if ":" in prefix else "32")
    # What still goes to the VIP was not masqueraded by IPVS: direct forwarding keeps both ends.
    opened_to = f"! -d {prefix} -m conntrack --ctorigdst {address if whole else prefix}"
    return f"-A {POST} {opened_to} -m addrtype ! --src-type LOCAL -j MASQUERADE"


def _refused(sets: Sets, unreachable: str) -> Iterator[str]:
    elsewhere = (
        f"-m set --match-set {sets.addresses} dst -m set ! --match-set {sets.servers} dst,dst"
    )
    yield f"-A {IN} -p tcp {elsewhere} -j REJECT --reject-with tcp-reset"
    for protocol in ("udp", "sctp"):
        yield f"-A {IN} -p {protocol} {elsewhere} -j REJECT --reject-with {unreachable}"


def restored(
    table: str, wanted: Mapping[str, Sequence[str]], saved: Sequence[str]
) -> tuple[str, ...]:
    """Return what iptables-restore is to be told of a table, so that our chains are as wanted.

    ``saved`` is what iptables-save tells of it. Nothing, when all is right.
    """
    lines: list[str] = []
    for chain, (of, sources) in JUMPS.items():
        if of != table:
            continue
        rules = wanted.get(chain, ())
        if rules and [line for line in saved if line.startswith(f"-A {chain} ")] != list(rules):
            lines += [f":{chain} - [0:0]", *rules]
        for source in sources:
            jump = f"{source} -j {chain}"
            there = [line for line in saved if line.startswith(f"-A {source} ")]
            right = there[:1] == [f"-A {jump}"] and there.count(f"-A {jump}") == 1
            if bool(rules) == right and (rules or f"-A {jump}" not in there):
                continue
            lines += [f"-D {jump}"] * there.count(f"-A {jump}")
            lines += [f"-I {source} 1 -j {chain}"] if rules else []
        if not rules and any(line.startswith(f":{chain} ") for line in saved):
            lines += [f"-F {chain}", f"-X {chain}"]
    return (f"*{table}", *lines, "COMMIT") if lines else ()


def servers(family: int, keys: Iterable[Key]) -> frozenset[str]:
    """Return the members of the set of virtual servers.

    Protocols are numbers: ipset knows names only where there is an /etc/protocols.
    """
    return frozenset(
        f"{key.address},{int(key.protocol)}:{key.port}"
        for key in keys
        if not key.fwmark and key.family == family
    )


def member(told: str) -> str:
    """Return a member as it is written here, from what ipset tells.

    It writes the end of some IPv6 addresses as IPv4 (``::10.0.0.1``).
    """
    address, _, service = told.partition(",")
    if ":" in address and "." in address:
        bare, slash, length = address.partition("/")
        address = f"{ipaddress.ip_address(bare)}{slash}{length}"
    protocol, _, port = service.partition(":")
    return f"{address},{_NUMBERS.get(protocol, protocol)}:{port}" if service else address


def created(family: int) -> tuple[str, ...]:
    """Return what ipset is to be told so that the sets of a family are there."""
    sets, name = SETS[family], _SET_FAMILY[family]
    return (
        f"create {sets.servers} hash:ip,port family {name} maxelem 1048576",
        f"create {sets.addresses} hash:net family {name} maxelem 1048576",
    )


def filled(name: str, there: frozenset[str], wanted: frozenset[str]) -> tuple[str, ...]:
    """Return what ipset is to be told so that a set has exactly these members."""
    new = (f"add {name} {member}" for member in sorted(wanted - there))
    old = (f"del {name} {member}" for member in sorted(there - wanted))
    return (*new, *old)

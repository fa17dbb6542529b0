"""What is done to a node's packets while something of the network is broken: pure.

A node is set to all that lasts, however many faults there are and in whatever order they are
healed, so that one that was booted again is as it was too.
"""

from collections.abc import Iterable, Sequence

from pointlab.topology import Node, Topology
from pointlab.wiring import SWITCH, Batch, port

LIMIT = 100_000
"""Packets that wait in a queue; netem's own thousand would lose some of a fast stream."""
KINDS = ("black-hole", "delay", "loss", "duplicate", "partition", "deaf")


def concerned(plain: Sequence[str]) -> list[str]:
    """Return the nodes whose packets something concerns; none if it is nothing of the network."""
    match plain:
        case [kind, *sides] if kind in ("partition", "deaf"):
            return [node for side in sides for node in side.split(",")]
        case [kind, node, *_] if kind in KINDS:
            return [node]
    return []


def settings(topology: Topology, one: Node, lasting: Iterable[Sequence[str]]) -> tuple[Batch, ...]:
    """Return how a node and its ports are set to what lasts, and to nothing else."""
    plains = [plain for plain in lasting if one.name in concerned(plain)]
    netem = _netem(plains)
    state = "down" if any(plain[0] == "black-hole" for plain in plains) else "up"
    ports = [port(one.name, network) for network in one.links]
    own = [f"eth{number}" for number in range(len(one.links))]
    drops = _drops(topology, one.name, plains)
    return (
        Batch(
            SWITCH,
            ip=tuple(f"link set {name} {state}" for name in ports),
            sh=tuple(_queue(name, netem) for name in ports),
        ),
        Batch(
            one.name,
            sh=tuple(_queue(name, netem) for name in own) + tuple(_ears(n, drops) for n in own),
        ),
    )


def _netem(plains: Sequence[Sequence[str]]) -> str:
    """Return netem's options for all of them; "" for a network that is well."""
    options = ""
    for plain in plains:
        match plain:
            case ["delay", _, *times]:
                options += " delay " + " ".join(f"{time}ms" for time in times)
            case ["loss" | "duplicate" as kind, _, percent]:
                options += f" {kind} {percent}%"
    return options and f"limit {LIMIT}{options}"


def _queue(interface: str, netem: str) -> str:
    if netem:
        return f"tc qdisc replace dev {interface} root netem {netem}"
    return f"tc qdisc del dev {interface} root 2>/dev/null || :"


def _drops(topology: Topology, hearer: str, plains: Sequence[Sequence[str]]) -> list[str]:
    """Return the prefixes of which a node is to hear nothing."""
    unheard: dict[str, None] = {}
    for plain in plains:
        if plain[0] not in ("partition", "deaf"):
            continue
        one, other = (side.split(",") for side in plain[1:])
        if hearer in one:
            unheard |= dict.fromkeys(other)
        elif plain[0] == "partition":
            unheard |= dict.fromkeys(one)
    return [prefix for node in unheard for prefix in _sources(topology, node)]


def _sources(topology: Topology, name: str) -> list[str]:
    """Return all that a node and its containers send from."""
    one = topology.node(name)
    return [*one.addresses, *(topology.subnets(name) if "agent" in one.runs else ())]


def _ears(interface: str, drops: Sequence[str]) -> str:
    """Return the command that drops what comes from these prefixes, and nothing else."""
    clear = f"tc qdisc del dev {interface} clsact 2>/dev/null || :"
    if not drops:
        return clear
    lines = [f"qdisc add dev {interface} clsact"]
    for prefix in drops:
        # Filters of one preference have to be of one protocol.
        protocol, preference = ("ipv6", 2) if ":" in prefix else ("ip", 1)
        lines.append(
            f"filter add dev {interface} ingress protocol {protocol} pref {preference} "
            f"flower src_ip {prefix} action drop"
        )
    return "\n".join((clear, "tc -batch - <<END", *lines, "END"))

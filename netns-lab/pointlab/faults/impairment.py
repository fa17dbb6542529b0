"""What is done to packets while something of the network is broken: pure.

Nodes are set to all that lasts, however many faults there are and in whatever order they are
healed, so that one that was booted again is as it was too. No command fails where there is nothing
to take away, and each namespace needs one process of `tc` only: a guest is slow to start them.
"""

from collections.abc import Iterable, Sequence

import msgspec

from pointlab.site.topology import Topology
from pointlab.site.wiring import SWITCH, port

LIMIT = 100_000
"""Packets that wait in a queue; netem's own thousand would lose some of a fast stream."""
KINDS = ("black-hole", "delay", "loss", "duplicate", "partition", "deaf")


class Setting(msgspec.Struct, frozen=True):
    """What is done in a namespace."""

    node: str
    """The switch, or a node."""
    tc: tuple[str, ...]
    """Commands of `tc`."""
    ip: tuple[str, ...] = ()
    """Commands of `ip`."""


def concerned(plain: Sequence[str]) -> list[str]:
    """Return the nodes whose packets something concerns; none if it is nothing of the network."""
    match plain:
        case ["partition", *sides]:
            return [node for side in sides for node in side.split(",")]
        case ["deaf", hearers, _]:
            return hearers.split(",")
        case [kind, node, *_] if kind in KINDS:
            return [node]
    return []


def settings(
    topology: Topology, nodes: Iterable[str], lasting: Iterable[Sequence[str]]
) -> tuple[Setting, ...]:
    """Return how nodes and their ports on the bridges are set to what lasts, and nothing else."""
    lasting = [*lasting]
    own: list[Setting] = []
    ports: list[str] = []
    states: list[str] = []
    for name in nodes:
        plains = [plain for plain in lasting if name in concerned(plain)]
        queue = _queue(plains)
        state = "down" if any(plain[0] == "black-hole" for plain in plains) else "up"
        drops = _drops(topology, name, plains)
        commands: list[str] = []
        for number, network in enumerate(topology.node(name).links):
            plug = port(name, network)
            states.append(f"link set {plug} {state}")
            ports.append(f"qdisc replace dev {plug} root {queue}")
            commands.append(f"qdisc replace dev eth{number} root {queue}")
            commands += _ears(f"eth{number}", drops)
        own.append(Setting(name, tuple(commands)))
    return (Setting(SWITCH, tuple(ports), tuple(states)), *own) if own else ()


def _queue(plains: Sequence[Sequence[str]]) -> str:
    """Return the queue that does all of them."""
    options = ""
    for plain in plains:
        match plain:
            case ["delay", _, *times]:
                options += " delay " + " ".join(f"{time}ms" for time in times)
            case ["loss" | "duplicate" as kind, _, percent]:
                options += f" {kind} {percent}%"
    return f"netem limit {LIMIT}{options}" if options else "noqueue"


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


def _ears(interface: str, drops: Sequence[str]) -> list[str]:
    """Return the commands that drop what comes from these prefixes, and nothing else."""
    commands = [f"qdisc replace dev {interface} clsact", f"filter del dev {interface} ingress"]
    for prefix in drops:
        # Filters of one preference have to be of one protocol.
        protocol, preference = ("ipv6", 2) if ":" in prefix else ("ip", 1)
        commands.append(
            f"filter add dev {interface} ingress protocol {protocol} pref {preference} "
            f"flower src_ip {prefix} action drop"
        )
    return commands

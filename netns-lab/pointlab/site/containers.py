"""The networks of containers: what nodes need so that tasks can have addresses of their own.

A container itself is plugged in by its executor (netns-lab/mesos/container.py), which takes an
address of the subnets that the bridge has.
"""

import ipaddress
from collections.abc import Iterator

from pointlab.site.topology import Node, Topology, shared

BRIDGE, DOCKER, TUNNEL = "cni0", "docker0", "vx0"
DOCKER_SUBNET = "172.17.0.0/16"
"""The same on every agent, and of those with ``bridge`` only."""
ENDS = {4: "44.128.0.0/20", 6: "fd01:a::/64"}
"""Addresses of the tunnel's ends, by IP version; node ``n`` has the n-th of each."""
PORT = 4789
MTU = 1450
"""What is left of 1500 octets inside a tunnel."""


def links(topology: Topology, one: Node) -> tuple[str, ...]:
    """Return commands of `ip` that give a node its bridges, its tunnel's end, and its routes."""
    made: list[str] = []
    kind = topology.containers.kind
    if kind != "host" and "agent" in one.runs:
        made += _bridge(BRIDGE, topology.subnets(one.name))
        if kind == "bridge":
            made += _bridge(DOCKER, (DOCKER_SUBNET,))
        if kind == "overlay":
            made += [f"link set {BRIDGE} mtu {MTU}"]
    if kind == "overlay" and one in _ends(topology):
        made += _tunnel(topology, one)
    if kind == "routed":
        made += _routes(topology, one)
    return tuple(made)


def rules(topology: Topology, one: Node) -> tuple[str, ...]:
    """Return lines of a shell that have a node forward for containers, and know its tunnel."""
    lines: list[str] = []
    kind = topology.containers.kind
    if kind != "host" and "agent" in one.runs:
        lines += ["sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"]
        for subnet in topology.subnets(one.name) if kind != "routed" else ():
            # What stays among containers keeps its address.
            inner = TUNNEL if kind == "overlay" else BRIDGE
            lines += [_masquerade(subnet, f"! -d {subnet} ! -o {inner}")]
        if kind == "bridge":
            lines += [_masquerade(DOCKER_SUBNET, f"! -o {DOCKER}")]
    if kind == "overlay" and one in _ends(topology):
        lines += [
            f"bridge fdb append {_mac(number)} dev {TUNNEL} dst {other.address_of(4)}"
            for number, other in _others(topology, one)
        ]
    return tuple(lines)


def _bridge(name: str, subnets: tuple[str, ...]) -> Iterator[str]:
    yield f"link add {name} type bridge mcast_snooping 0 forward_delay 0"
    for subnet in subnets:
        yield f"addr add {_first(subnet)} dev {name}{' nodad' if ':' in subnet else ''}"
    yield f"link set {name} up"


def _tunnel(topology: Topology, one: Node) -> Iterator[str]:
    """Yield how a node's end is made; what others would ask for is written down instead."""
    number = _ends(topology).index(one) + 1
    device = f"eth{_link(one)}"
    yield (
        f"link add {TUNNEL} address {_mac(number)} type vxlan id 7 dstport {PORT} "
        f"local {one.address_of(4)} dev {device} nolearning"
    )
    for version in _versions(topology):
        yield f"addr add {_end(number, version)} dev {TUNNEL}{' nodad' if version == 6 else ''}"
    yield f"link set {TUNNEL} mtu {MTU} up"
    for other_number, other in _others(topology, one):
        ends = {v: _end(other_number, v).partition("/")[0] for v in _versions(topology)}
        for end in ends.values():
            yield f"neigh add {end} lladdr {_mac(other_number)} dev {TUNNEL} nud permanent"
        for subnet in topology.subnets(other.name) if "agent" in other.runs else ():
            yield f"route add {subnet} via {ends[_version(subnet)]} dev {TUNNEL}"


def _routes(topology: Topology, one: Node) -> Iterator[str]:
    """Yield routes to the subnets of agents on a network of the node; its gateway has others."""
    for agent in topology.running("agent"):
        network = shared(one, agent)
        if agent.name == one.name or not network:
            continue
        for subnet in topology.subnets(agent.name):
            hop = agent.address_of(_version(subnet), network)
            if hop and one.address_of(_version(subnet), network):
                yield f"route add {subnet} via {hop}"


def _ends(topology: Topology) -> list[Node]:
    """Return the nodes that have an end of the tunnel: those that balance, or have containers."""
    return [one for one in topology.nodes.values() if {"agent", "pointsman"} & {*one.runs}]


def _others(topology: Topology, one: Node) -> Iterator[tuple[int, Node]]:
    for number, other in enumerate(_ends(topology), 1):
        if other.name != one.name:
            yield number, other


def _versions(topology: Topology) -> list[int]:
    return sorted({_version(subnet.format(n=1)) for subnet in topology.containers.subnets})


def _version(subnet: str) -> int:
    return 6 if ":" in subnet else 4


def _end(number: int, version: int) -> str:
    """Return the address of a tunnel's end, with the length of its network."""
    network = ipaddress.ip_network(ENDS[version])
    return f"{network[number]}/{network.prefixlen}"


def _mac(number: int) -> str:
    return f"70:b3:d5:80:00:{number:02x}"


def _first(subnet: str) -> str:
    """Return the bridge's own address, with the length of its network."""
    network = ipaddress.ip_network(subnet)
    return f"{network[1]}/{network.prefixlen}"


def _link(one: Node) -> int:
    """Return the number of the interface that has a node's IPv4 address."""
    return next(n for n, name in enumerate(one.links) if one.address_of(4, name))


def _masquerade(subnet: str, where: str) -> str:
    """Return a rule, for the older command where the kernel has no nf_tables."""
    command = "ip6tables" if ":" in subnet else "iptables"
    rule = f"-w 5 -t nat -A POSTROUTING -s {subnet} {where} -j MASQUERADE"
    return f"{command} {rule} 2>/dev/null || {command}-legacy {rule}"

"""How a topology is wired: what to do in which namespace, in order."""

import hashlib

import msgspec

from pointlab.site import containers
from pointlab.site.refresher import VIPS as PEER_VIPS
from pointlab.site.topology import VIP_RANGES, Node, Topology, shared

SWITCH = "switch"
"""Where the bridges are that join the nodes: nothing is added to the host's own namespace."""


class Batch(msgspec.Struct, frozen=True):
    """What is done in a node's namespace (or the switch's, or "" for the host's)."""

    node: str
    ip: tuple[str, ...] = ()
    """Commands of `ip`."""
    sh: tuple[str, ...] = ()
    """Lines of a shell, after those."""


def switch(topology: Topology) -> tuple[Batch, ...]:
    """Return how the bridges are made."""
    made = ["link set lo up"]
    for name in topology.networks:
        # It asks no neighbour what else it should forward, and forwards at once.
        made += [f"link add {name} type bridge mcast_snooping 0 forward_delay 0"]
        made += [f"link set {name} up"]
    return (Batch(SWITCH, tuple(made)),)


def node(topology: Topology, one: Node, namespace: str) -> tuple[Batch, ...]:
    """Return how a node is wired, whose namespace is there already and empty."""
    plugged, own = [], ["link set lo up"]
    for number, (network, addresses) in enumerate(one.links.items()):
        plug = port(one.name, network)
        interface = f"eth{number} address {_mac(plug)}"
        plugged += [
            f"link add {plug} type veth peer name {interface} netns {namespace}",
            f"link set {plug} master {network} up",
        ]
        for address in addresses:
            length = next(
                p.rpartition("/")[2]
                for p in topology.networks[network].prefixes
                if (":" in p) == (":" in address)
            )
            own.append(f"addr add {address}/{length} dev eth{number}{_nodad(address)}")
        own.append(f"link set eth{number} up")
    return (
        Batch(SWITCH, tuple(plugged)),
        Batch(
            one.name,
            (*own, *_routes(topology, one), *containers.links(topology, one)),
            (*_forwarding(one), *containers.rules(topology, one)),
        ),
    )


def unplugged(one: Node) -> tuple[Batch, ...]:
    """Return how a node's links are taken away, both ends."""
    return (Batch(SWITCH, tuple(f"link delete {port(one.name, n)}" for n in one.links)),)


def port(name: str, network: str) -> str:
    """Return the name of a node's port on a bridge, of at most 15 letters."""
    return f"{name}.{network}"[:15]


def _mac(plug: str) -> str:
    """Return the MAC address of a node's interface: a machine that comes back has the one it had.

    Neighbours would send to its old one until they ask again.
    """
    return ":".join(f"{octet:02x}" for octet in (2, *hashlib.sha256(plug.encode()).digest()[:5]))


def _nodad(address: str) -> str:
    """Nobody else has it: it need not wait until that is known."""
    return " nodad" if ":" in address else ""


def _routes(topology: Topology, one: Node) -> list[str]:
    routes = []
    for other, prefixes in ((one.gateway, {4: "default", 6: "default"}), (one.vips, VIP_RANGES)):
        if not other:
            continue
        via = topology.nodes[other]
        network = shared(one, via)
        for version, prefix in prefixes.items():
            hop = via.address_of(version, network)
            if other == one.name:
                routes.append(f"route add local {prefix} dev lo")
            elif hop and one.address_of(version, network):
                routes.append(f"route add {prefix} via {hop}")
    if one.vips:
        routes += [
            f"route add {PEER_VIPS} via {peer.address_of(4, shared(one, peer))}"
            for peer in topology.running("keepalived")
            if shared(one, peer)
        ]
    return routes


def _forwarding(one: Node) -> tuple[str, ...]:
    if "router" not in one.runs:
        return ()
    return ("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",)

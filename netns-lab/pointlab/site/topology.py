"""A topology: which nodes there are, how they are wired, and what runs on each.

It is read from a file of TOML, ``netns-lab/topologies/NAME.toml`` or one of your own.
"""

import ipaddress
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

FOLDER = Path(__file__).resolve().parents[2] / "topologies"
VIP_RANGES = {4: "11.0.0.0/8", 6: "fd01:c::/64"}
"""Of named VIPs, by IP version."""

Role = Literal[
    "zookeeper", "framework", "master", "agent", "pointsman", "router", "announce",
    "keepalived", "bind",
]  # fmt: skip
Kind = Literal["host", "bridge", "overlay", "routed"]
Scalars = dict[str, Any]


class TopologyError(ValueError):
    """A topology can't be used; the text names the place."""


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A wire that joins nodes: a bridge in a namespace of its own."""

    prefixes: tuple[str, ...]


class Containers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How tasks are on the network."""

    kind: Kind = "host"
    """``host``: with the agent's address. ``bridge``: behind a bridge of each agent, with mapped
    ports. ``overlay``: by VXLAN. ``routed``: with routes to each agent's subnets."""
    subnets: tuple[str, ...] = ()
    """Of an agent's containers, at most one of each IP version; ``{n}`` is the agent's number."""


class Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A machine: a namespace with an interface (eth0, eth1, …) on each of its networks."""

    links: dict[str, tuple[str, ...]]
    """Its addresses on each network; the first of all is the one that it is known by."""
    runs: tuple[Role, ...] = ()
    name: str = ""
    gateway: str = ""
    """The node through which it reaches other networks."""
    vips: str = ""
    """The node through which it reaches VIPs; "" where it balances by itself, or never asks. It
    itself where they are its own addresses, as those of a real server with direct forwarding."""
    region: str = ""
    zone: str = ""
    """Of its fault domain."""
    pointsman: dict[str, Scalars] = {}
    """Further configuration of its Pointsman: keys by table."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """All of its addresses."""
        return tuple(address for all_ in self.links.values() for address in all_)

    @property
    def address(self) -> str:
        """The address that it is known by."""
        return self.addresses[0]

    def address_of(self, version: int, network: str = "") -> str:
        """Return its first address of an IP version, on a network if named; "" without any."""
        listed = self.links.get(network, ()) if network else self.addresses
        return next((a for a in listed if ipaddress.ip_address(a).version == version), "")


class Topology(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it."""

    about: str
    """One line for those who choose."""
    networks: dict[str, Network]
    nodes: dict[str, Node]
    containers: Containers = Containers()
    pointsman: dict[str, Scalars] = {}
    """Further configuration of every Pointsman: keys by table."""
    name: str = ""

    def running(self, role: Role) -> tuple[Node, ...]:
        """Return the nodes that run this."""
        return tuple(node for node in self.nodes.values() if role in node.runs)

    def node(self, name: str) -> Node:
        """Return a node by its name; raises LookupError, which names those that there are."""
        if name not in self.nodes:
            raise LookupError(f"no node {name!r}; there are {', '.join(self.nodes)}")
        return self.nodes[name]

    def zones(self) -> dict[str, str]:
        """Return the zone of each node that has one, where kernels prefer their own; else none."""
        if self.pointsman.get("vip", {}).get("locality") != "zone":
            return {}
        said = {
            name: node.pointsman.get("vip", {}).get("zone", node.zone)
            for name, node in self.nodes.items()
        }
        return {name: zone for name, zone in said.items() if zone}

    def subnets(self, agent: str) -> tuple[str, ...]:
        """Return the prefixes of an agent's containers."""
        number = [one.name for one in self.running("agent")].index(agent) + 1
        return tuple(subnet.format(n=number) for subnet in self.containers.subnets)


def names() -> list[str]:
    """Return the names of the topologies that come with the lab."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> Topology:
    """Read a topology of the lab by its name, or any file by its path; raises TopologyError."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.exists():
        raise TopologyError(f"no topology {name!r}; there are {', '.join(names())}")
    try:
        return parse(path.read_text(), path.stem)
    except TopologyError as error:
        raise TopologyError(f"{path.name}: {error}") from error


def parse(toml: str, name: str) -> Topology:
    """Read the text of a topology; raises TopologyError."""
    try:
        read = msgspec.convert(tomllib.loads(toml), Topology)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise TopologyError(str(error)) from error
    nodes = {key: msgspec.structs.replace(node, name=key) for key, node in read.nodes.items()}
    topology = msgspec.structs.replace(read, name=name, nodes=nodes)
    for problem in _problems(topology):
        raise TopologyError(problem)
    return topology


def _problems(topology: Topology) -> Iterator[str]:
    """Yield what is wrong, the place first."""
    used: set[str] = set()
    for key, network in topology.networks.items():
        if len(key) > 10 or not key.isalnum():
            yield f"networks.{key}: a name is of at most ten letters and digits"
        for prefix in network.prefixes:
            try:
                ipaddress.ip_network(prefix)
            except ValueError as error:
                yield f"networks.{key}.prefixes: {error}"
    for node in topology.nodes.values():
        where = f"nodes.{node.name}"
        if len(node.name) > 10 or not node.name.isalnum():
            yield f"{where}: a name is of at most ten letters and digits"
        if not node.addresses:
            yield f"{where}.links: has no address"
        for link, addresses in node.links.items():
            if link not in topology.networks:
                yield f"{where}.links.{link}: no such network"
                continue
            for address in addresses:
                yield from _address(f"{where}.links.{link}", address, topology.networks[link])
                if address in used:
                    yield f"{where}.links.{link}: {address} is another node's"
                used.add(address)
        for field in ("gateway", "vips"):
            other = getattr(node, field)
            if other and other not in topology.nodes:
                yield f"{where}.{field}: no node {other!r}"
            elif other and not shared(node, topology.nodes[other]):
                yield f"{where}.{field}: {other} is on none of its networks"
    yield from _roles(topology)


def _address(where: str, address: str, network: Network) -> Iterator[str]:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError as error:
        yield f"{where}: {error}"
        return
    if not any(parsed in ipaddress.ip_network(prefix) for prefix in network.prefixes):
        yield f"{where}: {address} is in none of its prefixes"


def _roles(topology: Topology) -> Iterator[str]:
    """Yield what is wrong with who runs what."""
    masters, zookeepers = topology.running("master"), topology.running("zookeeper")
    if len(topology.running("framework")) != 1:
        yield "nodes: one has to run the framework"
    if len(masters) % 2 == 0:
        yield "nodes: an odd number has to run a master"
    if len(zookeepers) > 1 or (len(masters) > 1 and not zookeepers):
        yield "nodes: several masters need one zookeeper"
    if not topology.running("agent") or not topology.running("pointsman"):
        yield "nodes: none runs an agent, or none pointsman"
    if (topology.containers.kind == "host") == bool(topology.containers.subnets):
        yield "containers.subnets: are of all kinds but host"
    for node in (*masters, *topology.running("agent")):
        if not node.address_of(4):
            yield f"nodes.{node.name}: Mesos needs an IPv4 address"


def shared(one: Node, other: Node) -> str:
    """Return the first network that two nodes have in common; "" when there is none."""
    return next((network for network in one.links if network in other.links), "")

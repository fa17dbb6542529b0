"""Who is where: the nodes of the lab and what runs on each."""

import msgspec

PREFIX = "lab-"
"""Of every namespace."""

SWITCH = f"{PREFIX}switch"
"""The namespace of the bridge that joins the nodes: nothing is added to the host's own."""

VIP_RANGE = "11.0.0.0/8"


class Node(msgspec.Struct, frozen=True):
    """A machine of the lab: a namespace with one address."""

    name: str
    address: str
    pointsman: bool = True
    via: str = ""
    """Address of the node through which it reaches VIPs; "" where it balances by itself."""

    @property
    def netns(self) -> str:
        """Name of its namespace."""
        return f"{PREFIX}{self.name}"


MASTER = Node("master", "10.31.0.1")
AGENTS = tuple(Node(f"agent{n}", f"10.31.0.{10 + n}") for n in (1, 2, 3))
CLIENT = Node("client", "10.31.0.100", pointsman=False, via=MASTER.address)
NODES = (MASTER, *AGENTS, CLIENT)


def node(name: str) -> Node:
    """Return a node by its name; raises LookupError, which names those that there are."""
    for one in NODES:
        if one.name == name:
            return one
    raise LookupError(f"no node {name!r}; there are {', '.join(n.name for n in NODES)}")


def pointsman_config(one: Node, state: str) -> str:
    """Return the configuration of a node's Pointsman."""
    return f"""\
state_dir = "{state}"

[discovery]
masters = ["{MASTER.address}:5050"]
poll_interval = 0.5

[dns]
listen = ["{one.address}:53"]
ttl = 5

[vip]
node_address = "{one.address}"
"""

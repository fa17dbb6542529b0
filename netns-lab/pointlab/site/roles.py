"""What runs on a node beside Mesos and Pointsman, by its roles."""

from pathlib import Path

from pointlab.site import bgp, peers
from pointlab.site.process import Service
from pointlab.site.topology import Node, Topology


def services(topology: Topology, one: Node, memory: Path, config: Path) -> tuple[Service, ...]:
    """Return it, in order of its start.

    ``memory`` is the node's folder of files that a crash loses, ``config`` the configuration of its
    Pointsman.
    """
    return (
        *bgp.services(topology, one, memory, config),
        *peers.services(topology, one, memory),
    )

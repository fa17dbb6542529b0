"""What runs where: the frozen values that every view of the cluster is derived from."""

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from pointsman.discovery import text

TaskKey: TypeAlias = tuple[str, str]
"""(framework id, task id): a task id alone is not unique in a cluster."""

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Key and value pairs in the order given; a key may stand twice."""


class Port(msgspec.Struct, frozen=True, gc=False):
    """One port of a task's DiscoveryInfo."""

    number: int
    name: str = ""
    protocol: str = ""
    """As given ("tcp", "UDP", "udp,tcp"); empty when not given."""
    labels: Labels = ()


class Discovery(msgspec.Struct, frozen=True, gc=False):
    """A task's DiscoveryInfo (Mesos ``include/mesos/v1/mesos.proto``)."""

    name: str = ""
    ports: tuple[Port, ...] = ()


class PortMapping(msgspec.Struct, frozen=True, gc=False):
    """A host port that leads to a port of the task's container."""

    host_port: int
    container_port: int
    protocol: str = "tcp"


class Task(msgspec.Struct, frozen=True, gc=False):
    """A task with all that names and virtual servers need, resolved: no look-up is left to do."""

    id: str
    name: str
    framework_id: str
    framework: str
    """Name of the framework."""
    agent_id: str
    agent: str
    """IP address of the agent; never empty (a task of an unknown agent is no part of a Cluster)."""
    state: str
    """``TASK_RUNNING`` and so on."""
    healthy: bool | None = None
    """Mesos's own result; None when it never said."""
    checked: bool = False
    """Mesos runs a health check on it."""
    addresses: tuple[str, ...] = ()
    """Of its container (``network_infos``), IPv4 and IPv6 as listed."""
    docker_address: str = ""
    """From the status label ``Docker.NetworkSettings.IPAddress``."""
    mesos_address: str = ""
    """From the status label ``MesosContainerizer.NetworkSettings.IPAddress``."""
    ports: tuple[int, ...] = ()
    """Host ports of its resources, ranges written out."""
    discovery: Discovery | None = None
    labels: Labels = ()
    mappings: tuple[PortMapping, ...] = ()
    runtime: str = ""
    """``MESOS``, ``DOCKER`` or empty when the task has no container."""

    @property
    def key(self) -> TaskKey:
        """What tells this task from all others."""
        return self.framework_id, self.id


class Agent(msgspec.Struct, frozen=True, gc=False):
    """A Mesos agent."""

    id: str
    address: str
    """IP address."""
    port: int
    hostname: str = ""


class Framework(msgspec.Struct, frozen=True, gc=False):
    """A framework; its address is that of its scheduler, empty when it can't be known."""

    id: str
    name: str
    address: str = ""
    port: int = 0
    """Of the scheduler's libprocess pid; 0 for a scheduler on the HTTP API."""
    active: bool = True


class Master(msgspec.Struct, frozen=True, gc=False):
    """A Mesos master."""

    address: str
    port: int

    def __str__(self) -> str:
        return text.joined(self.address, self.port)


class Note(msgspec.Struct, frozen=True, gc=False, order=True):
    """Something that was left out of a view, and why: bad data, not an error."""

    where: str
    """For instance ``task web.1 of marathon``."""
    why: str

    def __str__(self) -> str:
        return f"{self.where}: {self.why}"


class Cluster(msgspec.Struct, frozen=True, gc=False):
    """All that is known of a cluster at one moment."""

    leader: Master | None = None
    elected: float = 0.0
    """When the leader was elected, in seconds since 1970 by its clock; 0 when it doesn't say."""
    recovering: int = 0
    """Agents of the leader's registry that have not come back to it yet."""
    masters: tuple[Master, ...] = ()
    """As configured or elected, in order; may lack the leader."""
    agents: Mapping[str, Agent] = {}
    frameworks: Mapping[str, Framework] = {}
    tasks: Mapping[TaskKey, Task] = {}
    notes: tuple[Note, ...] = ()

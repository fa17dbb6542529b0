"""What runs where: the frozen values that every view of the cluster is derived from.

A Cluster is an index over what a master told: who is there, decoded, and of each task the rest as
JSON (``Told``). ``details.task`` makes a ``Task`` of one of them, when a view needs it.
"""

from typing import TypeAlias, TypeVar

import msgspec
from immutables import Map
from msgspec import Raw

from pointsman.discovery import text

K = TypeVar("K")
V = TypeVar("V")

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


class HealthCheck(msgspec.Struct, frozen=True, gc=False):
    """What Mesos checks of a task (HealthCheck in ``include/mesos/v1/mesos.proto``)."""

    type: str = ""
    """``COMMAND``, ``HTTP``, ``TCP``, or empty."""
    port: int = 0
    """Inside the task's own network."""
    path: str = ""
    scheme: str = "http"
    delay: float = 0.0
    """Seconds, as are these: until the first check,"""
    grace: float = 0.0
    """in which failures are ignored,"""
    interval: float = 0.0
    """from one to the next, and 0 where nothing is said."""
    timeout: float = 0.0
    failures: int = 0
    """In a row until the task is killed; 0 for never."""


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
    health_check: HealthCheck | None = None
    """What that check is."""
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
    network: str = "host"
    """``host``, ``bridge`` or ``container`` (a network of its own)."""
    networks: tuple[str, ...] = ()
    """Names of the networks that its container is on."""
    grace: float = 0.0
    """Seconds from being asked to end until it is killed; 0 when the master doesn't say."""

    @property
    def key(self) -> TaskKey:
        """What tells this task from all others."""
        return self.framework_id, self.id


NULL = Raw(b"null")


class Told(msgspec.Struct, frozen=True, gc=False, rename={"agent_id": "slave_id"}):
    """What a master told of a task: who it is, decoded, and what else it said, as JSON.

    Most of a state is the same as at the reading before, and most of a stream is about other
    members, so they are decoded where a view is derived (``details.task``). Each may be in the
    form of ``/state`` or of the operator API; ``NULL`` where the master said nothing.
    """

    id: str
    name: str
    framework_id: str
    agent_id: str
    state: str
    """``TASK_RUNNING`` and so on; never one of ``ENDED`` in a Cluster."""
    resources: Raw = NULL
    statuses: Raw = NULL
    """The last update of each state, in the order in which they came."""
    labels: Raw = NULL
    discovery: Raw = NULL
    container: Raw = NULL
    health_check: Raw = NULL
    kill_policy: Raw = NULL

    @property
    def key(self) -> TaskKey:
        """What tells this task from all others."""
        return self.framework_id, self.id

    def alone(self) -> "Told":
        """Return the same without the document around it that its JSON is a view of."""
        return Told(
            self.id, self.name, self.framework_id, self.agent_id, self.state,
            self.resources.copy(), self.statuses.copy(), self.labels.copy(),
            self.discovery.copy(), self.container.copy(), self.health_check.copy(),
            self.kill_policy.copy(),
        )  # fmt: skip


ENDED = frozenset({
    "TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED",
    "TASK_GONE", "TASK_GONE_BY_OPERATOR", "TASK_UNREACHABLE", "TASK_UNKNOWN",
})  # fmt: skip
"""States in which a task serves nobody; a master lists it until its framework has been told."""


class Agent(msgspec.Struct, frozen=True, gc=False):
    """A Mesos agent."""

    id: str
    address: str
    """IP address."""
    port: int
    hostname: str = ""
    attributes: Labels = ()
    """By name, as text."""
    region: str = ""
    """Of its fault domain; empty when it has none."""
    zone: str = ""


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
    """All that is known of a cluster at one moment; a change makes a new one that shares the rest.

    A task may be there before its agent or its framework is.
    """

    leader: Master | None = None
    elected: float = 0.0
    """When the leader was elected, in seconds since 1970 by its clock; 0 when it doesn't say."""
    recovering: frozenset[str] = frozenset()
    """Ids of agents of the leader's registry that have not come back to it yet."""
    masters: tuple[Master, ...] = ()
    """As configured or elected, in order; may lack the leader."""
    agents: Map[str, Agent] = Map()
    frameworks: Map[str, Framework] = Map()
    tasks: Map[TaskKey, Told] = Map()
    notes: tuple[Note, ...] = ()


class Change(msgspec.Struct, frozen=True, gc=False):
    """Which parts of a Cluster differ from those of the one before."""

    tasks: frozenset[TaskKey] = frozenset()
    agents: frozenset[str] = frozenset()
    frameworks: frozenset[str] = frozenset()
    rest: bool = False
    """The leader, the masters or the notes."""

    def __or__(self, other: "Change") -> "Change":
        """Return what differs after both."""
        return Change(
            self.tasks | other.tasks,
            self.agents | other.agents,
            self.frameworks | other.frameworks,
            self.rest or other.rest,
        )

    def __bool__(self) -> bool:
        """Tell whether anything differs."""
        return bool(self.tasks or self.agents or self.frameworks or self.rest)

    def __str__(self) -> str:
        return (
            f"{len(self.tasks)} tasks, {len(self.agents)} agents, {len(self.frameworks)} frameworks"
        )


def difference(before: Cluster, after: Cluster) -> Change:
    """Return which parts differ; what both share costs next to nothing."""
    return Change(
        _differing(before.tasks, after.tasks),
        _differing(before.agents, after.agents),
        _differing(before.frameworks, after.frameworks),
        (before.leader, before.elected, before.recovering, before.masters, before.notes)
        != (after.leader, after.elected, after.recovering, after.masters, after.notes),
    )


def _differing(before: Map[K, V], after: Map[K, V]) -> frozenset[K]:
    if before is after:
        return frozenset()
    found = {key for key, value in after.items() if before.get(key) is not value}
    found = {key for key in found if before.get(key) != after[key]}
    found.update(key for key in before if key not in after)
    return frozenset(found)

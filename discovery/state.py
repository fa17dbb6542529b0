"""From the body of a master's ``/state`` to a Cluster.

The shapes below name only the fields that are used; msgspec skips all others at little cost. Every
field that Mesos may omit has a default (Mesos 1.11 ``src/master/readonly_handler.cpp`` and
``src/common/http.cpp``).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

import msgspec

from pointsman.discovery import text
from pointsman.discovery.errors import Transient
from pointsman.discovery.model import (
    Agent,
    Cluster,
    Discovery,
    Framework,
    Labels,
    Master,
    Note,
    Port,
    PortMapping,
    Task,
    TaskKey,
)

T = TypeVar("T")


class _Label(msgspec.Struct, frozen=True, gc=False):
    key: str
    value: str = ""


class _Labels(msgspec.Struct, frozen=True, gc=False):
    labels: tuple[_Label, ...] = ()


class _IpAddress(msgspec.Struct, frozen=True, gc=False):
    ip_address: str = ""


class _PortMapping(msgspec.Struct, frozen=True, gc=False):
    host_port: int = 0
    container_port: int = 0
    protocol: str = "tcp"


class _NetworkInfo(msgspec.Struct, frozen=True, gc=False):
    ip_addresses: tuple[_IpAddress, ...] = ()
    ip_address: str | None = None  # before Mesos 0.26
    port_mappings: tuple[_PortMapping, ...] = ()


class _ContainerStatus(msgspec.Struct, frozen=True, gc=False):
    network_infos: tuple[_NetworkInfo, ...] = ()


class _Status(msgspec.Struct, frozen=True, gc=False):
    state: str = ""
    timestamp: float = 0.0
    healthy: bool | None = None
    labels: tuple[_Label, ...] = ()
    container_status: _ContainerStatus | None = None


class _DiscoveryPort(msgspec.Struct, frozen=True, gc=False):
    number: int
    name: str | None = None
    protocol: str | None = None
    labels: _Labels = _Labels()


class _DiscoveryPorts(msgspec.Struct, frozen=True, gc=False):
    ports: tuple[_DiscoveryPort, ...] = ()


class _Discovery(msgspec.Struct, frozen=True, gc=False):
    name: str | None = None
    ports: _DiscoveryPorts = _DiscoveryPorts()


class _Docker(msgspec.Struct, frozen=True, gc=False):
    port_mappings: tuple[_PortMapping, ...] = ()


class _Container(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    docker: _Docker | None = None
    network_infos: tuple[_NetworkInfo, ...] = ()


class _Resources(msgspec.Struct, frozen=True, gc=False):
    ports: str = ""


class _Present(msgspec.Struct, frozen=True, gc=False):
    """Something of which only the presence counts."""


class _Task(msgspec.Struct, frozen=True, gc=False):
    id: str
    name: str
    slave_id: str
    state: str
    resources: _Resources = _Resources()
    statuses: tuple[_Status, ...] = ()
    labels: tuple[_Label, ...] = ()
    discovery: _Discovery | None = None
    container: _Container | None = None
    health_check: _Present | None = None


class _Agent(msgspec.Struct, frozen=True, gc=False):
    id: str
    pid: str | None = None
    hostname: str | None = None


class _Framework(msgspec.Struct, Generic[T], frozen=True, gc=False):
    id: str
    name: str
    pid: str | None = None
    hostname: str | None = None
    active: bool = True
    tasks: tuple[T, ...] = ()


class _State(msgspec.Struct, Generic[T], frozen=True, gc=False):
    leader: str | None = None
    elected_time: float | None = None
    frameworks: tuple[_Framework[T], ...] = ()
    slaves: tuple[_Agent, ...] = ()
    recovered_slaves: tuple[_Present, ...] = ()


class _Parts(msgspec.Struct, frozen=True, gc=False):
    """The same with its members still undecoded, for a state in which one of them is bad."""

    leader: str | None = None
    elected_time: float | None = None
    frameworks: tuple[msgspec.Raw, ...] = ()
    slaves: tuple[msgspec.Raw, ...] = ()
    recovered_slaves: tuple[_Present, ...] = ()


BAD_MEMBER = (msgspec.ValidationError, UnicodeDecodeError)
"""What decoding raises for a member of the wrong shape, or with text that isn't UTF-8."""

_whole = msgspec.json.Decoder(_State[_Task])
_parts = msgspec.json.Decoder(_Parts)
_framework = msgspec.json.Decoder(_Framework[msgspec.Raw])
_agent = msgspec.json.Decoder(_Agent)
_task = msgspec.json.Decoder(_Task)


def read(body: bytes, masters: tuple[Master, ...] = ()) -> Cluster:
    """Return what a master's ``/state`` says; ``masters`` are those configured.

    A member of the wrong shape, or one that can't be placed, is left out with a note.
    Raises Transient when the body is cut short, is no state, or names no leader.
    """
    notes: list[Note] = []
    try:
        try:
            state = _whole.decode(body)
        except BAD_MEMBER:
            state = _piecewise(body, notes)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Transient(f"the state of {len(body)} bytes can't be read: {error}") from error
    address, port = text.pid(state.leader)
    if not text.ip(address):
        raise Transient(f"the state names no leader: {state.leader!r}")
    agents = {a.id: a for a in _agents(state.slaves, notes)}
    return Cluster(
        leader=Master(text.ip(address), port),
        elected=state.elected_time or 0.0,
        recovering=len(state.recovered_slaves),
        masters=masters,
        agents=agents,
        frameworks={f.id: _to_framework(f) for f in state.frameworks},
        tasks=_tasks(state.frameworks, agents, notes),
        notes=tuple(sorted(notes)),
    )


def _piecewise(body: bytes, notes: list[Note]) -> _State[_Task]:
    """Decode each member by itself and leave out those of the wrong shape."""
    parts = _parts.decode(body)
    frameworks = []
    for framework in _good(parts.frameworks, "framework", _framework.decode, notes):
        where = f"task of {framework.name}"
        tasks = tuple(_good(framework.tasks, where, _task.decode, notes))
        frameworks.append(
            _Framework(
                framework.id,
                framework.name,
                framework.pid,
                framework.hostname,
                framework.active,
                tasks,
            )
        )
    slaves = tuple(_good(parts.slaves, "agent", _agent.decode, notes))
    return _State(
        parts.leader, parts.elected_time, tuple(frameworks), slaves, parts.recovered_slaves
    )


def _good(
    members: Iterable[msgspec.Raw],
    where: str,
    decode: Callable[[msgspec.Raw], T],
    notes: list[Note],
) -> Iterator[T]:
    for number, member in enumerate(members, 1):
        try:
            yield decode(member)
        except BAD_MEMBER as error:
            notes.append(Note(f"{where}, the {number}. listed", str(error)))


def _agents(listed: Iterable[_Agent], notes: list[Note]) -> Iterator[Agent]:
    for agent in listed:
        host, port = text.pid(agent.pid)
        address = text.ip(host) or text.ip(agent.hostname or "")
        if address:
            yield Agent(agent.id, address, port, agent.hostname or "")
        else:
            notes.append(Note(f"agent {agent.id}", f"no IP address in its pid {agent.pid!r}"))


def _to_framework(framework: _Framework[_Task]) -> Framework:
    host, port = text.pid(framework.pid)
    address = text.ip(host) or text.ip(framework.hostname or "")
    return Framework(framework.id, framework.name, address, port, framework.active)


def _tasks(
    frameworks: Iterable[_Framework[_Task]], agents: dict[str, Agent], notes: list[Note]
) -> dict[TaskKey, Task]:
    tasks: dict[TaskKey, Task] = {}
    for framework in frameworks:
        for task in framework.tasks:
            agent = agents.get(task.slave_id)
            where = f"task {task.id} of {framework.name}"
            if agent is None:
                notes.append(Note(where, f"its agent {task.slave_id} is not known"))
                continue
            try:
                tasks[framework.id, task.id] = _to_task(task, framework, agent)
            except ValueError as error:
                notes.append(Note(where, str(error)))
    return tasks


def _to_task(task: _Task, framework: _Framework[_Task], agent: Agent) -> Task:
    running = [s for s in task.statuses if s.state == "TASK_RUNNING"]
    newest = max(running or task.statuses, key=lambda s: s.timestamp, default=_Status())
    labels = {label.key: label.value for label in newest.labels}
    return Task(
        id=task.id,
        name=task.name,
        framework_id=framework.id,
        framework=framework.name,
        agent_id=agent.id,
        agent=agent.address,
        state=task.state,
        healthy=newest.healthy,
        checked=task.health_check is not None,
        addresses=_addresses(newest),
        docker_address=text.ip(labels.get("Docker.NetworkSettings.IPAddress", "")),
        mesos_address=text.ip(labels.get("MesosContainerizer.NetworkSettings.IPAddress", "")),
        ports=text.ports(task.resources.ports) if task.resources.ports else (),
        discovery=_to_discovery(task.discovery),
        labels=_pairs(task.labels),
        mappings=_mappings(task.container, newest),
        runtime=task.container.type if task.container else "",
    )


def _addresses(status: _Status) -> tuple[str, ...]:
    if status.container_status is None:
        return ()
    found: list[str] = []
    for network in status.container_status.network_infos:
        listed = [a.ip_address for a in network.ip_addresses] or [network.ip_address or ""]
        found.extend(filter(None, map(text.ip, listed)))
    return tuple(dict.fromkeys(found))


def _mappings(container: _Container | None, status: _Status) -> tuple[PortMapping, ...]:
    """Return the port mappings of the container, else those that its status tells (pods)."""
    listed: Iterable[_PortMapping]
    if container is not None and container.type == "DOCKER":
        listed = container.docker.port_mappings if container.docker else ()
    else:
        networks = container.network_infos if container else ()
        listed = [m for n in networks for m in n.port_mappings]
        if not listed and status.container_status is not None:
            listed = [m for n in status.container_status.network_infos for m in n.port_mappings]
    return tuple(PortMapping(m.host_port, m.container_port, m.protocol.lower()) for m in listed)


def _to_discovery(discovery: _Discovery | None) -> Discovery | None:
    if discovery is None:
        return None
    ports = (
        Port(p.number, p.name or "", p.protocol or "", _pairs(p.labels.labels))
        for p in discovery.ports.ports
    )
    return Discovery(discovery.name or "", tuple(ports))


def _pairs(labels: Iterable[_Label]) -> Labels:
    return tuple((label.key, label.value) for label in labels)

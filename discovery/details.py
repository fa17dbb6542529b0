"""From what a master told of a task to the Task: decodes the members of a ``Told``.

Mesos writes most members alike in ``/state`` (v0) and in the operator API (v1); where they differ,
the JSON's own type tells which it is, so one set of shapes reads both (Mesos 1.11
``src/common/http.cpp`` and ``include/mesos/v1/mesos.proto``). Every field that Mesos may omit has a
default.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TypeAlias

import msgspec
from msgspec import Raw

from pointsman.discovery import text
from pointsman.discovery.model import (
    Cluster,
    Discovery,
    HealthCheck,
    Labels,
    Port,
    PortMapping,
    Task,
    Told,
)


class _Label(msgspec.Struct, frozen=True, gc=False):
    key: str
    value: str = ""


class _LabelList(msgspec.Struct, frozen=True, gc=False):
    labels: tuple[_Label, ...] = ()


_Labels: TypeAlias = tuple[_Label, ...] | _LabelList | None


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
    name: str = ""


class _ContainerStatus(msgspec.Struct, frozen=True, gc=False):
    network_infos: tuple[_NetworkInfo, ...] = ()


class _Status(msgspec.Struct, frozen=True, gc=False):
    state: str = ""
    timestamp: float = 0.0
    healthy: bool | None = None
    labels: _Labels = None
    container_status: _ContainerStatus = _ContainerStatus()


class _DiscoveryPort(msgspec.Struct, frozen=True, gc=False):
    number: int
    name: str | None = None
    protocol: str | None = None
    labels: _Labels = None


class _DiscoveryPorts(msgspec.Struct, frozen=True, gc=False):
    ports: tuple[_DiscoveryPort, ...] = ()


class _Discovery(msgspec.Struct, frozen=True, gc=False):
    name: str | None = None
    ports: _DiscoveryPorts = _DiscoveryPorts()


class _Docker(msgspec.Struct, frozen=True, gc=False):
    network: str = "HOST"
    port_mappings: tuple[_PortMapping, ...] = ()


class _Container(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    docker: _Docker = _Docker()
    network_infos: tuple[_NetworkInfo, ...] = ()


class _Range(msgspec.Struct, frozen=True, gc=False):
    begin: int
    end: int


class _Ranges(msgspec.Struct, frozen=True, gc=False):
    range: tuple[_Range, ...] = ()


class _Scalar(msgspec.Struct, frozen=True, gc=False):
    value: float = 0.0


class _Resource(msgspec.Struct, frozen=True, gc=False):
    """A resource of v1; a task may have several of one name (by role)."""

    name: str = ""
    ranges: _Ranges = _Ranges()
    scalar: _Scalar | None = None


class _Resources(msgspec.Struct, frozen=True, gc=False):
    """The resources of v0."""

    ports: str | float = ""


class _Duration(msgspec.Struct, frozen=True, gc=False):
    nanoseconds: int = 0


class _KillPolicy(msgspec.Struct, frozen=True, gc=False):
    grace_period: _Duration = _Duration()


class _HealthCheckAt(msgspec.Struct, frozen=True, gc=False):
    port: int = 0
    path: str = ""
    scheme: str = "http"


class _HealthCheck(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    http: _HealthCheckAt | None = None
    tcp: _HealthCheckAt | None = None
    delay_seconds: float = 0.0
    grace_period_seconds: float = 0.0
    interval_seconds: float = 0.0
    timeout_seconds: float = 0.0
    consecutive_failures: int = 0


_resources = msgspec.json.Decoder(_Resources | tuple[_Resource, ...] | None)
_statuses = msgspec.json.Decoder(tuple[_Status, ...] | None)
_labels = msgspec.json.Decoder(_Labels)
_discovery = msgspec.json.Decoder(_Discovery | None)
_container = msgspec.json.Decoder(_Container | None)
_health_check = msgspec.json.Decoder(_HealthCheck | None)
_kill_policy = msgspec.json.Decoder(_KillPolicy | None)
_status_list = msgspec.json.Decoder(tuple[Raw, ...] | None)


class _State(msgspec.Struct, frozen=True, gc=False):
    state: str = ""


_state = msgspec.json.Decoder(_State)


def task(told: Told, framework: str, agent: str) -> Task:
    """Return the Task, of the framework of this name, on the agent at this address.

    Raises ValueError, with a reason for people, when something of it is of the wrong shape.
    """
    where = "resources"
    try:
        ports = _ports(_resources.decode(told.resources))
        where = "statuses"
        newest = _newest(_statuses.decode(told.statuses) or ())
        where = "labels"
        labels = _pairs(_labels.decode(told.labels))
        where = "discovery"
        discovery = _to_discovery(_discovery.decode(told.discovery))
        where = "container"
        container = _container.decode(told.container)
        where = "health_check"
        health_check = _to_health_check(_health_check.decode(told.health_check))
        where = "kill_policy"
        killed = _kill_policy.decode(told.kill_policy) or _KillPolicy()
    except (msgspec.DecodeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error
    addresses = _addresses(newest)
    said = dict(_pairs(newest.labels))
    return Task(
        id=told.id,
        name=told.name,
        framework_id=told.framework_id,
        framework=framework,
        agent_id=told.agent_id,
        agent=agent,
        state=told.state,
        healthy=newest.healthy,
        checked=health_check is not None,
        health_check=health_check,
        addresses=addresses,
        docker_address=text.ip(said.get("Docker.NetworkSettings.IPAddress", "")),
        mesos_address=text.ip(said.get("MesosContainerizer.NetworkSettings.IPAddress", "")),
        ports=ports,
        discovery=discovery,
        labels=labels,
        mappings=_mappings(container, newest),
        runtime=container.type if container else "",
        network=_network(container, addresses, agent),
        networks=_networks(container, newest),
        grace=killed.grace_period.nanoseconds / 1e9,
    )


def tasks(cluster: Cluster) -> Iterator[Task]:
    """Yield the tasks that have a place and can be read, in no order."""
    for told in cluster.tasks.values():
        framework = cluster.frameworks.get(told.framework_id)
        agent = cluster.agents.get(told.agent_id)
        if framework is not None and agent is not None:
            with suppress(ValueError):
                yield task(told, framework.name, agent.address)


def updated(told: Told, state: str, status: Raw) -> Told:
    """Return the task after a status update: what a master itself makes of it.

    ``state`` is the latest that its agent knows; the status may be an older one, which is the
    last that was acknowledged. The last status of a state replaces the one before (Mesos
    ``Master::updateTask``). Raises msgspec.DecodeError when the status is none.
    """
    new = _state.decode(status).state
    statuses: list[Raw] = list(_status_list.decode(told.statuses) or ())
    if statuses and _state.decode(statuses[-1]).state == new:
        statuses.pop()
    statuses.append(status)
    joined = Raw(b"[" + b",".join(map(bytes, statuses)) + b"]")
    return msgspec.structs.replace(told, state=state, statuses=joined)


def settled(told: Told) -> bool:
    """Tell whether the last status is of the state that the task is in.

    Where it isn't, the status of that state comes without an event, as the state is no new one
    then; only asking the master tells of it.
    """
    try:
        statuses = _status_list.decode(told.statuses)
        return not statuses or _state.decode(statuses[-1]).state == told.state
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True  # and a note says what is wrong with it


def _newest(statuses: Iterable[_Status]) -> _Status:
    running = [s for s in statuses if s.state == "TASK_RUNNING"]
    return max(running or statuses, key=lambda s: s.timestamp, default=_Status())


def _ports(resources: _Resources | tuple[_Resource, ...] | None) -> tuple[int, ...]:
    if resources is None:
        return ()
    if isinstance(resources, _Resources):
        return text.ports(str(resources.ports)) if resources.ports else ()
    numbers: list[int] = []
    for resource in resources:
        if resource.name == "ports":
            for one in resource.ranges.range:
                numbers.extend(text.port_range(one.begin, one.end))
            if resource.scalar is not None:
                numbers.append(int(resource.scalar.value))
    return tuple(numbers)


def _addresses(status: _Status) -> tuple[str, ...]:
    found: list[str] = []
    for network in status.container_status.network_infos:
        listed = [a.ip_address for a in network.ip_addresses] or [network.ip_address or ""]
        found.extend(filter(None, map(text.ip, listed)))
    return tuple(dict.fromkeys(found))


def _mappings(container: _Container | None, status: _Status) -> tuple[PortMapping, ...]:
    """Return the port mappings of the container, else those that its status tells (pods)."""
    listed: Iterable[_PortMapping]
    if container is not None and container.type == "DOCKER":
        listed = container.docker.port_mappings
    else:
        networks = container.network_infos if container else ()
        listed = [m for n in networks for m in n.port_mappings]
        if not listed:
            listed = [m for n in status.container_status.network_infos for m in n.port_mappings]
    return tuple(PortMapping(m.host_port, m.container_port, m.protocol.lower()) for m in listed)


def _network(container: _Container | None, addresses: tuple[str, ...], agent: str) -> str:
    if container is not None and container.type == "DOCKER":
        mode = container.docker.network.lower()
        return mode if mode in ("host", "bridge") else "container"
    joined = container is not None and bool(container.network_infos)
    return "container" if joined or not set(addresses) <= {agent} else "host"


def _networks(container: _Container | None, status: _Status) -> tuple[str, ...]:
    own = container.network_infos if container else ()
    infos = (*own, *status.container_status.network_infos)
    return tuple(dict.fromkeys(info.name for info in infos if info.name))


def _to_health_check(told: _HealthCheck | None) -> HealthCheck | None:
    if told is None:
        return None
    at = told.http or told.tcp or _HealthCheckAt()
    return HealthCheck(
        told.type, at.port, at.path, at.scheme,
        told.delay_seconds, told.grace_period_seconds, told.interval_seconds,
        told.timeout_seconds, told.consecutive_failures,
    )  # fmt: skip


def _to_discovery(discovery: _Discovery | None) -> Discovery | None:
    if discovery is None:
        return None
    ports = (
        Port(p.number, p.name or "", p.protocol or "", _pairs(p.labels))
        for p in discovery.ports.ports
    )
    return Discovery(discovery.name or "", tuple(ports))


def _pairs(labels: _Labels) -> Labels:
    listed = labels.labels if isinstance(labels, _LabelList) else labels or ()
    return tuple((label.key, label.value) for label in listed)

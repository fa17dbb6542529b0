"""The ports of a task and the VIPs that each asks for.

Three sources are merged where protocol and either port agree: port mappings of the container, the
task's ``VIP_PORT<i>`` labels, and the ports of its DiscoveryInfo. Options of a VIP stand beside
it: ``VIP_0_SCHEDULER`` says how ``VIP_0`` is balanced.
"""

from collections.abc import Iterable, Iterator

import msgspec

from pointsman.discovery.model import Labels, Note, Port, Task
from pointsman.discovery.text import MOST_PORTS
from pointsman.vip import labels, policy
from pointsman.vip.model import Protocol

_PROTOCOLS = {str(p): p for p in Protocol}


class Asked(msgspec.Struct, frozen=True, gc=False, order=True):
    """A VIP that a port asks for, and how it wants it balanced."""

    label: labels.Label
    said: policy.Said = ()
    check: str = ""
    """How it wants to be checked, as its label says it; empty for nothing said."""


class TaskPort(msgspec.Struct, frozen=True, gc=False):
    """A port of a task: of its container, of its host, or both."""

    protocol: Protocol
    port: int = 0
    """Of the container; 0 when it isn't known."""
    host_port: int = 0
    """Of the agent; 0 when there is none."""
    vips: tuple[Asked, ...] = ()

    def same(self, other: "TaskPort") -> bool:
        """Tell whether both speak of one port."""
        return self.protocol == other.protocol and (
            (self.port == other.port != 0) or (self.host_port == other.host_port != 0)
        )

    def with_(self, other: "TaskPort") -> "TaskPort":
        """Return what both say together."""
        return TaskPort(
            self.protocol,
            self.port or other.port,
            self.host_port or other.host_port,
            _united((*self.vips, *other.vips)),
        )


def task_ports(task: Task) -> tuple[tuple[TaskPort, ...], tuple[Note, ...]]:
    """Return the ports of a task, and notes of what makes no sense."""
    notes: list[Note] = []
    found: list[TaskPort] = []
    for port in (*_mapped(task, notes), *_labelled(task, notes), *_discovered(task, notes)):
        _merge(found, port)
    if on_host_network(task):
        # There a port of the container is a port of the host.
        flat: list[TaskPort] = []
        for port in found:
            _merge(flat, TaskPort(port.protocol, port.host_port or port.port, 0, port.vips))
        found = flat
    return tuple(found), tuple(notes)


def on_host_network(task: Task) -> bool:
    """Tell whether the task shares its agent's address."""
    return task.addresses in ((), (task.agent,))


def _merge(found: list[TaskPort], port: TaskPort) -> None:
    for at, known in enumerate(found):
        if known.same(port):
            found[at] = known.with_(port)
            return
    found.append(port)


def _mapped(task: Task, notes: list[Note]) -> Iterator[TaskPort]:
    for mapping in task.mappings:
        if mapping.protocol not in _PROTOCOLS:
            continue
        inner, outer = mapping.container_port, mapping.host_port
        if not (0 <= inner < MOST_PORTS and 0 <= outer < MOST_PORTS):
            # Mesos lets frameworks write what they like.
            notes.append(_note(task, f"port mapping {outer} to {inner} has what is no port"))
            continue
        yield TaskPort(_PROTOCOLS[mapping.protocol], inner, outer)


def _labelled(task: Task, notes: list[Note]) -> Iterator[TaskPort]:
    for key, value in task.labels:
        index = key.upper().removeprefix(labels.TASK_LABEL)
        if index == key.upper() or not (index.isascii() and index.isdigit()):
            continue
        try:
            name, label = labels.parse_with_protocol(value)
            protocol = _protocol(name)
            if int(index) >= len(task.ports):
                raise ValueError(f"the task has {len(task.ports)} host ports")
        except ValueError as error:
            notes.append(_note(task, f"label {key}: {error}"))
        else:
            asked = _asked(task, label, key, task.labels, "", notes)
            yield TaskPort(protocol, 0, task.ports[int(index)], (asked,))


def _discovered(task: Task, notes: list[Note]) -> Iterator[TaskPort]:
    for port in task.discovery.ports if task.discovery else ():
        vips = _united(_vips(task, port, notes))
        if not 0 < port.number < MOST_PORTS:
            if vips:
                notes.append(_note(task, f"port {port.number} of its discovery is no port"))
            continue
        scope = next((value for key, value in port.labels if key == "network-scope"), "")
        if scope not in ("", "host", "container"):
            notes.append(_note(task, f"port {port.number}: network-scope {scope!r} is unknown"))
            continue
        for name in (port.protocol or "tcp").lower().split(","):
            try:
                protocol = _protocol(name.strip())
            except ValueError as error:
                if vips:
                    notes.append(_note(task, f"port {port.number}: {error}"))
                continue
            if scope == "host":
                yield TaskPort(protocol, 0, port.number, vips)
            else:
                yield TaskPort(protocol, port.number, 0, vips)


def _vips(task: Task, port: Port, notes: list[Note]) -> Iterator[Asked]:
    where = f"port {port.number}: "
    keys = {key for key, _ in port.labels}
    for key, value in port.labels:
        if not key.startswith((labels.PORT_LABEL, labels.PORT_LABEL.lower())):
            continue
        if labels.option(key, keys):
            continue
        try:
            label = labels.parse(value)
        except ValueError as error:
            notes.append(_note(task, f"{where}label {key}: {error}"))
        else:
            yield _asked(task, label, key, port.labels, where, notes)


def _asked(
    task: Task, label: labels.Label, vip: str, listed: Labels, where: str, notes: list[Note]
) -> Asked:
    """Return the VIP with what labels beside its own say of it."""
    found: dict[str, int | float | str] = {}
    check = ""
    for key, value in listed:
        option = labels.option(key, (vip,))
        if option == labels.HEALTHCHECK:
            check = value
        elif option is not None:
            try:
                found.update(policy.read(option, value))
            except ValueError as error:
                notes.append(_note(task, f"{where}label {key}: {error}"))
    return Asked(label, tuple(sorted(found.items())), check)


def _united(vips: Iterable[Asked]) -> tuple[Asked, ...]:
    """Return each VIP once, sorted; of one that is asked for twice what says more."""
    found: dict[labels.Label, Asked] = {}
    for one in sorted(vips):
        found[one.label] = one
    return tuple(found[label] for label in sorted(found))


def _protocol(name: str) -> Protocol:
    if name not in _PROTOCOLS:
        raise ValueError(f"protocol {name!r} is none of {', '.join(_PROTOCOLS)}")
    return _PROTOCOLS[name]


def _note(task: Task, why: str) -> Note:
    return Note(f"task {task.id} of {task.framework}", why)

"""From tasks to the virtual servers that the kernel should have."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from pointsman.discovery import mangle
from pointsman.discovery.model import Note, Task
from pointsman.healthcheck.verdict import Verdict, verdict
from pointsman.vip.addresses import Range, assign
from pointsman.vip.model import Endpoint, Key, RealServer, Settings, Table, VirtualServer
from pointsman.vip.ports import TaskPort, task_ports

WEIGHTS = {Verdict.LIVE: 1, Verdict.DRAINING: 0}
"""A verdict that isn't here has no real server."""


class Vip(msgspec.Struct, frozen=True, gc=False, order=True):
    """A virtual server as labels name it."""

    protocol: int
    name: str
    """``web.marathon``; empty for an address."""
    address: str
    """Empty for a name."""
    port: int


class Backend(msgspec.Struct, frozen=True, gc=False, order=True):
    """A task's port as a real server of a VIP."""

    vip: Vip
    endpoint: Endpoint
    weight: int
    agent: str
    framework_id: str
    task_id: str


class Wanted(msgspec.Struct, frozen=True):
    """The table that the kernel should have, and what it is made of."""

    table: Table = {}
    names: Mapping[str, tuple[str, ...]] = {}
    """Addresses, IPv4 first, by name without its domain (``web.marathon``)."""
    backends: Mapping[Key, tuple[Backend, ...]] = {}
    notes: tuple[Note, ...] = ()


def backends(task: Task) -> tuple[tuple[Backend, ...], tuple[Note, ...]]:
    """Return what a task puts behind VIPs, sorted, and notes of what makes no sense."""
    weight = WEIGHTS.get(verdict(task))
    ports, notes = task_ports(task)
    if weight is None or not any(port.vips for port in ports):
        return (), notes
    framework = mangle.fragment(task.framework)
    found = set()
    for port in ports:
        for label in port.vips:
            if label.name and not framework:
                why = f"VIP {label.name} has no name: nothing of the framework's can stand in one"
                notes = (*notes, Note(f"task {task.id} of {task.framework}", why))
                continue
            name = f"{label.name}.{framework}" if label.name else ""
            vip = Vip(port.protocol, name, label.address, label.port)
            for endpoint in _endpoints(task, port):
                if not label.address or _family(label.address) == _family(endpoint.address):
                    found.add(
                        Backend(vip, endpoint, weight, task.agent, task.framework_id, task.id)
                    )
    return tuple(sorted(found)), notes


def wanted(found: Iterable[Backend], ranges: tuple[Range, ...], settings: Settings) -> Wanted:
    """Return the table for all backends; each family needs its range, else it has no names."""
    found = sorted(found)
    assigned: dict[int, dict[str, str]] = {}
    for range_ in ranges:
        family = range_.family
        names = {b.vip.name for b in found if b.vip.name and _family(b.endpoint.address) == family}
        assigned[family] = assign(names, range_)
    members: dict[Key, list[Backend]] = defaultdict(list)
    notes: set[Note] = set()
    for backend in found:
        vip, family = backend.vip, _family(backend.endpoint.address)
        address = vip.address or assigned.get(family, {}).get(vip.name, "")
        if address:
            members[Key(vip.protocol, address, vip.port)].append(backend)
        elif family in assigned:
            range_ = next(r for r in ranges if r.family == family)
            notes.add(Note(f"VIP {vip.name}", f"no address is left in the range {range_}"))
    return Wanted(
        table={key: VirtualServer(settings, _reals(members[key])) for key in sorted(members)},
        names={
            name: tuple(assigned[f][name] for f in (4, 6) if name in assigned.get(f, {}))
            for name in sorted(set().union(*assigned.values()))
        },
        backends={key: tuple(members[key]) for key in sorted(members)},
        notes=tuple(sorted(notes)),
    )


def _reals(found: Iterable[Backend]) -> dict[Endpoint, RealServer]:
    """Return the real servers; where two tasks claim one endpoint, a live one counts."""
    weights: dict[Endpoint, int] = {}
    for backend in found:
        weights[backend.endpoint] = max(backend.weight, weights.get(backend.endpoint, 0))
    return {endpoint: RealServer(weight) for endpoint, weight in weights.items()}


def _endpoints(task: Task, port: TaskPort) -> tuple[Endpoint, ...]:
    if port.host_port:
        return (Endpoint(task.agent, port.host_port),)
    return tuple(Endpoint(address, port.port) for address in task.addresses or (task.agent,))


def _family(address: str) -> int:
    return 6 if ":" in address else 4

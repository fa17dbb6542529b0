"""Reads ``/state`` of a master or an agent (Mesos's v0 API), of any version since 0.20.

The shapes below name only the fields that are used; msgspec skips all others at little cost. Every
field that Mesos may omit has a default (Mesos 1.11 ``src/master/readonly_handler.cpp``,
``src/slave/http.cpp`` and ``src/common/http.cpp``).
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Generic, TypeVar

import msgspec
from immutables import Map
from msgspec import Raw

from pointsman.discovery import text
from pointsman.discovery.errors import Transient
from pointsman.discovery.listing import BAD_MEMBER, Listing, good
from pointsman.discovery.model import Agent, Framework, Labels, Master, Note, Told

T = TypeVar("T")


class _Name(msgspec.Struct, frozen=True, gc=False):
    name: str = ""


class _FaultDomain(msgspec.Struct, frozen=True, gc=False):
    region: _Name = _Name()
    zone: _Name = _Name()


class Domain(msgspec.Struct, frozen=True, gc=False):
    """Mesos's DomainInfo; the operator API writes it alike."""

    fault_domain: _FaultDomain = _FaultDomain()


class _Id(msgspec.Struct, frozen=True, gc=False):
    id: str = ""


class _Agent(msgspec.Struct, frozen=True, gc=False):
    id: str
    pid: str | None = None
    hostname: str | None = None
    attributes: dict[str, Any] = {}
    domain: Domain = Domain()


class _Executor(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """An agent lists its tasks below their executors."""

    tasks: tuple[T, ...] = ()


class _Framework(msgspec.Struct, Generic[T], frozen=True, gc=False):
    id: str
    name: str
    pid: str | None = None
    hostname: str | None = None
    active: bool = True
    tasks: tuple[T, ...] = ()
    executors: tuple[_Executor[T], ...] = ()


class _Head(msgspec.Struct, frozen=True, gc=False):
    """What a state says of who wrote it."""

    leader: str | None = None
    elected_time: float | None = None
    recovered_slaves: tuple[_Id, ...] = ()
    # These are an agent's own where it wrote the state.
    id: str = ""
    pid: str | None = None
    hostname: str | None = None
    attributes: dict[str, Any] = {}
    domain: Domain = Domain()


class _State(_Head, Generic[T], frozen=True, gc=False):
    """A state has one of these at least; a piece of a large one may have but one."""

    frameworks: tuple[_Framework[T], ...] | None = None
    slaves: tuple[_Agent, ...] | None = None
    tasks: tuple[T, ...] | None = None
    """Of ``/tasks``, and of a piece."""


class _Parts(_Head, frozen=True, gc=False):
    """The same with its members still undecoded, for a state in which one of them is bad."""

    frameworks: tuple[Raw, ...] | None = None
    slaves: tuple[Raw, ...] | None = None
    tasks: tuple[Raw, ...] | None = None


_whole = msgspec.json.Decoder(_State[Told])
_parts = msgspec.json.Decoder(_Parts)
_framework = msgspec.json.Decoder(_Framework[Raw])
_agent = msgspec.json.Decoder(_Agent)
_told = msgspec.json.Decoder(Told)


def read(document: bytes | Raw) -> Listing:
    """Return what a master's or an agent's ``/state`` lists, or a master's ``/tasks``.

    A member of the wrong shape, or one that can't be placed, is left out with a note.
    Raises Transient when the document is cut short or is no state.
    """
    notes: list[Note] = []
    try:
        try:
            state = _whole.decode(document)
        except BAD_MEMBER:
            state = _piecewise(document, notes)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Transient(f"the state of {len(document)} bytes can't be read: {error}") from error
    if state.frameworks is None and state.slaves is None and state.tasks is None:
        raise Transient(f"these {len(document)} bytes are no state")
    slaves, frameworks = state.slaves or (), state.frameworks or ()
    if (state.pid or "").startswith("slave("):
        own = _Agent(state.id, state.pid, state.hostname, state.attributes, state.domain)
        slaves = (*slaves, own)
    host, port = text.pid(state.leader)
    return Listing(
        leader=Master(text.ip(host), port) if text.ip(host) else None,
        elected=state.elected_time or 0.0,
        recovering=frozenset(slave.id for slave in state.recovered_slaves),
        agents=list(_agents(slaves, notes)),
        frameworks=[_to_framework(f) for f in frameworks],
        tasks=chain(
            state.tasks or (), *(f.tasks for f in frameworks), _below_executors(frameworks)
        ),
        notes=notes,
    )


def with_schedulers(frameworks: Map[str, Framework], document: bytes) -> Map[str, Framework]:
    """Return frameworks with the addresses of their schedulers, by a master's ``/state-summary``.

    Only the v0 API tells the pids of schedulers. Raises Transient.
    """
    for told in read(document).frameworks:
        known = frameworks.get(told.id)
        if known is not None and told.address:
            there = msgspec.structs.replace(known, address=told.address, port=told.port)
            frameworks = frameworks.set(told.id, there)
    return frameworks


def _below_executors(frameworks: Iterable[_Framework[Told]]) -> Iterator[Told]:
    for framework in frameworks:
        for executor in framework.executors:
            yield from executor.tasks


def _to_framework(framework: _Framework[Told]) -> Framework:
    pid, hostname = framework.pid, framework.hostname
    return to_framework(framework.id, framework.name, pid, hostname, framework.active)


def _piecewise(document: bytes | Raw, notes: list[Note]) -> _State[Told]:
    """Decode each member by itself and leave out those of the wrong shape."""
    parts = _parts.decode(document)
    frameworks = []
    for framework in good(parts.frameworks or (), "framework", _framework.decode, notes):
        where = f"task of {framework.name}"
        listed = chain(framework.tasks, *(e.tasks for e in framework.executors))
        tasks = tuple(good(listed, where, _told.decode, notes))
        head = (framework.id, framework.name, framework.pid, framework.hostname, framework.active)
        frameworks.append(_Framework[Told](*head, tasks))
    rest = {name: getattr(parts, name) for name in _Head.__struct_fields__}
    return _State[Told](
        **rest,
        frameworks=tuple(frameworks),
        slaves=tuple(good(parts.slaves or (), "agent", _agent.decode, notes)),
        tasks=tuple(good(parts.tasks or (), "task", _told.decode, notes)),
    )


def _agents(listed: Iterable[_Agent], notes: list[Note]) -> Iterator[Agent]:
    for agent in listed:
        attributes = tuple((name, _written(value)) for name, value in agent.attributes.items())
        yield from to_agent(agent.id, agent.pid, agent.hostname, attributes, agent.domain, notes)


def _written(value: Any) -> str:
    """Return an attribute's value as text; a number without a fraction that is nought."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def to_agent(
    id_: str,
    pid: str | None,
    hostname: str | None,
    attributes: Labels,
    domain: Domain,
    notes: list[Note],
) -> Iterator[Agent]:
    """Yield the agent, or leave a note where its address can't be known."""
    host, port = text.pid(pid)
    address = text.ip(host) or text.ip(hostname or "")
    if not address:
        notes.append(Note(f"agent {id_}", f"no IP address in its pid {pid!r}"))
        return
    fault = domain.fault_domain
    yield Agent(id_, address, port, hostname or "", attributes, fault.region.name, fault.zone.name)


def to_framework(
    id_: str, name: str, pid: str | None, hostname: str | None, active: bool
) -> Framework:
    """Return the framework; its address is that of its scheduler's pid, else of its host name."""
    host, port = text.pid(pid)
    address = text.ip(host) or text.ip(hostname or "")
    return Framework(id_, name, address, port, active)

"""Reads what a master says on its operator API (Mesos's v1 API, JSON).

Replies (``GET_STATE``, ``GET_MASTER``) and the records of a ``SUBSCRIBE`` stream, of which the
first holds a whole state and each further one an event (``include/mesos/v1/master/master.proto``).
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw

from pointsman.discovery import text
from pointsman.discovery.errors import Transient
from pointsman.discovery.listing import Listing, good
from pointsman.discovery.model import (
    NULL,
    Agent,
    Framework,
    Master,
    Note,
    TaskKey,
    Told,
)
from pointsman.discovery.v0 import Domain, to_agent, to_framework


class _Id(msgspec.Struct, frozen=True, gc=False):
    value: str


class _Task(msgspec.Struct, frozen=True, gc=False):
    name: str
    task_id: _Id
    framework_id: _Id
    agent_id: _Id
    state: str
    resources: Raw = NULL
    statuses: Raw = NULL
    labels: Raw = NULL
    discovery: Raw = NULL
    container: Raw = NULL
    health_check: Raw = NULL
    kill_policy: Raw = NULL


class _Attribute(msgspec.Struct, frozen=True, gc=False):
    name: str
    text: dict[str, Any] = {}
    scalar: dict[str, Any] = {}
    ranges: dict[str, Any] = {}
    set: dict[str, Any] = {}


class _AgentInfo(msgspec.Struct, frozen=True, gc=False):
    id: _Id
    hostname: str = ""
    port: int = 5051
    attributes: tuple[_Attribute, ...] = ()
    domain: Domain = Domain()


class _Agent(msgspec.Struct, frozen=True, gc=False):
    agent_info: _AgentInfo
    pid: str | None = None


class _FrameworkInfo(msgspec.Struct, frozen=True, gc=False):
    id: _Id
    name: str
    hostname: str = ""


class _Framework(msgspec.Struct, frozen=True, gc=False):
    framework_info: _FrameworkInfo
    active: bool = True


class _Tasks(msgspec.Struct, frozen=True, gc=False):
    tasks: tuple[Raw, ...] = ()
    launched_tasks: tuple[Raw, ...] = ()
    """An agent's."""


class _Frameworks(msgspec.Struct, frozen=True, gc=False):
    frameworks: tuple[Raw, ...] = ()


class _Agents(msgspec.Struct, frozen=True, gc=False):
    agents: tuple[Raw, ...] = ()
    recovered_agents: tuple[_AgentInfo, ...] = ()


class _State(msgspec.Struct, frozen=True, gc=False):
    """A master leaves empty lists out, as it likes, but none of these."""

    get_tasks: _Tasks
    get_frameworks: _Frameworks
    get_agents: _Agents


class _Subscribed(msgspec.Struct, frozen=True, gc=False):
    get_state: _State
    heartbeat_interval_seconds: float = 15.0


class _MasterInfo(msgspec.Struct, frozen=True, gc=False):
    pid: str | None = None


class _GetMaster(msgspec.Struct, frozen=True, gc=False):
    master_info: _MasterInfo = _MasterInfo()
    elected_time: float = 0.0


class _Status(msgspec.Struct, frozen=True, gc=False):
    task_id: _Id
    agent_id: _Id | None = None
    source: str = ""
    reason: str = ""
    timestamp: float = 0.0


class _TaskAdded(msgspec.Struct, frozen=True, gc=False):
    task: Raw


class _TaskUpdated(msgspec.Struct, frozen=True, gc=False):
    framework_id: _Id
    status: Raw
    state: str


class _AgentAdded(msgspec.Struct, frozen=True, gc=False):
    agent: Raw


class _AgentRemoved(msgspec.Struct, frozen=True, gc=False):
    agent_id: _Id


class _FrameworkChanged(msgspec.Struct, frozen=True, gc=False):
    framework: Raw


class _FrameworkRemoved(msgspec.Struct, frozen=True, gc=False):
    framework_info: _FrameworkInfo


class _Record(msgspec.Struct, frozen=True, gc=False):
    """A reply or an event: its member has the name of its type in lower case."""

    type: str
    get_state: _State | None = None
    get_master: _GetMaster | None = None
    subscribed: _Subscribed | None = None
    task_added: _TaskAdded | None = None
    task_updated: _TaskUpdated | None = None
    agent_added: _AgentAdded | None = None
    agent_removed: _AgentRemoved | None = None
    framework_added: _FrameworkChanged | None = None
    framework_updated: _FrameworkChanged | None = None
    framework_removed: _FrameworkRemoved | None = None


_record = msgspec.json.Decoder(_Record)
_task = msgspec.json.Decoder(_Task)
_agent = msgspec.json.Decoder(_Agent)
_framework = msgspec.json.Decoder(_Framework)
_status = msgspec.json.Decoder(_Status)


class Snapshot(msgspec.Struct, frozen=True):
    """The whole state, with which a stream begins."""

    listing: Listing
    heartbeat: float
    """Seconds between heartbeats."""


class TaskAdded(msgspec.Struct, frozen=True):
    """A task was launched, or came back with its agent."""

    task: Told


class TaskUpdated(msgspec.Struct, frozen=True):
    """A task changed its state or its health."""

    key: TaskKey
    state: str
    """The latest that the agent knows; the status may be of an older one."""
    status: Raw
    lost_agent: str = ""
    """Id of the agent that the master gave up, if that is why."""
    time: float = 0.0
    """When the status was made, in seconds since 1970 by the clock of who made it."""


class AgentAdded(msgspec.Struct, frozen=True):
    """An agent registered, or came back; its tasks were added before."""

    agent: Agent


class AgentRemoved(msgspec.Struct, frozen=True):
    """An agent left for good."""

    id: str


class FrameworkChanged(msgspec.Struct, frozen=True):
    """A framework registered, or came back."""

    framework: Framework


class FrameworkRemoved(msgspec.Struct, frozen=True):
    """A framework ended."""

    id: str


class Heartbeat(msgspec.Struct, frozen=True):
    """The master is there; so is what is of no concern here."""


class Unreadable(msgspec.Struct, frozen=True):
    """Something was added that can't be read; it is left out."""

    note: Note


Event: TypeAlias = (
    Snapshot
    | TaskAdded
    | TaskUpdated
    | AgentAdded
    | AgentRemoved
    | FrameworkChanged
    | FrameworkRemoved
    | Heartbeat
    | Unreadable
)


def event(record: bytes) -> Event:
    """Return what a record of a stream says.

    Raises Transient when it can't be read and may have been about something that is known: the
    stream is of no more use then.
    """
    said = _decoded(record)
    adding = said.task_added or said.agent_added or said.framework_added or said.framework_updated
    try:
        if adding is not None:
            return _added(said)
        if said.subscribed is not None:
            found = said.subscribed
            return Snapshot(_listing(found.get_state), found.heartbeat_interval_seconds)
        if said.task_updated is not None:
            return _updated(said.task_updated)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if adding is None:
            raise Transient(f"an event {said.type} can't be read: {error}") from error
        return Unreadable(Note(f"event {said.type}", str(error)))
    if said.agent_removed is not None:
        return AgentRemoved(said.agent_removed.agent_id.value)
    if said.framework_removed is not None:
        return FrameworkRemoved(said.framework_removed.framework_info.id.value)
    return Heartbeat()


def read(document: bytes) -> Listing:
    """Return what a ``GET_STATE`` lists; raises Transient when it is none."""
    said = _decoded(document)
    if said.get_state is None:
        raise Transient(f"a reply {said.type} where the state was asked for")
    return _listing(said.get_state)


def master(document: bytes) -> tuple[Master | None, float]:
    """Return who wrote a ``GET_MASTER``, and when it was elected; raises Transient."""
    said = _decoded(document).get_master
    if said is None:
        raise Transient("a reply that doesn't say which master it is from")
    host, port = text.pid(said.master_info.pid)
    return (Master(text.ip(host), port) if text.ip(host) else None), said.elected_time


def _decoded(document: bytes) -> _Record:
    try:
        return _record.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Transient(f"{len(document)} bytes of a master can't be read: {error}") from error


def _added(said: _Record) -> Event:
    notes: list[Note] = []
    if said.task_added is not None:
        return TaskAdded(_told(said.task_added.task))
    if said.agent_added is not None:
        found = list(_to_agent(_agent.decode(said.agent_added.agent), notes))
        return AgentAdded(found[0]) if found else Unreadable(notes[0])
    changed = said.framework_added or said.framework_updated
    assert changed is not None
    return FrameworkChanged(_to_framework(changed.framework))


def _updated(update: _TaskUpdated) -> TaskUpdated:
    status = _status.decode(update.status)
    gave_up = status.source == "SOURCE_MASTER" and status.reason == "REASON_AGENT_REMOVED"
    return TaskUpdated(
        (update.framework_id.value, status.task_id.value),
        update.state,
        update.status.copy(),
        status.agent_id.value if gave_up and status.agent_id else "",
        status.timestamp,
    )


def _listing(state: _State) -> Listing:
    notes: list[Note] = []
    agents = good(state.get_agents.agents, "agent", _agent.decode, notes)
    listed = chain(state.get_tasks.tasks, state.get_tasks.launched_tasks)
    frameworks = list(good(state.get_frameworks.frameworks, "framework", _to_framework, notes))
    return Listing(
        recovering=frozenset(info.id.value for info in state.get_agents.recovered_agents),
        agents=[found for agent in agents for found in _to_agent(agent, notes)],
        frameworks=frameworks,
        tasks=good(listed, "task", _told, notes),
        notes=notes,
    )


def _told(raw: Raw) -> Told:
    task = _task.decode(raw)
    return Told(
        task.task_id.value,
        task.name,
        task.framework_id.value,
        task.agent_id.value,
        task.state,
        task.resources,
        task.statuses,
        task.labels,
        task.discovery,
        task.container,
        task.health_check,
        task.kill_policy,
    )


def _to_framework(raw: Raw) -> Framework:
    found = _framework.decode(raw)
    info = found.framework_info
    return to_framework(info.id.value, info.name, None, info.hostname, found.active)


def _to_agent(agent: _Agent, notes: list[Note]) -> Iterator[Agent]:
    info = agent.agent_info
    attributes = tuple((one.name, _written(one)) for one in info.attributes)
    yield from to_agent(info.id.value, agent.pid, info.hostname, attributes, info.domain, notes)


def _written(attribute: _Attribute) -> str:
    """Return an attribute's value as ``/state`` writes it."""
    if attribute.ranges:
        ranges = (f"{r.get('begin')}-{r.get('end')}" for r in attribute.ranges.get("range", ()))
        return f"[{', '.join(ranges)}]"
    if attribute.set:
        return "{" + ", ".join(attribute.set.get("item", ())) + "}"
    value = (attribute.text or attribute.scalar).get("value", "")
    return f"{value:g}" if isinstance(value, float) else str(value)

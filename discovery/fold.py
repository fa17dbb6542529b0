"""Events into the Cluster: pure, and but for an agent or a framework that goes, at a constant cost.

What a master does not say has to be concluded (Mesos 1.11): tasks are added before their agent or
after it; an agent that can't be reached is not removed, only its tasks are given up, by the master
itself; the tasks of a framework that ended are updated one by one, and those of a removed agent
were.
"""

from collections.abc import Iterable

import msgspec
from immutables import Map

from pointsman.discovery import details
from pointsman.discovery.errors import Transient
from pointsman.discovery.model import ENDED, Change, Cluster, TaskKey, Told
from pointsman.discovery.v1 import (
    AgentAdded,
    AgentRemoved,
    Event,
    FrameworkChanged,
    FrameworkRemoved,
    TaskAdded,
    TaskUpdated,
    Unreadable,
)

NOTHING = Change()
MOST_NOTES = 100
"""Of events; the next snapshot tells them anew."""

_put = msgspec.structs.replace


def fold(cluster: Cluster, event: Event) -> tuple[Cluster, Change]:
    """Return the cluster after an event, and which parts of it differ.

    A snapshot is no event in this sense: it is compared with all that is known, elsewhere.
    Raises Transient when an update can't be applied to what is known.
    """
    match event:
        case TaskAdded(task):
            return _with_task(cluster, task)
        case TaskUpdated():
            return _updated(cluster, event)
        case AgentAdded(agent):
            cluster, changed = _back(cluster, agent.id)
            if cluster.agents.get(agent.id) == agent:
                return cluster, changed
            agents = cluster.agents.set(agent.id, agent)
            changed |= Change(agents=frozenset((agent.id,)))
            return _put(cluster, agents=agents), changed
        case AgentRemoved(id_):
            return _without_agent(cluster, id_)
        case FrameworkChanged(framework):
            known = cluster.frameworks.get(framework.id)
            if known is not None and not framework.address:
                framework = _put(framework, address=known.address, port=known.port)
            if known == framework:
                return cluster, NOTHING
            frameworks = cluster.frameworks.set(framework.id, framework)
            changed = Change(frameworks=frozenset((framework.id,)))
            return _put(cluster, frameworks=frameworks), changed
        case FrameworkRemoved(id_):
            return _without_framework(cluster, id_)
        case Unreadable(note):
            if note in cluster.notes or len(cluster.notes) >= MOST_NOTES:
                return cluster, NOTHING
            return _put(cluster, notes=tuple(sorted((*cluster.notes, note)))), Change(rest=True)
    return cluster, NOTHING


def unclear(cluster: Cluster, event: Event) -> TaskKey | None:
    """Return the task that a folded event leaves unclear: the master should be asked about it."""
    if isinstance(event, TaskUpdated) and event.state not in ENDED:
        task = cluster.tasks.get(event.key)
        return None if task is not None and details.settled(task) else event.key
    return None


def _with_task(cluster: Cluster, task: Told) -> tuple[Cluster, Change]:
    if task.state in ENDED:
        return without(cluster, [task.key])
    if cluster.tasks.get(task.key) == task:
        return cluster, NOTHING
    tasks = cluster.tasks.set(task.key, task)
    return _put(cluster, tasks=tasks), Change(tasks=frozenset((task.key,)))


def _updated(cluster: Cluster, event: TaskUpdated) -> tuple[Cluster, Change]:
    known = cluster.tasks.get(event.key)
    if event.state in ENDED:
        cluster, changed = without(cluster, [event.key] if known else [])
        if event.lost_agent in cluster.agents:
            agents = cluster.agents.delete(event.lost_agent)
            cluster = _put(cluster, agents=agents)
            changed |= Change(agents=frozenset((event.lost_agent,)))
        return cluster, changed
    if known is None:
        return cluster, NOTHING
    try:
        task = details.updated(known, event.state, event.status)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Transient(f"an update of task {event.key[1]} can't be read: {error}") from error
    return _with_task(cluster, task)


def without(cluster: Cluster, keys: Iterable[TaskKey]) -> tuple[Cluster, Change]:
    """Return the cluster without these tasks, as far as they are there."""
    tasks: Map[TaskKey, Told] = cluster.tasks
    gone = frozenset(key for key in keys if key in tasks)
    for key in gone:
        tasks = tasks.delete(key)
    return (_put(cluster, tasks=tasks), Change(tasks=gone)) if gone else (cluster, NOTHING)


def _without_agent(cluster: Cluster, id_: str) -> tuple[Cluster, Change]:
    """Remove an agent, and tasks of it that the master did not end before, against its habit."""
    left = [key for key, task in cluster.tasks.items() if task.agent_id == id_]
    cluster, changed = without(cluster, left)
    cluster, settled = _back(cluster, id_)
    if id_ in cluster.agents:
        cluster = _put(cluster, agents=cluster.agents.delete(id_))
        settled |= Change(agents=frozenset((id_,)))
    return cluster, changed | settled


def _back(cluster: Cluster, agent: str) -> tuple[Cluster, Change]:
    """Wait for an agent no more."""
    if agent not in cluster.recovering:
        return cluster, NOTHING
    return _put(cluster, recovering=cluster.recovering - {agent}), Change(rest=True)


def _without_framework(cluster: Cluster, id_: str) -> tuple[Cluster, Change]:
    """Remove a framework and what is left of its tasks."""
    left = [key for key in cluster.tasks if key[0] == id_]
    cluster, changed = without(cluster, left)
    if id_ in cluster.frameworks:
        cluster = _put(cluster, frameworks=cluster.frameworks.delete(id_))
        changed |= Change(frameworks=frozenset((id_,)))
    return cluster, changed

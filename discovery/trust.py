"""How far a master is believed: a leader that knows less than we do is not always right.

A master that was just elected lists no tasks before its agents have come back to it, though every
task goes on running; until it has read its registry, it may list no agents either. And a reading
that suddenly lacks many tasks may be right, but is more often a sign of trouble: a second one
tells. What a master says outright, by an event of its stream, is believed.
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec
from immutables import Map

from pointsman.discovery import fold as fold_
from pointsman.discovery.model import Change, Cluster, Master, TaskKey, difference
from pointsman.discovery.v1 import AgentAdded, Event, FrameworkChanged, TaskAdded, Unreadable

RECOVERY = 600.0
"""Seconds that a new leader is given to hear of its agents (Mesos's agent_reregister_timeout)."""

REGISTRY = 60.0
"""Seconds that it is given to read its registry (Mesos's registry_fetch_timeout), and to list the
agents that come back to it just then."""

MOST_SHARE = 0.3
"""Of the known tasks: more must not vanish by one reading."""

FEW = 10
"""Of so few tasks any number may."""

LONG_AGO = float("-inf")
"""When a leader that is no new one was first heard."""

V = TypeVar("V")

_put = msgspec.structs.replace


class Trust(msgspec.Struct, frozen=True):
    """What is remembered of what was said."""

    cluster: Cluster | None = None
    """What to believe; None before anything could be."""
    told: Cluster = Cluster()
    """What the leader says by itself."""
    since: float = 0.0
    """When this leader was first heard, in seconds of a steady clock."""
    waiting: Map[str, frozenset[TaskKey]] = Map()
    """By agent that the leader has not heard of yet: tasks that stand until it has."""
    doubted: frozenset[TaskKey] = frozenset()
    """Tasks that the last reading lacked, and that stand until another lacks them too."""
    returning: str = ""
    """The agent that the last events brought back: they may go on with its tasks."""

    @property
    def standing(self) -> int:
        """How many tasks wait for their agents."""
        return sum(map(len, self.waiting.values()))

    @property
    def deadline(self) -> float | None:
        """When to look at the clock again (``settle``); None while nothing waits for it."""
        if self.cluster is None:
            return self.since + _patience(self.told)
        return min((self.since + _grace(agent, self.told) for agent in self.waiting), default=None)


def remember(cluster: Cluster) -> Trust:
    """Return the trust to begin with when this is what was known at the end of the last run."""
    # Its leader is no new one: what a reading of it lacks is gone.
    return Trust(cluster, cluster, LONG_AGO)


def believe(before: Trust, reading: Cluster, now: float) -> tuple[Trust, Change]:
    """Return what to believe after a whole reading; ``now`` is in seconds of a steady clock.

    Known tasks that the reading lacks stand while its leader has not heard of their agents, and,
    where they are many or new parts of it can't be read, until the next reading lacks them too.
    While nothing is known, a leader that has not heard of all its agents is not believed at all.
    """
    same = (before.told.leader, before.told.elected) == (reading.leader, reading.elected)
    since = before.since if same else now
    if reading.recovering and since == LONG_AGO:
        since = now  # as good as new, though it was followed before: by the run before, say
    known = before.cluster
    if known is None:
        return _first(Trust(None, reading, since), now - since < _patience(reading))
    missing = _missing(known, reading)
    waiting = _waiting(known, reading, missing, now - since)
    excused = {key for keys in waiting.values() for key in keys}
    doubted = frozenset(key for key in missing if key not in excused)
    many = len(known.tasks) > FEW and len(doubted) > MOST_SHARE * len(known.tasks)
    unread = not set(reading.notes) <= set(known.notes)
    if not (many or unread) or doubted <= before.doubted:
        doubted = frozenset()
    cluster = _with(reading, known, [*excused, *doubted], waiting)
    return Trust(cluster, reading, since, waiting, doubted), difference(known, cluster)


def hear(before: Trust, event: Event) -> tuple[Trust, Change]:
    """Return what to believe after an event; raises Transient as ``fold`` does."""
    told, change = fold_.fold(before.told, event)
    returning = _returning(before, event)
    if before.cluster is None:
        trust = _put(before, told=told, returning=returning)
        return _first(trust, bool(returning) or _patience(told) > 0)
    if not before.waiting and not before.doubted:
        return _put(before, told=told, cluster=told), change
    heard = change.tasks
    cluster, change = fold_.fold(before.cluster, event)
    heard |= change.tasks
    waiting = before.waiting
    # Of these agents all was said: the one that is wholly back, and any that is no more.
    settled = {agent for agent in change.agents if agent not in cluster.agents}
    if before.returning != returning:
        settled.add(before.returning)
    for agent in filter(waiting.__contains__, settled):
        left = [key for key in waiting[agent] if key not in told.tasks]
        cluster, gone = fold_.without(cluster, left)
        change |= gone
        waiting = waiting.delete(agent)
    for key in heard:
        if key in told.tasks or key not in cluster.tasks:
            waiting = _heard_of(waiting, before.cluster, key)
    doubted = before.doubted
    if not doubted.isdisjoint(heard):
        doubted -= heard
    trust = Trust(cluster, told, before.since, waiting, doubted, returning)
    return (trust, change) if waiting or doubted else _settled(trust, change)


def _returning(before: Trust, event: Event) -> str:
    """Return the agent that is coming back with this event, "" when none is.

    A master adds an agent and all its tasks at once, the tasks first or last; the first agent
    of a framework brings that with it. Any other event says that it is done.
    """
    match event:
        case AgentAdded(agent) if agent.id in before.waiting or agent.id in before.told.recovering:
            return agent.id
        case TaskAdded(task) if task.agent_id == before.returning:
            return before.returning
        case FrameworkChanged() | Unreadable():
            return before.returning
    return ""


def settle(before: Trust, now: float) -> tuple[Trust, Change]:
    """Return what to believe when time alone has passed."""
    if before.deadline is None or now < before.deadline:
        return before, fold_.NOTHING
    if before.cluster is None:
        return _first(before, recovering=False)
    told, known, age = before.told, before.cluster, now - before.since
    waiting = Map({a: keys for a, keys in before.waiting.items() if age < _grace(a, told)})
    standing = {key for keys in waiting.values() for key in keys} | before.doubted
    cluster = _with(told, known, [key for key in standing if key in known.tasks], waiting)
    return _put(before, cluster=cluster, waiting=waiting), difference(known, cluster)


def led(before: Trust, masters: tuple[Master, ...]) -> tuple[Trust, Change]:
    """Return the same with other masters to name."""
    if before.cluster is None or before.cluster.masters == masters:
        return _put(before, told=_put(before.told, masters=masters)), fold_.NOTHING
    whole = before.cluster is before.told
    told = _put(before.told, masters=masters)
    cluster = told if whole else _put(before.cluster, masters=masters)
    return _put(before, told=told, cluster=cluster), Change(rest=True)


def _first(trust: Trust, recovering: bool) -> tuple[Trust, Change]:
    """Believe a leader while nothing else is known, unless it has not heard of all its agents."""
    if recovering:
        return trust, fold_.NOTHING
    # From now on this leader is no new one.
    trust = _put(trust, cluster=trust.told, since=LONG_AGO)
    return trust, difference(Cluster(), trust.told)


def _settled(trust: Trust, change: Change) -> tuple[Trust, Change]:
    """Believe the leader alone: what it says of tasks is all that is known by now."""
    assert trust.cluster is not None
    told = trust.told
    beside = difference(_put(trust.cluster, tasks=told.tasks), told)
    return _put(trust, cluster=told), change | beside


def _patience(told: Cluster) -> float:
    """Return how long a leader may take to know more than this, in seconds."""
    if told.recovering:
        return RECOVERY
    return 0.0 if told.agents else REGISTRY


def _grace(agent: str, told: Cluster) -> float:
    """Return for how long a new leader need not list an agent that is known, in seconds.

    One that is just coming back may be in neither of its lists, for a moment.
    """
    return RECOVERY if agent in told.recovering else REGISTRY


def _missing(known: Cluster, reading: Cluster) -> list[TaskKey]:
    if known.tasks is reading.tasks:
        return []
    return [key for key in known.tasks if key not in reading.tasks]


def _waiting(
    known: Cluster, reading: Cluster, missing: Iterable[TaskKey], age: float
) -> Map[str, frozenset[TaskKey]]:
    """Return the known agents that may be there still, with their missing tasks.

    ``age`` is for how long the leader has been heard, in seconds.
    """
    by_agent: dict[str, set[TaskKey]] = {
        agent: set()
        for agent in known.agents
        if agent not in reading.agents and age < _grace(agent, reading)
    }
    for key in missing:
        agent = known.tasks[key].agent_id
        if agent in by_agent:
            by_agent[agent].add(key)
    return Map({agent: frozenset(keys) for agent, keys in by_agent.items()})


def _heard_of(
    waiting: Map[str, frozenset[TaskKey]], known: Cluster, key: TaskKey
) -> Map[str, frozenset[TaskKey]]:
    """Return what waits still when a task has been heard of; its agent may not have been yet."""
    agent = known.tasks[key].agent_id if key in known.tasks else ""
    if key not in waiting.get(agent, ()):
        return waiting
    return waiting.set(agent, waiting[agent] - {key})


def _with(
    reading: Cluster, known: Cluster, standing: list[TaskKey], waiting: Iterable[str]
) -> Cluster:
    """Return a reading with some known tasks, their agents and frameworks, and further agents."""
    agents = set(waiting)
    if not standing and not agents:
        return reading
    tasks = {key: known.tasks[key] for key in standing}
    agents |= {t.agent_id for t in tasks.values()}
    frameworks = {t.framework_id for t in tasks.values()}
    return _put(
        reading,
        tasks=reading.tasks.update(tasks),
        agents=_completed(reading.agents, known.agents, agents),
        frameworks=_completed(reading.frameworks, known.frameworks, frameworks),
    )


def _completed(told: Map[str, V], known: Map[str, V], wanted: Iterable[str]) -> Map[str, V]:
    return told.update({id_: known[id_] for id_ in wanted if id_ not in told and id_ in known})

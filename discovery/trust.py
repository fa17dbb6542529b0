"""How far a reading is believed: a leader that knows less than we do is not always right.

A master that was just elected answers with no agents and no tasks before it has read its registry,
and then with the agents that have come back to it so far, though every task goes on running. And a
reading that suddenly lacks many tasks may be right, but is more often a sign of trouble: a second
one tells.
"""

import msgspec

from pointsman.discovery.model import Cluster, Master, TaskKey

RECOVERY = 600.0
"""Seconds that a new leader is given to hear of its agents (Mesos's agent_reregister_timeout)."""

REGISTRY = 60.0
"""Seconds that it is given to read its registry (Mesos's registry_fetch_timeout)."""

MOST_SHARE = 0.3
"""Of the known tasks: more must not vanish by one reading."""

FEW = 10
"""Of so few tasks any number may."""


class Trust(msgspec.Struct, frozen=True):
    """What is remembered between readings."""

    cluster: Cluster | None = None
    """What to believe; None before any reading could be."""
    leader: tuple[Master | None, float] = (None, 0.0)
    """Who led at the last reading, and when it was elected."""
    since: float = 0.0
    """When it was first read, in seconds of a steady clock."""
    waiting: int = 0
    """Tasks that stand because the leader has not heard of their agents yet."""
    doubted: frozenset[TaskKey] = frozenset()
    """Tasks that the last reading lacked, and that stand until another lacks them too."""


def believe(before: Trust, reading: Cluster, now: float) -> Trust:
    """Return what to believe after a reading; ``now`` is in seconds of a steady clock.

    Known tasks that the reading lacks stand while its leader has not heard of their agents, and,
    where they are many, until the next reading lacks them too. While nothing is known, a leader
    that has not heard of all its agents is not believed at all.
    """
    leader = (reading.leader, reading.elected)
    since = before.since if before.leader == leader else now
    recovering = now - since < _patience(reading)
    known = before.cluster
    if known is None:
        return Trust(None if recovering else reading, leader, since)
    missing = frozenset(known.tasks.keys() - reading.tasks.keys())
    waiting: frozenset[TaskKey] = frozenset()
    if recovering:
        waiting = frozenset(k for k in missing if known.tasks[k].agent_id not in reading.agents)
    doubted = missing - waiting
    many = len(known.tasks) > FEW and len(doubted) > MOST_SHARE * len(known.tasks)
    if not many or doubted <= before.doubted:
        doubted = frozenset()
    cluster = _with(reading, known, waiting | doubted)
    return Trust(cluster, leader, since, len(waiting), doubted)


def _patience(reading: Cluster) -> float:
    """Return how long a leader may take to know more than this reading, in seconds."""
    if reading.recovering:
        return RECOVERY
    return 0.0 if reading.agents else REGISTRY


def _with(reading: Cluster, known: Cluster, standing: frozenset[TaskKey]) -> Cluster:
    """Return a reading with some of the known tasks, their agents and frameworks."""
    if not standing:
        return reading
    tasks = {key: known.tasks[key] for key in standing}
    agents = {t.agent_id: known.agents[t.agent_id] for t in tasks.values()}
    frameworks = {t.framework_id: known.frameworks[t.framework_id] for t in tasks.values()}
    return msgspec.structs.replace(
        reading,
        tasks={**tasks, **reading.tasks},
        agents={**agents, **reading.agents},
        frameworks={**frameworks, **reading.frameworks},
    )

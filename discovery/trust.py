"""How far a reading is believed: a leader that knows less than we do is not always right.

A master that was just elected answers with no agents and no tasks, then with the agents that have
come back to it so far, though every task goes on running. And a reading that suddenly lacks many
tasks may be right, but is more often a sign of trouble; a second one tells.
"""

import msgspec

from pointsman.discovery.model import Cluster, TaskKey

PATIENCE = 600.0
"""Seconds that a new leader is given to hear of its agents (Mesos's --agent_reregister_timeout)."""

MOST_SHARE = 0.3
"""Of the known tasks: more must not vanish by one reading."""

FEW = 10
"""Of so few tasks any number may."""


class Trust(msgspec.Struct, frozen=True):
    """What is remembered between readings."""

    cluster: Cluster | None = None
    """The last that was believed."""
    since: float = 0.0
    """When the present leader was first read, in seconds of a steady clock."""
    doubted: frozenset[TaskKey] = frozenset()
    """Tasks that the last reading lacked, and that stand until another lacks them too."""
    waiting: int = 0
    """Tasks that stand because their agents have not come back to a new leader."""


def believe(before: Trust, reading: Cluster, now: float) -> Trust:
    """Return what to believe after a reading; ``now`` is in seconds of a steady clock.

    Known tasks that the reading lacks stand while their agent has not come back to a leader that
    is new, and, where they are many, until the next reading lacks them too.
    """
    known = before.cluster
    if known is None:
        return Trust(reading, now)
    same = (known.leader, known.elected) == (reading.leader, reading.elected)
    since = before.since if same else now
    missing = frozenset(known.tasks.keys() - reading.tasks.keys())
    waiting: frozenset[TaskKey] = frozenset()
    if now - since < PATIENCE and (not same or before.waiting):
        agents = reading.agents
        waiting = frozenset(k for k in missing if known.tasks[k].agent_id not in agents)
    doubted = missing - waiting
    many = len(known.tasks) > FEW and len(doubted) > MOST_SHARE * len(known.tasks)
    if not many or doubted <= before.doubted:
        doubted = frozenset()
    return Trust(_with(reading, known, waiting | doubted), since, doubted, len(waiting))


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

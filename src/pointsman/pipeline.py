"""From a Cluster to all views of it: pure, and at a cost that follows what changed."""

from collections.abc import Iterable, Iterator
from typing import TypeAlias, TypeVar, cast

import msgspec
from immutables import Map, MapMutation

from pointsman.discovery import details
from pointsman.discovery.model import (
    Agent,
    Change,
    Cluster,
    Framework,
    Note,
    Task,
    TaskKey,
    Told,
    difference,
)
from pointsman.dns import dcos
from pointsman.dns.dcos import DcosRules
from pointsman.dns.records import (
    NameRules,
    Record,
    agent_records,
    framework_records,
    master_records,
    task_records,
)
from pointsman.dns.reverse import Reverse
from pointsman.healthcheck.model import Health, Target
from pointsman.healthcheck.verdict import worst
from pointsman.vip import checks
from pointsman.vip import wanted as vips
from pointsman.vip.addresses import ANYWHERE, Range
from pointsman.vip.backends import NOBODY, Backend, backends, judge
from pointsman.vip.checks import Checks
from pointsman.vip.elect import Place
from pointsman.vip.policy import Defaults
from pointsman.vip.wanted import Wanted

Key: TypeAlias = TaskKey | tuple[str, str] | str
"""What a view is of: a task's key, ("agent", id), ("framework", id), or ``MASTERS``."""

Item: TypeAlias = Told | Agent | Framework | Cluster

MASTERS = "masters"


class VipRules(msgspec.Struct, frozen=True):
    """What the configuration says of VIPs."""

    enabled: bool = True
    """False leaves all virtual servers out."""
    ranges: tuple[Range, ...] = ()
    defaults: Defaults = Defaults()
    own: frozenset[str] = frozenset()
    """Addresses of this node."""
    region: str = ""
    """Of this node; empty for that of its agent."""
    zone: str = ""
    hold: float = 0.0
    """Seconds for which a name keeps an address that another takes over."""
    allowed: tuple[Range, ...] = ANYWHERE
    """Where labels may ask for addresses."""
    longest: int = 253
    """Characters that a name may have before its domain."""


class Rules(msgspec.Struct, frozen=True):
    """What the configuration says of the views."""

    names: NameRules
    vips: VipRules = VipRules()
    dcos: DcosRules | None = None
    """None for no names of DC/OS."""
    checks: Checks = Checks()
    reverse: Reverse = Reverse()


class Derived(msgspec.Struct, frozen=True, gc=False):
    """Views of one item of the cluster."""

    records: tuple[Record, ...] = ()
    backends: tuple[Backend, ...] = ()
    notes: tuple[Note, ...] = ()
    placed: bool = True
    """False for a task whose agent or framework is not known yet."""
    targets: tuple[Target, ...] = ()
    """What is probed of it."""


class Views(msgspec.Struct, frozen=True):
    """All that is served for a Cluster."""

    cluster: Cluster = Cluster()
    derived: Map[Key, Derived] = Map()
    wanted: Wanted = Wanted()
    removed: tuple[Record, ...] = ()
    """Records of the views before that are not of these."""
    added: tuple[Record, ...] = ()
    noted: Map[Key, tuple[Note, ...]] = Map()
    """What was left out of each item, where anything was."""
    unplaced: Map[TaskKey, None] = Map()
    """Tasks whose agent or framework is not known yet."""
    watched: Map[Target, frozenset[TaskKey]] = Map()
    """Whom each target is probed for."""
    unwatched: frozenset[Target] = frozenset()
    """Targets of the views before that are not of these."""
    new: frozenset[Target] = frozenset()
    """Targets that the views before did not have."""

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was left out, and why; sorted."""
        own = (note for notes in self.noted.values() for note in notes)
        return tuple(sorted({*self.cluster.notes, *own, *self.wanted.notes}))


NOTHING = Views()


def derive(
    cluster: Cluster,
    rules: Rules,
    before: Views = NOTHING,
    change: Change | None = None,
    now: float = 0.0,
    health: Health = NOBODY,
) -> Views:
    """Return the views of a cluster; what did not change since ``before`` is taken from it.

    ``before`` must have been derived by the same rules. ``change`` is what may differ between
    the two clusters, and in what is believed of their tasks; without it, they are compared.
    ``now`` is of the clock that ``Wanted.wake`` is told by.
    """
    if change is None:
        change = difference(before.cluster, cluster)
    removed: list[Record] = []
    added: list[Record] = []
    left: list[Backend] = []
    come: list[Backend] = []
    derived, noted = before.derived.mutate(), before.noted.mutate()
    unplaced = before.unplaced.mutate()
    watched, touched = before.watched.mutate(), set[Target]()
    tasks = change.tasks | _moved(cluster, before, change)
    for key, item in _affected(cluster, before, change, tasks):
        new = _derived(cluster, item, rules, health) if item is not None else _NOTHING
        old = before.derived.get(key, _NOTHING)
        removed.extend(old.records)
        added.extend(new.records)
        if new.backends != old.backends:
            left.extend(old.backends)
            come.extend(new.backends)
        if new.targets != old.targets:
            touched.update(old.targets, new.targets)
            whom = cast("TaskKey", key)  # nothing else has any
            for target in old.targets:
                others = watched[target] - {whom}
                _set(watched, target, others, bool(others))
            for target in new.targets:
                watched[target] = watched.get(target, frozenset()) | {whom}
        _set(derived, key, new, item is not None)
        _set(noted, key, new.notes, bool(new.notes))
    for key in tasks:
        _set(unplaced, key, None, key in derived and not derived[key].placed)
    balanced = before.wanted if before is not NOTHING else vips.begin(rules.vips.ranges)
    place, reserved = balanced.place, balanced.reserved
    if change.agents or change.rest or before is NOTHING:
        place = _place(cluster, rules.vips)
        reserved = _hosts(cluster) | rules.vips.own
    return Views(
        cluster=cluster,
        derived=derived.finish(),
        wanted=vips.update(balanced, left, come, place, now, rules.vips.hold, reserved),
        removed=tuple(removed),
        added=tuple(added),
        noted=noted.finish(),
        unplaced=unplaced.finish(),
        watched=(now_watched := watched.finish()),
        unwatched=frozenset(t for t in touched if t in before.watched and t not in now_watched),
        new=frozenset(t for t in touched if t not in before.watched and t in now_watched),
    )


_NOTHING = Derived()

_K = TypeVar("_K")
_V = TypeVar("_V")


def _set(mutation: MapMutation[_K, _V], key: _K, value: _V, there: bool) -> None:
    """Put a key in its place, or leave none."""
    if there:
        mutation[key] = value
    elif key in mutation:
        del mutation[key]


def _affected(
    cluster: Cluster, before: Views, change: Change, tasks: Iterable[TaskKey]
) -> Iterator[tuple[Key, Item | None]]:
    """Yield what is to be derived anew, by its key; None for what is no more."""
    if change.rest or before is NOTHING:
        yield MASTERS, Cluster(leader=cluster.leader, masters=cluster.masters)
    for id_ in change.agents:
        yield ("agent", id_), cluster.agents.get(id_)
    for id_ in change.frameworks:
        yield ("framework", id_), cluster.frameworks.get(id_)
    for key in tasks:
        yield key, cluster.tasks.get(key)


def _moved(cluster: Cluster, before: Views, change: Change) -> set[TaskKey]:
    """Return the tasks whose agent's address or whose framework's name is another now."""
    old = before.cluster
    agents = {a for a in change.agents if _where(old, a) != _where(cluster, a)}
    frameworks = {f for f in change.frameworks if _name(old, f) != _name(cluster, f)}
    if not agents and not frameworks:
        return set()
    new = not any(a in old.agents for a in agents) and not any(
        f in old.frameworks for f in frameworks
    )
    # Tasks of what was not known until now are among those without a place: the rest need no look.
    keys: Iterable[TaskKey] = before.unplaced if new else cluster.tasks
    return {
        key
        for key in keys
        if (task := cluster.tasks.get(key)) is not None
        and (task.agent_id in agents or task.framework_id in frameworks)
    }


def _place(cluster: Cluster, rules: VipRules) -> Place:
    """Return where this node is."""
    own = (agent for agent in cluster.agents.values() if agent.address in rules.own)
    agent = next(own, None)
    region, zone = (agent.region, agent.zone) if agent else ("", "")
    name = min(rules.own, default="")
    return Place(rules.own, name, rules.region or region, rules.zone or zone)


def _hosts(cluster: Cluster) -> frozenset[str]:
    """Return the addresses of the hosts that are known."""
    leader = [cluster.leader.address] if cluster.leader else []
    masters = (master.address for master in cluster.masters)
    return frozenset((*leader, *masters, *(agent.address for agent in cluster.agents.values())))


def _where(cluster: Cluster, agent: str) -> tuple[str, str, str] | None:
    found = cluster.agents.get(agent)
    return (found.address, found.region, found.zone) if found else None


def _name(cluster: Cluster, framework: str) -> str | None:
    return cluster.frameworks[framework].name if framework in cluster.frameworks else None


def _derived(cluster: Cluster, item: Item, rules: Rules, health: Health) -> Derived:
    match item:
        case Told():
            return _of_task(cluster, item, rules, health)
        case Agent():
            return Derived(agent_records(item, rules.names))
        case Framework():
            records, notes = framework_records(item, rules.names)
            return Derived(records, (), notes)
        case Cluster():
            further = dcos.master_records(item, rules.dcos) if rules.dcos else ()
            records = (*master_records(item, rules.names), *further)
            each = (r for r in records if r.name.startswith("master") and r.name[6].isdigit())
            return Derived((*records, *rules.reverse.of(each)))


def _of_task(cluster: Cluster, told: Told, rules: Rules, health: Health) -> Derived:
    framework, agent = cluster.frameworks.get(told.framework_id), cluster.agents.get(told.agent_id)
    if framework is None or agent is None:
        lacks = f"framework {told.framework_id}" if framework is None else f"agent {told.agent_id}"
        note = Note(f"task {told.id}", f"its {lacks} is not known")
        return Derived(notes=(note,), placed=False)
    try:
        task = details.task(told, framework.name, agent.address)
    except ValueError as error:
        return Derived(notes=(Note(f"task {told.id} of {framework.name}", str(error)),))
    of = rules.vips
    balanced = backends(task, agent, of.defaults, rules.checks, health, of.longest, of.allowed)
    found, notes = balanced if of.enabled else ((), ())
    targets, bad = _targets(task, found, rules.checks)
    judged = worst(judge(task, target, health)[0] for target in targets or (None,))
    records, more = task_records(task, rules.names, judged)
    if rules.reverse.networks:
        records = (*records, *rules.reverse.of_task(records, task.agent))
    if rules.dcos:
        further, others = dcos.task_records(task, rules.dcos, judged)
        records, more = (*records, *further), (*more, *others)
    return Derived(records, found, (*more, *notes, *bad), targets=targets)


def _targets(
    task: Task, found: Iterable[Backend], checked: Checks
) -> tuple[tuple[Target, ...], tuple[Note, ...]]:
    """Return what this node probes for a task: its real servers, else itself; and notes."""
    if task.state != "TASK_RUNNING":
        return (), ()
    if found:
        return tuple(dict.fromkeys(one.target for one in found if one.target)), ()
    target, problems = checks.task(task, checked)
    where = f"task {task.id} of {task.framework}"
    notes = tuple(Note(where, problem) for problem in problems)
    return ((target,) if target else ()), notes

"""From a Cluster to all views of it: pure, and at a cost that follows what changed."""

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from pointsman.discovery.model import Agent, Cluster, Framework, Note, Task
from pointsman.dns.records import (
    NameRules,
    Record,
    agent_records,
    framework_records,
    master_records,
    task_records,
)
from pointsman.vip.addresses import Range
from pointsman.vip.model import Settings
from pointsman.vip.wanted import Backend, Wanted, backends, wanted

Item: TypeAlias = Task | Agent | Framework | Cluster


class Rules(msgspec.Struct, frozen=True):
    """What the configuration says of the views."""

    names: NameRules
    ranges: tuple[Range, ...] = ()
    settings: Settings = Settings()
    balance: bool = True
    """False leaves all virtual servers out."""


class Derived(msgspec.Struct, frozen=True):
    """Views of one item of the cluster."""

    records: tuple[Record, ...]
    backends: tuple[Backend, ...]
    notes: tuple[Note, ...]


class Views(msgspec.Struct, frozen=True):
    """All that is served for a Cluster."""

    cluster: Cluster
    derived: Mapping[object, Derived]
    wanted: Wanted
    removed: tuple[Record, ...]
    """Records of the views before that are not of these."""
    added: tuple[Record, ...]
    notes: tuple[Note, ...] = ()
    """What was left out, and why; sorted."""


NOTHING = Views(Cluster(), {}, Wanted(), (), ())


def derive(cluster: Cluster, rules: Rules, before: Views = NOTHING) -> Views:
    """Return the views of a cluster; what did not change since ``before`` is taken from it.

    ``before`` must have been derived by the same rules.
    """
    derived: dict[object, Derived] = {}
    removed: list[Record] = []
    added: list[Record] = []
    changed = False
    known = before.derived
    old = _items(before.cluster)
    for key, item in _items(cluster).items():
        if old.get(key) == item and key in known:
            derived[key] = known[key]
            continue
        mine = derived[key] = _derive(item, rules)
        theirs = known.get(key, _NONE)
        removed.extend(theirs.records)
        added.extend(mine.records)
        changed = changed or mine.backends != theirs.backends
    for key in known.keys() - derived.keys():
        removed.extend(known[key].records)
        changed = changed or bool(known[key].backends)
    table = before.wanted
    if changed:
        found = (backend for views in derived.values() for backend in views.backends)
        table = wanted(found, rules.ranges, rules.settings)
    own = (note for views in derived.values() for note in views.notes)
    notes = tuple(sorted({*cluster.notes, *own, *table.notes}))
    return Views(cluster, derived, table, tuple(removed), tuple(added), notes)


_NONE = Derived((), (), ())


def _items(cluster: Cluster) -> dict[object, Item]:
    """Return everything that has views of its own, by a key that stays the same over changes."""
    masters = Cluster(leader=cluster.leader, masters=cluster.masters)
    items: dict[object, Item] = {"masters": masters} if cluster.leader else {}
    items.update((("agent", a.id), a) for a in cluster.agents.values())
    items.update((("framework", f.id), f) for f in cluster.frameworks.values())
    items.update((task.key, task) for task in cluster.tasks.values())
    return items


def _derive(item: Item, rules: Rules) -> Derived:
    match item:
        case Task():
            records, notes = task_records(item, rules.names)
            found, more = backends(item) if rules.balance else ((), ())
            return Derived(records, found, (*notes, *more))
        case Agent():
            return Derived(agent_records(item, rules.names), (), ())
        case Framework():
            records, notes = framework_records(item, rules.names)
            return Derived(records, (), notes)
        case Cluster():
            return Derived(master_records(item, rules.names), (), ())

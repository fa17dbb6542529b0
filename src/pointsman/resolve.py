"""Says what a name resolves to, and why: which task gave which record, and which was left out."""

from collections.abc import Iterator, Sequence

import msgspec

from pointsman.config import Config
from pointsman.discovery.model import Cluster
from pointsman.dns import names
from pointsman.dns.records import Record
from pointsman.dns.zone import Mirror, Rrset
from pointsman.generation import own_records, zones
from pointsman.pipeline import Key, Views, derive
from pointsman.rules import rules
from pointsman.show import vip_records

VIP, FILE = "a VIP", "the records file or this node"


class Source(msgspec.Struct, frozen=True):
    """A record of the name, and where it comes from."""

    record: Record
    of: str
    """``task web.1 of marathon``, ``agent S1``, ``the file``…"""
    answered: bool
    """False for one that stands behind others."""


class Explanation(msgspec.Struct, frozen=True):
    """What is answered, and why."""

    name: str
    zone: str
    """Empty for a name that is not ours."""
    answer: tuple[Rrset, ...] = ()
    sources: tuple[Source, ...] = ()
    left_out: tuple[str, ...] = ()
    """Notes that have to do with the name."""
    exists: bool = True
    """False for NXDOMAIN."""


def explain(name: str, type_: str, cluster: Cluster, config: Config) -> Explanation:
    """Return what is answered for a name; ``type_`` is one type, or ANY for all that it has."""
    name = name.lower()
    name = name if name.endswith(".") else f"{name}."
    views = derive(cluster, rules(config))
    every = list(_sources(views, config))
    served = zones(config, (), 1)
    served.update((), (record for record, _ in every))
    zone = served.of(name)
    if zone is None:
        return Explanation(name, "", exists=False)
    asked = zone.types(name) if type_ == "ANY" else [type_]
    answer = tuple(filter(None, (zone.rrset(name, one) for one in asked)))
    there = zone.there(name) if isinstance(zone, Mirror) else name
    given = {found for one in asked if (rrset := served.rrset(there, one)) for found in rrset.data}
    found = [(r, key) for r, key in every if r.name == there and type_ in ("ANY", r.type)]
    sources = tuple(Source(r, _of(key, cluster), r.data in given) for r, key in found)
    left_out = tuple(sorted(_left_out(there, views, {key for _, key in found})))
    return Explanation(name, zone.apex, answer, sources, left_out, zone.has(name))


def text(found: Explanation) -> str:
    """Return the explanation for people."""
    if not found.zone:
        return f"{found.name} is in none of our zones: the answer is REFUSED\n"
    lines = [f"{r.name} {r.ttl} {r.type} {one}" for r in found.answer for one in r.data]
    if not lines:
        missing = "has no records of this type" if found.exists else "is not there (NXDOMAIN)"
        lines.append(f"{found.name} {missing}")
    lines += _because(found.sources)
    lines += [f"  left out: {note}" for note in found.left_out]
    return "\n".join(lines) + "\n"


def _because(sources: Sequence[Source]) -> Iterator[str]:
    for source in sorted(sources, key=lambda one: (one.record, one.of)):
        behind = "" if source.answered else "; not answered: " + _why_behind(source.record)
        yield f"  {source.record.type} {source.record.data}: {source.of}{behind}"


def _why_behind(record: Record) -> str:
    if record.claim:
        return "another has this name"
    return "not healthy" if not record.preferred else "it stands behind others"


def _sources(views: Views, config: Config) -> Iterator[tuple[Record, Key]]:
    for key, derived in views.derived.items():
        yield from ((record, key) for record in derived.records)
    yield from ((record, VIP) for record in vip_records(views, config))
    yield from ((record, FILE) for record in own_records(config, ()))


def _of(key: Key, cluster: Cluster) -> str:
    if isinstance(key, str):
        return key
    if key in cluster.tasks:
        return f"task {key[1]} of {cluster.frameworks[key[0]].name}"
    return " ".join(key)


def _left_out(name: str, views: Views, given: set[Key]) -> Iterator[str]:
    """Yield why tasks of this name gave it no record."""
    labels = set(name.split("."))
    for key, told in views.cluster.tasks.items():
        if key in given or not labels & {names.label(told.name), told.name.lower()}:
            continue
        notes = [note.why for note in views.derived[key].notes]
        if told.state != "TASK_RUNNING":
            notes.append(f"it is {told.state}")
        yield from (f"task {told.id}: {note}" for note in notes)

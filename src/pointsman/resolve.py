"""Says what a name resolves to, and why: which task gave which record, and which was left out."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec

from pointsman.config import Config
from pointsman.discovery import details
from pointsman.discovery.model import Cluster, Told
from pointsman.dns import names
from pointsman.dns.records import Record
from pointsman.dns.zone import Mirror, Rrset
from pointsman.generation import own_records, zones
from pointsman.healthcheck.model import TRUSTING
from pointsman.pipeline import Key, Views, derive
from pointsman.rules import rules
from pointsman.show import vip_records


class Origin(msgspec.Struct, frozen=True):
    """A record of the name, and where it comes from."""

    record: Record
    of: str
    """``task web.1 of marathon``, ``VIP of web.1, web.2``, ``agent S1`` and so on."""
    answered: bool
    """False for one that stands behind others."""


class Explanation(msgspec.Struct, frozen=True):
    """What is answered, and why."""

    name: str
    zone: str
    """Empty for a name that is not ours."""
    answer: tuple[Rrset, ...] = ()
    origins: tuple[Origin, ...] = ()
    left_out: tuple[str, ...] = ()
    """Notes that have to do with the name."""
    exists: bool = True
    """False for NXDOMAIN."""


def explain(name: str, type_: str, cluster: Cluster, config: Config) -> Explanation:
    """Return what is answered for a name; ``type_`` is one type, or ANY for all that it has."""
    return explain_by(name, type_, derive(cluster, rules(config), health=TRUSTING), config)


def explain_by(name: str, type_: str, views: Views, config: Config) -> Explanation:
    """Return what these views answer, as ``explain`` does for a cluster."""
    name = name.lower()
    name = name if name.endswith(".") else f"{name}."
    served = zones(config, (), 1)
    zone = served.of(name)
    if zone is None:
        return Explanation(name, "", exists=False)
    there = zone.there(name) if isinstance(zone, Mirror) else name
    # What else there is has no say in this name, or whether it exists.
    every = [(r, of) for r, of in _origins(views, config) if f".{r.name}".endswith(f".{there}")]
    served.update((), (record for record, _ in every))
    asked = zone.types(name) if type_ == "ANY" else [type_]
    answer = tuple(filter(None, (zone.rrset(name, one) for one in asked)))
    given = {found for one in asked if (rrset := served.rrset(there, one)) for found in rrset.data}
    found = [(r, of) for r, of in every if r.name == there and type_ in ("ANY", r.type)]
    origins = tuple(Origin(record, of, record.data in given) for record, of in found)
    left_out = tuple(sorted(_left_out(there, views)))
    return Explanation(name, zone.apex, answer, origins, left_out, zone.has(name))


def text(found: Explanation) -> str:
    """Return the explanation for people."""
    if not found.zone:
        return f"{found.name} is in none of our zones: the answer is REFUSED\n"
    lines = [f"{r.name} {r.ttl} {r.type} {one}" for r in found.answer for one in r.data]
    if not lines:
        missing = "has no records of this type" if found.exists else "is not there (NXDOMAIN)"
        lines.append(f"{found.name} {missing}")
    lines += _because(found.origins)
    lines += [f"  left out: {note}" for note in found.left_out]
    return "\n".join(lines) + "\n"


def _because(origins: Sequence[Origin]) -> Iterator[str]:
    for origin in sorted(origins, key=lambda one: (one.record, one.of)):
        behind = "" if origin.answered else "; not answered: " + _why_behind(origin.record)
        yield f"  {origin.record.type} {origin.record.data}: {origin.of}{behind}"


def _why_behind(record: Record) -> str:
    if record.claim:
        return "another has this name"
    return "not healthy" if not record.preferred else "it stands behind others"


def _origins(views: Views, config: Config) -> Iterator[tuple[Record, str]]:
    for key, derived in views.derived.items():
        of = _of(key, views.cluster)
        yield from ((record, of) for record in derived.records)
    for name, addresses in views.wanted.names.items():
        of = f"VIP of {', '.join(_behind(addresses, views))}"
        yield from ((record, of) for record in vip_records({name: addresses}, config))
    yield from ((record, "the records file") for record in own_records(config, ()))


def _of(key: Key, cluster: Cluster) -> str:
    if isinstance(key, str):
        return key
    if key in cluster.tasks:
        return f"task {key[1]} of {cluster.frameworks[key[0]].name}"
    return " ".join(key)


def _behind(addresses: Sequence[str], views: Views) -> list[str]:
    """Return the ids of the tasks behind a VIP."""
    wanted = views.wanted
    keys = (key for key in wanted.targets if key.address in addresses)
    return sorted({one.task_id for key in keys for one in wanted.behind(key)})


def _left_out(name: str, views: Views) -> Iterator[str]:
    """Yield why tasks that go by this name gave it no record."""
    for key, told in views.cluster.tasks.items():
        derived = views.derived[key]
        if any(record.name == name for record in derived.records):
            continue
        if not _goes_by(told).isdisjoint(name.split(".")):
            state = () if told.state == "TASK_RUNNING" else (f"it is {told.state}",)
            yield from (
                f"task {told.id}: {why}" for why in (*(n.why for n in derived.notes), *state)
            )


def _goes_by(told: Told) -> set[str]:
    """Return the labels that a task of its name, or of its discovery name, would have."""
    found = {told.name}
    with suppress(ValueError):
        if info := details.task(told, "", "").discovery:
            found.add(info.name)
    return {names.label(name) for name in found} | {name.lower() for name in found}

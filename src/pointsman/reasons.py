"""Says what a change of the cluster, of health, of the kernel and of names was, and why."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from pointsman.discovery import details
from pointsman.discovery.model import Change, Cluster, TaskKey, Told
from pointsman.events import Happening, Kind
from pointsman.healthcheck.model import Standing, Status, Target
from pointsman.pipeline import Views
from pointsman.vip import model
from pointsman.vip.backends import Backend
from pointsman.vip.model import (
    AddReal,
    AddServer,
    DeleteReal,
    DeleteServer,
    Endpoint,
    Forwarding,
    Key,
    RealServer,
    SetReal,
    SetServer,
    Settings,
)
from pointsman.vip.parts import Report

MOST = 20
"""Happenings of a kind that are told one by one at a time; of more only the number is."""
FEW = 3
"""Tasks that are named as a reason; of more only the number is."""

T = TypeVar("T")


def told(kind: Kind, found: Sequence[T], tell: Callable[[T], Happening]) -> Iterator[Happening]:
    """Yield what is told of these: of the first ``MOST``, and how many more there are."""
    yield from map(tell, found[:MOST])
    if len(found) > MOST:
        yield Happening(kind, f"and {len(found) - MOST} changes more")


def tasks(before: Cluster, after: Cluster, change: Change) -> Iterator[Happening]:
    """Yield which tasks came, went, or are in another state; at little cost for many."""

    def differs(key: TaskKey) -> bool:
        old, new = before.tasks.get(key), after.tasks.get(key)
        if old is None or new is None:
            return old is not new
        if old.state != new.state:
            return True
        return old.statuses != new.statuses and _healthy(old) != _healthy(new)

    def tell(key: TaskKey) -> Happening:
        old, new = before.tasks.get(key), after.tasks.get(key)
        why = "" if new else "its master no longer has it"
        return Happening("task", key[1], _state(old), _state(new), why)

    return told("task", sorted(filter(differs, change.tasks)), tell)


def leader(before: Cluster, after: Cluster) -> Iterator[Happening]:
    """Yield who leads now, if that is another."""
    if before.leader != after.leader:
        old, new = (str(one.leader) if one.leader else "" for one in (before, after))
        why = "the masters elected it" if new else "no master leads"
        yield Happening("leader", "master", old, new, why)


def held(count: int, patience: float) -> Happening:
    """Return what is told of virtual servers that the guard holds back, for so many seconds."""
    why = "they would lose all real servers at once"
    return Happening("kernel", f"{count} virtual servers", "", f"held for {patience:g} s", why)


def _state(one: Told | None) -> str:
    if one is None:
        return ""
    healthy = _healthy(one)
    return one.state if healthy is None else f"{one.state}, {'' if healthy else 'un'}healthy"


def _healthy(one: Told) -> bool | None:
    """Return what Mesos's own check says; None for nothing."""
    if b'"healthy"' not in bytes(one.statuses):
        return None
    try:
        return details.task(one, "", "").healthy
    except ValueError:
        return None  # a Note says what is wrong with it


def health(
    judged: Mapping[Target, tuple[Status, Status]],
    watched: Mapping[Target, frozenset[TaskKey]],
) -> Iterator[Happening]:
    """Yield what became of targets, and for whom they are probed."""

    def tell(target: Target) -> Happening:
        old, new = judged[target]
        lasted = f"after {new.since - old.since:.0f} s" if old.since else ""
        whom = f"for {_ids(id_ for _, id_ in watched.get(target, ()))}"
        why = "; ".join(filter(None, (new.reason, lasted, whom)))
        return Happening("health", str(target), str(old.standing), str(new.standing), why)

    return told("health", list(judged), tell)


def names(
    before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]], views: Views
) -> Iterator[Happening]:
    """Yield which VIPs' names DNS answers otherwise than before; an empty value is none."""
    wanted = views.wanted

    def tell(name: str) -> Happening:
        old, new = before.get(name, ()), after.get(name, ())
        vips = wanted.named.get(name, ())
        whom = _ids(one.task_id for vip in vips for one in wanted.members.get(vip, ()))
        if new:
            why = f"the kernel serves it for {whom}" if whom else "it stands a while yet"
        else:
            why = f"its address is another's or is none yet; {whom}" if whom else "no task has it"
        return Happening("name", name, ", ".join(old), ", ".join(new), why)

    differing = sorted(n for n in {*before, *after} if before.get(n, ()) != after.get(n, ()))
    return told("name", differing, tell)


def kernel(
    report: Report,
    before: Views,
    after: Views,
    statuses: Mapping[Target, Status],
    *,
    dry: bool = False,
    renewed: bool = False,
) -> Iterator[Happening]:
    """Yield what was changed in the kernel, with what stood before, and why.

    ``before`` are the views that the kernel had followed until then, ``statuses`` what is believed
    of targets. ``renewed`` says that the configuration is another, ``dry`` that nothing was done.
    """
    refused = {id(failure.change) for failure in report.failures}
    done = [change for change in report.changes if id(change) not in refused]
    why = _Why(before, after, statuses, report, renewed=renewed)

    def tell(change: model.Change) -> Happening:
        reason = why(change)
        reason = f"dry run, nothing is changed: {reason}" if dry else reason
        return Happening("kernel", _subject(change), *_steps(change), reason)

    yield from told("kernel", done, tell)


def refusals(report: Report, known: frozenset[model.Failure]) -> Iterator[Happening]:
    """Yield what the kernel refused and had not refused before."""

    def tell(failure: model.Failure) -> Happening:
        old, _ = _steps(failure.change)
        return Happening(
            "kernel", _subject(failure.change), old, old, f"the kernel refused to {failure}"
        )

    return told("kernel", [f for f in report.failures if f not in known], tell)


def _subject(change: model.Change) -> str:
    if isinstance(change, AddServer | SetServer | DeleteServer):
        return str(change.key)
    return f"{change.key} -> {change.endpoint}"


def _steps(change: model.Change) -> tuple[str, str]:
    """Return what stood before and what stands after, in words."""
    match change:
        case AddServer(_, settings):
            return "", _settings(settings)
        case SetServer(_, settings, before):
            return _settings(before), _settings(settings)
        case DeleteServer(_, before):
            count = f", {len(before.real_servers)} real servers" if before else ""
            return f"{_settings(before.settings if before else None)}{count}", ""
        case AddReal(_, _, real):
            return "", _real(real)
        case SetReal(_, _, real, before):
            return _real(before), _real(real)
        case DeleteReal(_, _, before):
            return _real(before), ""


def _settings(settings: Settings | None) -> str:
    if settings is None:
        return "unknown"
    flags = f", flags {settings.flags}" if settings.flags else ""
    lasting = f", persistent {settings.persistence} s" if settings.flags & 1 else ""
    return f"{settings.scheduler}{flags}{lasting}"


def _real(real: RealServer | None) -> str:
    if real is None:
        return "unknown"
    way = (
        ""
        if real.forwarding == Forwarding.MASQUERADE
        else (f", {Forwarding(real.forwarding).name.lower()}")
    )
    limits = f", thresholds {real.upper}:{real.lower}" if real.upper or real.lower else ""
    return f"weight {real.weight}{way}{limits}"


class _Why:
    """Says why each change of a report was made."""

    def __init__(
        self,
        before: Views,
        after: Views,
        statuses: Mapping[Target, Status],
        report: Report,
        *,
        renewed: bool,
    ) -> None:
        self._before = before
        self._after = after
        self._statuses = statuses
        self._foreign = report.foreign
        self._renewed = renewed
        self._placed = {
            (c.key, c.endpoint) for c in report.changes if isinstance(c, DeleteReal)
        } & {(c.key, c.endpoint) for c in report.changes if isinstance(c, AddReal)}

    def __call__(self, change: model.Change) -> str:
        if change.key in self._foreign:
            return "repair: somebody else had changed it"
        if isinstance(change, AddServer | SetServer | DeleteServer):
            return self._server(change)
        if (change.key, change.endpoint) in self._placed:
            return "for its place in the order"
        return self._real(change)

    def _server(self, change: AddServer | SetServer | DeleteServer) -> str:
        old, new = (v.wanted.behind(change.key) for v in (self._before, self._after))
        if not new:
            return (
                f"nothing stands behind it since {_ended(old, self._after)}"
                if old
                else ("no task asks for it")
            )
        whom = _ids(one.task_id for one in new)
        if isinstance(change, DeleteServer):
            return f"no real server is left to take connections: {_judged(new)}"
        if self._renewed and old:
            return f"the configuration, for {whom}"
        return f"for {whom}"

    def _real(self, change: AddReal | SetReal | DeleteReal) -> str:
        old = _find(self._before, change.key, change.endpoint)
        new = _find(self._after, change.key, change.endpoint)
        if new is None:
            return _ended((old,), self._after) if old else "no task has it"
        called = f"task {new.task_id}"
        status = self._statuses.get(new.target) if new.target else None
        said = status.reason if status and status.standing is not Standing.UP else ""
        judged = f"{new.verdict}: {said}" if said else str(new.verdict)
        if old is None or old.task_id != new.task_id:
            there = (new.framework_id, new.task_id) in self._before.cluster.tasks
            return f"{called} {'asks for it' if there else 'started'}, {judged}"
        if old.verdict != new.verdict:
            return f"{called}: {old.verdict} -> {judged}"
        if isinstance(change, DeleteReal) and change.before and not change.before.weight:
            return f"drain over: {called} is {judged}"
        target = self._after.wanted.targets.get(change.key)
        if target and target.slow_start and isinstance(change, SetReal):
            return f"slow start: {called} is {judged}"
        if target and target.open:
            return f"too few are live, all that run are used: {called} is {judged}"
        return f"{'the configuration: ' if self._renewed else ''}{called} is {judged}"


def _find(views: Views, key: Key, endpoint: Endpoint) -> Backend | None:
    """Return who is, or was, reached there."""
    behind = views.wanted.behind(key)
    return next((one for one in behind if endpoint in (one.endpoint, one.local)), None)


def _ended(gone: Iterable[Backend], after: Views) -> str:
    """Return why those are no longer behind a virtual server."""
    first = next(iter(gone))
    key = (first.framework_id, first.task_id)
    if key not in after.cluster.tasks:
        return f"task {first.task_id} ended"
    return f"task {first.task_id} asks for it no more, in {after.cluster.tasks[key].state}"


def _judged(behind: Sequence[Backend]) -> str:
    found = [f"{one.task_id} is {one.verdict}" for one in behind[:FEW]]
    return ", ".join([*found, *_more(len(behind))])


def _ids(found: Iterable[str]) -> str:
    """Return tasks by their ids: the first few, and how many more."""
    ids = sorted({*found})
    return ", ".join([*ids[:FEW], *_more(len(ids))])


def _more(count: int) -> list[str]:
    return [f"and {count - FEW} more"] if count > FEW else []

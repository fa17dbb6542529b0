"""Publishes the views of a Cluster: names at once, virtual servers in the kernel, then their names.

The order is the point (DCOS_OSS-4939): the name of a VIP appears after the kernel serves it, and
is gone before the kernel loses it.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, nullcontext

from immutables import Map

from pointsman import reasons
from pointsman.checking import Checking
from pointsman.discovery.model import Change, Cluster, TaskKey, difference
from pointsman.dns.answer import Responder
from pointsman.dns.records import Record, address_records
from pointsman.healthcheck.model import Health, Status, Target
from pointsman.metrics import Metrics
from pointsman.pipeline import NOTHING, Rules, Views, derive
from pointsman.telling import Telling
from pointsman.vip import elect
from pointsman.vip import guard as guards
from pointsman.vip.guard import Guard
from pointsman.vip.model import Key
from pointsman.vip.parts import Report
from pointsman.worker import KernelWorker

SLICE = 500
"""Records that are changed at once, while no query is answered: a millisecond or two."""

MANY = 1_000
"""Tasks in a change after which the garbage collector has nothing to find, and much to look at."""


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector from walking through all that is made here, then and later.

    The values are free of cycles; a walk through a large cluster holds everything else up.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class Reconciler:
    """Keeps zones and kernel in step with the cluster; one ``run_once`` at a time."""

    def __init__(
        self,
        rules: Rules,
        vip_apex: str,
        vip_ttl: int,
        responder: Responder,
        kernel: KernelWorker | None,
        metrics: Metrics,
        guard: Guard,
        checking: Checking,
        telling: Telling,
        *,
        dry: bool = False,
    ) -> None:
        """``kernel`` is None where there are no virtual servers, dry where it stays as it is."""
        self.views: Views = NOTHING
        self.targets: Map[Key, elect.Target] = Map()
        """What the kernel is to come to: what is wanted, but for what is held back."""
        self.published: dict[str, tuple[str, ...]] = {}
        """Addresses by VIP name, as DNS answers them now."""
        self.compared = Report()
        """What the last look at the whole kernel found, and did."""
        self.complaints: frozenset[str] = frozenset()
        """What VIPs need around them and do not have."""
        self._rules = rules
        self._vip_apex = vip_apex
        self._vip_ttl = vip_ttl
        self._responder = responder
        self._kernel = kernel
        self._metrics = metrics
        self._guard = guard
        self._checking = checking
        self._telling = telling
        self._dry = dry
        self._changed: set[Key] = set()
        """Targets that the kernel has not followed yet."""
        self._renamed: set[str] = set()
        """VIP names that DNS has not followed yet."""
        self._real_servers = 0

    async def run_once(
        self,
        cluster: Cluster,
        change: Change | None = None,
        *,
        whole: bool,
        thorough: bool = False,
        remembered: bool = False,
    ) -> float | None:
        """Bring names and kernel to this cluster; ``whole`` compares all that the kernel has.

        ``thorough`` believes nothing of it that is known, and reads it all.
        ``change`` is what may differ from the cluster of the last run; None for anything. Of one
        that is only remembered, the kernel may know better, and keeps what it has. Returns
        when there is more to do, by ``time.monotonic``; None when there isn't. Raises Transient
        when the kernel can't follow: what could be published then is, and the next run does the
        rest.
        """
        started = time.perf_counter()
        now = time.monotonic()
        trusting = remembered or self.views is NOTHING
        believed = self._checking.believed(trusting=trusting)
        # The first views are of all that is believed; should they fail, others take what changed.
        judged = {} if self.views is NOTHING else self._checking.take()
        if judged:
            if change is None:
                change = difference(self.views.cluster, cluster)
            change |= Change(tasks=self._follow_health(judged))
        many = change is None or len(change.tasks) > MANY
        with _uncollected() if many else nullcontext():
            before = self.views
            views, differences = await asyncio.to_thread(
                lambda: (
                    found := derive(cluster, self._rules, before, change, now, believed),
                    self._telling.differences(before, found, change),
                )
            )
            self.views = views
            self._telling.cluster(views, differences)
            self._checking.follow(views.unwatched, views.new, believed)
            await self._update(views.removed, views.added)
        for zone in self._responder.zones:
            zone.loaded = zone.loaded or zone.apex != self._vip_apex
        names = self._follow(now)
        self._measure(views)
        wakes = [views.wanted.wake, self._guard.wake]
        await self._publish(self._standing(names))
        if self._kernel is not None:
            changed = frozenset(self._changed)
            with self._metrics.kernel_seconds.time():
                if remembered:
                    report = await self._kernel.adopt(self.targets)
                else:
                    report = await self._kernel.sync(
                        self.targets, changed, whole=whole, thorough=thorough
                    )
            self._changed.clear()
            if not self._dry:
                self._checking.lead(views.wanted.paths.ways)
            self._report(report, believed, whole=whole or remembered, first=before is NOTHING)
            wakes.append(report.wake)
        await self._publish(names)
        self._renamed.clear()
        if before is NOTHING:
            self._telling.only(self.published)
        for zone in self._responder.zones:
            zone.loaded = True
        self._metrics.reconcile_seconds.observe(time.perf_counter() - started)
        return min((wake for wake in wakes if wake is not None), default=None)

    def _follow_health(self, judged: Mapping[Target, tuple[Status, Status]]) -> frozenset[TaskKey]:
        """Say what is believed of targets, and return the tasks that it is about."""
        watched, tasks = self.views.watched, self.views.cluster.tasks
        self._telling.health(judged, watched)
        for _, after in judged.values():
            self._metrics.health_changes.labels(after.standing).inc()
        keys = (key for target in judged for key in watched.get(target, ()))
        return frozenset(key for key in keys if key in tasks)

    def _follow(self, now: float) -> Mapping[str, tuple[str, ...]]:
        """Take the targets over, but for what is held back; return the names to publish."""
        wanted, before = self.views.wanted, self._guard
        self._guard, targets = guards.step(
            before, self.targets, wanted.targets, wanted.changed, now
        )
        self._changed |= wanted.changed | set(before.held)
        self._renamed |= frozenset() if self._dry else wanted.renamed
        for key in self._changed:
            self._real_servers += _size(targets.get(key)) - _size(self.targets.get(key))
        self.targets = targets
        held = self._guard.held
        if len(held) > len(before.held):
            told = reasons.held(len(held), self._guard.patience)
            self._telling.say(told, level=logging.WARNING)
        if before.held and not held:
            self._renamed |= self.published.keys() - wanted.names.keys()
        addresses = {key.address for key in held}
        return {
            name: found
            for name in self._renamed
            if (found := wanted.names.get(name) or self._held(name, addresses))
        }

    def _held(self, name: str, addresses: Set[str]) -> tuple[str, ...]:
        """Return the addresses that a name keeps, as its virtual servers are held back."""
        return tuple(a for a in self.published.get(name, ()) if a in addresses)

    def _standing(self, names: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        """Return what of the names that change may be answered until the kernel has followed."""
        moved = {move.address for move in self.views.wanted.moves}
        return {
            name: tuple(
                address
                for address in self.published.get(name, ())
                if address in names.get(name, ()) or address in moved
            )
            for name in self._renamed
        }

    async def _publish(self, names: Mapping[str, tuple[str, ...]]) -> None:
        """Answer these addresses for the names that change."""
        gone, new = {}, {}
        for name in self._renamed:
            old, addresses = self.published.get(name, ()), names.get(name, ())
            if old != addresses:
                gone[name], new[name] = old, addresses
        await self._update(self._records(gone), self._records(new))
        self._telling.names(gone, new)
        for name, addresses in new.items():
            if addresses:
                self.published[name] = addresses
            else:
                self.published.pop(name, None)

    def _records(self, names: Mapping[str, tuple[str, ...]]) -> list[Record]:
        records = [
            record
            for name, addresses in names.items()
            for record in address_records(f"{name}.{self._vip_apex}", addresses, self._vip_ttl)
        ]
        return [*records, *self._rules.reverse.of(records)]

    async def _update(self, removed: Sequence[Record], added: Sequence[Record]) -> None:
        """Change the zones in slices, between which the event loop answers queries.

        What is new comes first: a name that changes has both for a moment, never neither.
        """
        responder = self._responder
        for at in range(0, len(added), SLICE):
            responder.invalidate(responder.zones.update((), added[at : at + SLICE]))
            await asyncio.sleep(0)
        for at in range(0, len(removed), SLICE):
            responder.invalidate(responder.zones.update(removed[at : at + SLICE], ()))
            await asyncio.sleep(0)

    def _measure(self, views: Views) -> None:
        metrics = self._metrics
        metrics.tasks.set(len(views.cluster.tasks))
        metrics.agents.set(len(views.cluster.agents))
        metrics.notes.set(len(views.notes))
        metrics.virtual_servers.set(len(self.targets))
        metrics.real_servers.set(self._real_servers)
        metrics.held.set(len(self._guard.held))
        for zone in self._responder.zones:
            metrics.records.labels(zone.apex).set(len(zone))

    def _report(self, report: Report, believed: Health, *, whole: bool, first: bool) -> None:
        for change in report.changes:
            self._metrics.kernel_changes.labels(type(change).__name__).inc()
        self._metrics.kernel_changes.labels("surroundings").inc(report.surroundings)
        self._metrics.kernel_failures.inc(len(report.failures))
        self._metrics.kernel_repairs.inc(0 if self._dry else report.repaired)
        self._metrics.draining.set(report.draining)
        self._metrics.programmed.set(report.programmed)
        self._telling.kernel(report, self.views, believed.statuses, dry=self._dry, renewed=first)
        # What stood before a change stands after it: only a look at all of it can tell otherwise.
        self.complaints = frozenset(report.complaints) | (frozenset() if whole else self.complaints)
        self._telling.complaints(self.complaints)
        if whole:
            self.compared = report


def _size(target: elect.Target | None) -> int:
    return len(target.server.real_servers) if target else 0

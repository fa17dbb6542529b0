"""Publishes the views of a Cluster: names at once, virtual servers in the kernel, then their names.

The order is the point (DCOS_OSS-4939): the name of a VIP appears after the kernel serves it, and
is gone before the kernel loses it.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

from pointsman.discovery.errors import Transient
from pointsman.discovery.model import Change, Cluster
from pointsman.dns.answer import Responder
from pointsman.dns.records import Record, address_records
from pointsman.metrics import Metrics
from pointsman.pipeline import NOTHING, Rules, Views, derive
from pointsman.vip.kernel import Report
from pointsman.worker import KernelWorker

log = logging.getLogger("pointsman.reconcile")
SLICE = 500
"""Records that are changed at once, while no query is answered: a millisecond or two."""

MANY = 1_000
"""Tasks in a change after which the garbage collector has nothing to find, and much to look at."""

MOST_LINES = 20
"""Changes that are logged one by one; of more only the number is."""


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
    ) -> None:
        """``kernel`` is None where virtual servers are switched off."""
        self.views: Views = NOTHING
        self.published: Mapping[str, tuple[str, ...]] = {}
        """Addresses by VIP name, as DNS answers them now."""
        self._rules = rules
        self._vip_apex = vip_apex
        self._vip_ttl = vip_ttl
        self._responder = responder
        self._kernel = kernel
        self._metrics = metrics
        self._complaint = ""

    async def run_once(
        self, cluster: Cluster, change: Change | None = None, *, whole: bool
    ) -> None:
        """Bring names and kernel to this cluster; ``whole`` looks after settings and rules as well.

        ``change`` is what may differ from the cluster of the last run; None for anything. Raises
        Transient when the kernel can't follow: what could be published then is, and the next run
        does the rest.
        """
        started = time.perf_counter()
        many = change is None or len(change.tasks) > MANY
        with _uncollected() if many else nullcontext():
            views = await asyncio.to_thread(derive, cluster, self._rules, self.views, change)
            self.views = views
            await self._update(views.removed, views.added)
        for zone in self._responder.zones:
            zone.loaded = zone.loaded or zone.apex != self._vip_apex
        self._measure(views)
        names = views.wanted.names
        await self._publish({n: a for n, a in self.published.items() if names.get(n) == a})
        if self._kernel is not None:
            if whole:
                await self._prepare(self._kernel)
            self._report(await self._kernel.sync(views.wanted.table))
        await self._publish(names)
        for zone in self._responder.zones:
            zone.loaded = True
        self._metrics.reconcile_seconds.observe(time.perf_counter() - started)

    async def _prepare(self, kernel: KernelWorker) -> None:
        """Set what VIPs need around them; one that can't be set leaves the rest working."""
        try:
            self._report(await kernel.prepare())
        except Transient as error:
            if str(error) != self._complaint:
                log.warning("%s; VIPs go on without it", error)
            self._complaint = str(error)
        else:
            self._complaint = ""

    async def _publish(self, names: Mapping[str, tuple[str, ...]]) -> None:
        """Answer exactly these VIP names."""
        gone = {n: a for n, a in self.published.items() if names.get(n) != a}
        new = {n: a for n, a in names.items() if self.published.get(n) != a}
        if gone or new:
            await self._update(self._records(gone), self._records(new))
        self.published = names

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
        metrics.virtual_servers.set(len(views.wanted.table))
        metrics.real_servers.set(sum(len(s.real_servers) for s in views.wanted.table.values()))
        for zone in self._responder.zones:
            metrics.records.labels(zone.apex).set(len(zone))

    def _report(self, report: Report) -> None:
        for change in report.changes:
            self._metrics.kernel_changes.labels(type(change).__name__).inc()
        self._metrics.kernel_changes.labels("surroundings").inc(report.surroundings)
        self._metrics.kernel_failures.inc(len(report.failures))
        for change in report.changes[:MOST_LINES]:
            log.info("%s", change)
        if len(report.changes) > MOST_LINES:
            log.info("and %d changes more", len(report.changes) - MOST_LINES)
        for failure in report.failures[:MOST_LINES]:
            log.warning("the kernel refused to %s", failure)

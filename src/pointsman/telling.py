"""Tells what happened, once: to the ring of events, to who waits for them, and to the log."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence

from pointsman import reasons
from pointsman.discovery.model import Change, TaskKey, difference
from pointsman.events import Happening, Ring
from pointsman.healthcheck.model import Status, Target
from pointsman.pipeline import NOTHING, Views
from pointsman.vip.model import Failure
from pointsman.vip.parts import Report

log = logging.getLogger("pointsman.events")


class Telling:
    """Keeps in mind what was told, over all configurations, so that nothing is told twice."""

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self._told = NOTHING
        """The views whose tasks and leader were told of."""
        self._followed = NOTHING
        """The views that the kernel has followed."""
        self._names: dict[str, tuple[str, ...]] = {}
        """Addresses by VIP name, as was told."""
        self._refused: frozenset[Failure] = frozenset()
        self._complaints: frozenset[str] = frozenset()

    def say(self, *found: Happening, level: int = logging.INFO) -> None:
        """Tell of these, now."""
        self.ring.add(found, time.time())
        for one in found:
            log.log(level, "%s", one)

    def differences(self, before: Views, after: Views, change: Change | None) -> list[Happening]:
        """Return what of the cluster has not been told, for ``cluster``; a thread may ask.

        ``change`` is what differs between the two views; None for anything.
        """
        told = self._told.cluster
        if change is None or before is not self._told:
            change = difference(told, after.cluster)
        return list(reasons.tasks(told, after.cluster, change))

    def cluster(self, after: Views, found: Iterable[Happening]) -> None:
        """Tell of the tasks that ``differences`` found, and of the leader."""
        self.say(*found, level=logging.DEBUG)
        self.say(*reasons.leader(self._told.cluster, after.cluster))
        self._told = after

    def health(
        self,
        judged: Mapping[Target, tuple[Status, Status]],
        watched: Mapping[Target, frozenset[TaskKey]],
    ) -> None:
        """Tell what became of targets."""
        self.say(*reasons.health(judged, watched))

    def names(
        self, before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]]
    ) -> None:
        """Tell which of these VIP names have other addresses; those without any are gone."""
        known = {name: self._names.get(name, ()) for name in {*before, *after}}
        self.say(*reasons.names(known, after, self._told), level=logging.DEBUG)
        for name in known:
            self._names.pop(name, None)
            if after.get(name):
                self._names[name] = after[name]

    def only(self, names: Mapping[str, tuple[str, ...]]) -> None:
        """Tell of the VIP names that are gone, as these are all."""
        self.names(dict.fromkeys(self._names.keys() - names.keys(), ()), {})

    def kernel(
        self,
        report: Report,
        after: Views,
        statuses: Mapping[Target, Status],
        *,
        dry: bool,
        renewed: bool,
    ) -> None:
        """Tell what was changed in the kernel for these views, and what it refused.

        ``renewed`` says that the configuration is another than for the views before.
        """
        before, self._followed = self._followed, after
        self.say(
            *reasons.kernel(
                report, before, after, statuses, dry=dry, renewed=renewed and before is not NOTHING
            )
        )
        if report.repaired and not dry:
            count = f"{report.repaired} things set right"
            why = "somebody else had changed them"
            self.say(Happening("kernel", "the kernel", "", count, why), level=logging.WARNING)
        self.say(*reasons.refusals(report, self._refused), level=logging.WARNING)
        self._refused = frozenset(report.failures)

    def complaints(self, after: frozenset[str]) -> None:
        """Tell what VIPs need around them and do not have, or have again."""
        before, self._complaints = self._complaints, after
        why = "VIPs go on without it"
        for one in sorted(after - before):
            self.say(Happening("node", "surroundings", "", one, why), level=logging.WARNING)
        for one in sorted(before - after):
            self.say(Happening("node", "surroundings", one, "", "it is there now"))

    def reloaded(self, path: str, problems: Sequence[str]) -> None:
        """Tell that the configuration was read again, or what was wrong with it."""
        for problem in problems:
            self.say(Happening("config", path, "", "reload refused", problem), level=logging.ERROR)
        if not problems:
            self.say(Happening("config", path, "", "reloaded"))

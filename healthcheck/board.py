"""All targets with what is believed of them, and who is probed next; time is an argument."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from pointsman.healthcheck import state as states
from pointsman.healthcheck.model import Place, Result, Standing, Status, Target, Timing
from pointsman.healthcheck.schedule import Schedule
from pointsman.healthcheck.state import State


class Way(msgspec.Struct, frozen=True, gc=False):
    """How a target is reached that is asked through its virtual server."""

    address: str
    port: int
    mark: int


class Board:
    """Takes targets and results, and tells who is due and what changed."""

    def __init__(self, seed: str = "", damping: float = 0.0) -> None:
        """``seed`` tells this node from others; ``damping`` is in seconds, as in ``state.step``."""
        self.states: dict[Target, State] = {}
        self.damping = damping
        self._schedule = Schedule[Target](seed)
        self.ways: Mapping[Target, Way] = {}
        """How targets are reached that are asked through their virtual servers."""

    def add(self, target: Target, status: Status, now: float) -> None:
        """Have a target probed from now on; does nothing for one that is.

        One of which nothing is known is asked soon: somebody waits for it.
        """
        if target in self.states:
            return
        timing = target.check.timing
        self.states[target] = states.begin(now, status)
        within = timing.edge if status.standing is Standing.NEW else timing.interval
        self._schedule.add(target, now, min(within, timing.interval))

    def remove(self, target: Target) -> None:
        """Have it probed no more."""
        if self.states.pop(target, None):
            self._schedule.remove(target)

    def next(self) -> float | None:
        """Return when somebody is due."""
        return self._schedule.next()

    def due(self, now: float, most: int) -> Iterator[tuple[Target, Place, float]]:
        """Yield who is to be probed now, where, and since when, at most so many."""
        for target, due in self._schedule.due(now, most):
            timeout = target.check.timing.timeout
            if not target.via:
                yield target, Place(target.address, target.port, timeout), due
            elif way := self.ways.get(target):
                yield target, Place(way.address, way.port, timeout, way.mark), due
            else:
                self._schedule.again(target, due, target.check.timing.edge, now)

    def take(self, target: Target, due: float, result: Result, now: float) -> Status | None:
        """Note what a probe found; return what is believed then, if that is something else.

        One that was due before the target was seen (again) tells of another who was there.
        """
        before = self.states.get(target)
        if before is None or due < before.first:
            return None
        timing: Timing = target.check.timing
        after = states.step(before, result, timing, self.damping, now)
        self.states[target] = after
        if before.seen is Standing.NEW and after.seen is not Standing.NEW:
            # Those that came together were asked soon, and so together; now each has its turn.
            self._schedule.add(target, now, timing.interval)
        else:
            self._schedule.again(target, due, states.delay(after, timing), now)
        return after.status if after.status != before.status else None

    def suspect(self, targets: Iterable[Target], now: float) -> None:
        """Have targets probed at once, of which something else says that they may be down."""
        for target in targets:
            if target in self.states:
                self._schedule.hasten(target, now)

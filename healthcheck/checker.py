"""Probes what is due, so many at a time, and tells what is believed then."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from pointsman.healthcheck.board import Board
from pointsman.healthcheck.counts import Counts
from pointsman.healthcheck.model import Outcome, Place, Probe, Result, Status, Target, kind

Ask: TypeAlias = Callable[[Probe, Place], Awaitable[Result]]

GATHER = 0.02
"""Seconds for which what comes due is gathered: to wake the thread costs more than a probe."""
TICK = 0.005
"""Seconds for which what happens is gathered; verdicts wait for it, so it is shorter."""


class Checker:
    """An event loop's part of the health checks."""

    def __init__(
        self,
        board: Board,
        ask: Ask,
        told: Callable[[Mapping[Target, Status]], None],
        counts: Counts,
        *,
        sockets: int = 1000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``told`` is called with what changed; ``sockets`` is how many probes run at once."""
        self.board = board
        self.sockets = sockets
        self._ask = ask
        self._told = told
        self._counts = counts
        self._clock = clock
        self._running: set[asyncio.Task[None]] = set()
        self._changes: dict[Target, Status] = {}
        self._until = math.inf
        """Until when it sleeps, unless something happens: that one is due sooner, for example."""
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Have it look again at who is due."""
        self._wake.set()

    async def run(self) -> None:
        """Probe until cancelled."""
        try:
            while True:
                self.begin()
                await self._rest()
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    def begin(self) -> None:
        """Begin the probes that are due, and tell what the last ones changed."""
        now = self._clock()
        for target, place, due in self.board.due(now, self.sockets - len(self._running)):
            self._counts.late(now - due)
            task = asyncio.create_task(self._probe(target, place, due), name=str(target))
            self._running.add(task)
            task.add_done_callback(self._ended)
        self._counts.running = len(self._running)
        if self._changes:
            changes, self._changes = self._changes, {}
            self._told(changes)

    def _ended(self, task: asyncio.Task[None]) -> None:
        full = len(self._running) >= self.sockets
        self._running.discard(task)
        self._counts.running = len(self._running)
        following = self.board.next()
        if full or self._changes or (following is not None and following < self._until):
            self.wake()

    async def _rest(self) -> None:
        """Sleep until some are due, or something happened."""
        due = self.board.next()
        self._until = math.inf if due is None else due
        full = len(self._running) >= self.sockets
        wait = None if due is None or full else max(due - self._clock(), 0) + GATHER
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            pass
        else:
            self._wake.clear()
            await asyncio.sleep(TICK)

    async def _probe(self, target: Target, place: Place, due: float) -> None:
        began = self._clock()
        try:
            result = await self._ask(target.check.probe, place)
        except Exception as error:  # noqa: BLE001 - one probe must not end the others
            result = Result(Outcome.UNTRIED, f"{type(error).__name__}: {error}")
        now = self._clock()
        self._counts.probed(kind(target.check.probe), result.outcome, now - began)
        if changed := self.board.take(target, due, result, now):
            self._changes[target] = changed

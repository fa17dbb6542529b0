"""Runs the health checks in a thread of their own, and remembers what is down between runs."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from immutables import Map

from pointsman.discovery import files
from pointsman.discovery.errors import Transient
from pointsman.healthcheck.board import Board, Way
from pointsman.healthcheck.checker import Ask, Checker
from pointsman.healthcheck.counts import Counts
from pointsman.healthcheck.model import Health, Standing, Status, Target, untimed
from pointsman.healthcheck.probes import ask
from pointsman.healthcheck.settings import HealthConfig
from pointsman.healthcheck.state import DOWN, State

log = logging.getLogger("pointsman.health")
SAVE = 1.0
"""Seconds between two savings of what is down, at least."""


class Down(msgspec.Struct, frozen=True, gc=False):
    """A target that was down when it was last thought of."""

    target: Target
    standing: Standing
    reason: str


class Checking:
    """What is believed of all targets, for the thread of the event loop that it is made in."""

    def __init__(
        self,
        path: Path,
        changed: Callable[[], None],
        seed: str = "",
        probe: Ask = ask,
    ) -> None:
        """``path`` is the file of what is down; ``changed`` says that there is more to take."""
        self.health = Health()
        self.counts = Counts()
        self._path = path
        self._changed = changed
        self._judged: dict[Target, tuple[Status, Status]] = {}
        self._board = Board(seed)
        self._checker = Checker(self._board, probe, self._told, self.counts)
        self._home: asyncio.AbstractEventLoop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._failed: BaseException | None = None
        self._ways: Map[Target, Way] = Map()
        self._unsaved = asyncio.Event()
        self._remembered = _read(path)

    def configure(self, config: HealthConfig) -> None:
        """Go by this configuration from now on."""

        def take_over() -> None:
            self._board.damping = config.damping
            self._checker.sockets = config.sockets
            self._checker.wake()

        self._there(take_over)

    def believed(self, *, trusting: bool) -> Health:
        """Return what is believed; what was down in the run before is so until it is probed.

        So is what was down by a check that a new configuration makes at other times.
        """
        statuses = self.health.statuses
        if not trusting:
            return Health(statuses)
        if self._remembered:
            statuses = statuses.update(
                {t: s for t, s in self._remembered.items() if t not in statuses}
            )
        alike = {untimed(t): s for t, s in statuses.items() if s.standing in DOWN}
        return Health(statuses, trusting, alike)

    def take(self) -> dict[Target, tuple[Status, Status]]:
        """Return of which targets something else is believed than at the last call: was and is."""
        judged, self._judged = self._judged, {}
        return judged

    def follow(self, gone: Collection[Target], new: Iterable[Target], believed: Health) -> None:
        """Probe what was probed, without these and with those, of which that is believed."""
        now = time.monotonic()
        statuses = self.health.statuses.mutate()
        for target in gone:
            statuses.pop(target, None)
        come = {}
        for target in new:
            if target not in statuses:
                found = believed.of(target)
                come[target] = statuses[target] = Status(found.standing, now, found.reason)
        if not gone and not come:
            return
        self.health = Health(statuses.finish())
        self._unsaved.set()

        def take_over() -> None:
            for target in gone:
                self._board.remove(target)
            for target, status in come.items():
                self._board.add(target, status, now)
            self._checker.wake()

        self._there(take_over)

    def only(self, targets: Collection[Target]) -> None:
        """Probe none but these of those that are probed."""
        self.follow([t for t in self.health.statuses if t not in targets], (), self.health)
        self._remembered = {}

    def lead(self, ways: Map[Target, Way]) -> None:
        """Ask targets these ways that are asked through their virtual servers."""
        if ways is not self._ways:
            self._ways = ways

            def take_over() -> None:
                self._board.ways = ways

            self._there(take_over)

    def states(self) -> dict[Target, State]:
        """Return all that is known of each target now."""
        return dict(self._board.states)

    async def run(self) -> None:
        """Keep what is down in the file; raises what ended the thread, should it end."""
        while True:
            await self._unsaved.wait()
            if self._failed:
                raise self._failed
            await self._save()
            await asyncio.sleep(SAVE)

    async def close(self) -> None:
        """End the thread and all probes, and keep what is down if that isn't kept yet."""
        if self._loop and self._thread:
            with suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._loop.stop)
            await asyncio.to_thread(self._thread.join)
        if self._unsaved.is_set():
            await self._save()

    async def _save(self) -> None:
        self._unsaved.clear()
        down = [Down(t, s.standing, s.reason) for t, s in self.health.statuses.items()
                if s.standing in DOWN]  # fmt: skip
        try:
            await asyncio.to_thread(files.replace, self._path, [msgspec.json.encode(down)])
        except Transient as error:
            log.warning("%s; a restart would try again what is down", error)

    def _told(self, changes: Mapping[Target, Status]) -> None:
        """Take over what changed; called in the thread that probes."""
        self._home.call_soon_threadsafe(self._take, changes)

    def _take(self, changes: Mapping[Target, Status]) -> None:
        before = self.health.statuses
        there = {target: status for target, status in changes.items() if target in before}
        self.health = Health(before.update(there))
        for target, status in there.items():
            was, _ = self._judged.get(target, (before[target], status))
            self._judged[target] = (was, status)
        self._unsaved.set()
        self._changed()

    def _there(self, work: Callable[[], None]) -> None:
        """Do it in the thread that probes, which begins with the first that there is to do."""
        if self._loop is None:
            self._home = asyncio.get_running_loop()
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._probe, name="health", daemon=True)
            self._thread.start()
        self._loop.call_soon_threadsafe(work)

    def _fail(self, error: BaseException | None) -> None:
        self._failed = error or RuntimeError("the health checks ended")
        self._unsaved.set()

    def _probe(self) -> None:
        assert self._loop is not None
        loop = self._loop
        asyncio.set_event_loop(loop)
        running = loop.create_task(self._checker.run(), name="checks")
        running.add_done_callback(lambda _: loop.stop())
        try:
            loop.run_forever()
            if running.done() and not running.cancelled():
                self._home.call_soon_threadsafe(self._fail, running.exception())
            else:
                running.cancel()
                loop.run_until_complete(asyncio.gather(running, return_exceptions=True))
        finally:
            loop.close()


def _read(path: Path) -> dict[Target, Status]:
    """Return what was down; nothing where the file is missing or damaged."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=list[Down])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return {one.target: Status(one.standing, 0.0, one.reason) for one in found}

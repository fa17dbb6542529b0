"""Follows the leading master: by its stream of events, or, where it has none for us, by polling.

Modes, best first; the first is tried again now and then, and whenever another master may lead:

stream     SUBSCRIBE on the operator API: the whole state, then every change as it happens
get_state  the whole state from the operator API, again and again
state      the same from ``/state``, which every version has
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TypeAlias
from urllib.parse import urlencode

import msgspec

from pointsman.discovery import details, fold, trust, v0, v1
from pointsman.discovery.backoff import delays
from pointsman.discovery.errors import Transient
from pointsman.discovery.listing import Listing, gather
from pointsman.discovery.master import Masters, Refused
from pointsman.discovery.model import ENDED, Change, Cluster, Master, TaskKey
from pointsman.discovery.pieces import pieces
from pointsman.discovery.questions import Questions
from pointsman.discovery.seen import Seen
from pointsman.discovery.stream import Stream
from pointsman.discovery.trust import Trust

log = logging.getLogger("pointsman.discovery")

STREAM, GET_STATE, STATE = MODES = ("stream", "get_state", "state")
OPERATOR = "/api/v1"

UPGRADE = 300.0
"""Seconds until a better mode is tried again."""
PATIENCE = 2
"""Streams that may break before they began until another mode is tried."""
CONFIRM = 5.0
"""Seconds until a reading that lacked many tasks is checked by another."""
STARTING = "TASK_STARTING"
STUCK = 12.0
"""Seconds in this state after which a master is asked about a task. It tells of the next state only
when the framework has acknowledged this one, though by then it knows of it: the agent repeats an
update after ten seconds, with the latest state beside it."""

_put = msgspec.structs.replace

Publish: TypeAlias = Callable[[Cluster, Change], None]


class Pace(msgspec.Struct, frozen=True):
    """How often and how long, in seconds."""

    poll: float = 5.0
    """From the end of one reading to the start of the next, where there is no stream."""
    timeout: float = 30.0
    """For one whole answer."""
    retry_max: float = 15.0
    """Between tries, at most, while no master answers."""
    resync: float = 600.0
    """Until a stream is begun anew, and with it the whole state compared."""


class Watch:
    """Keeps the trust in what the masters say, and publishes each change of what to believe."""

    def __init__(
        self, masters: Masters, pace: Pace, begin: Trust, publish: Publish, seen: Seen
    ) -> None:
        self.trust = begin
        self._unconfirmed = begin.cluster is not None
        """What is believed was only remembered until now."""
        self._masters = masters
        self._pace = pace
        self._publish = publish
        self._seen = seen
        self._mode = STREAM
        self._upgrade = 0.0
        self._look = asyncio.Event()
        self._following: asyncio.Timeout | None = None
        self._elected: Master | None = None
        self._questions = Questions(self._ask)
        self._unbegun = 0

    def elected(self, masters: Sequence[Master]) -> None:
        """Follow the first of these, of which the others are candidates, from now on."""
        self._masters.replace(map(str, masters))
        self._elected = masters[0]
        if self._seen.mode == STREAM and self.trust.told.leader == masters[0]:
            self._tell(*trust.led(self.trust, self._masters.known))
            return
        self._mode = STREAM
        self._look.set()
        self._again(0)

    async def run(self) -> None:
        """Follow for ever; what can't be read leaves the last good view."""
        complaint = ""
        retries = self._retries()
        while True:
            self._look.clear()
            before = self._seen.heard
            try:
                await self._once()
                complaint = ""
            except Transient as error:
                self._seen.failures += 1
                self._seen.mode = ""
                if self._seen.heard != before:  # it worked for a while
                    complaint, retries = "", self._retries()
                if str(error) != complaint:
                    stands = "; the last good view stands" if self.trust.cluster else ""
                    log.warning("%s%s", error, stands)
                complaint = str(error)
                await self._pause(next(retries))

    def _retries(self) -> Iterator[float]:
        return delays(min(0.25, self._pace.poll), self._pace.retry_max)

    async def _pause(self, seconds: float) -> None:
        """Wait, at most until another master may lead."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._look.wait()

    async def _once(self) -> None:
        """Follow in the best mode that works now: a stream to its end, or one reading."""
        if time.monotonic() >= self._upgrade:
            self._mode, self._upgrade = STREAM, time.monotonic() + UPGRADE
        refusals = []
        for mode in MODES[MODES.index(self._mode) :]:
            try:
                await (self._stream() if mode == STREAM else self._poll(mode))
            except Refused as error:
                refusals.append(str(error))
            else:
                return
        raise Transient("; ".join(refusals))

    def _works(self, mode: str) -> None:
        """Note that a mode works."""
        self._seen.heard = time.time()
        self._seen.readings[mode] += 1
        self._mode = mode
        if self._seen.mode != mode:
            self._seen.mode = mode
            only = "" if mode == STREAM else "; it gives no stream"
            log.info("following %s by %s%s", self.trust.told.leader, mode, only)

    # Polling.

    async def _poll(self, mode: str) -> None:
        """Read the whole state once, and wait until it is time for the next."""
        if mode == STATE:
            address, document = await self._masters.document("/state")
            reading = await asyncio.to_thread(_gathered, document, v0.read, self.trust.told)
        else:
            address, document = await self._masters.document(OPERATOR, _call("GET_STATE"))
            reading = await asyncio.to_thread(_gathered, document, v1.read, self.trust.told)
            reading = await self._signed(reading, address)
        if reading.leader is None:
            raise Transient(f"the state of {address} names no leader")
        await self._take(reading)
        self._works(mode)
        await self._pause(CONFIRM if self.trust.doubted else self._pace.poll)
        self._settle()

    async def _signed(self, reading: Cluster, address: str) -> Cluster:
        """Return what the operator API told with what it tells only when asked for more."""
        who, document = await self._masters.document(OPERATOR, _call("GET_MASTER"), address)
        leader, elected = v1.master(b"".join(document))
        if who != address or leader is None:
            raise Transient(f"{address} told its state, but {who} leads")
        frameworks = reading.frameworks
        if any(not framework.address for framework in frameworks.values()):
            _, document = await self._masters.document("/state-summary", at=address)
            frameworks = v0.with_schedulers(frameworks, b"".join(document))
        return _put(reading, leader=leader, elected=elected, frameworks=frameworks)

    # The stream.

    async def _stream(self) -> None:
        """Follow a stream until it is time for a new one; raises Transient when it breaks."""
        async with self._masters.asking(OPERATOR, _call("SUBSCRIBE")) as (address, reply):
            stream = Stream(address, reply.content, self._pace.timeout)
            change = await self._begin(stream, address)
            wait = CONFIRM if self.trust.doubted else self._pace.resync * random.uniform(0.8, 1.2)
            asking = asyncio.create_task(self._questions.run(), name="questions")
            try:
                for key in await asyncio.to_thread(_unsettled, self.trust.told, change):
                    self._questions.put(key)
                async with asyncio.timeout(wait) as self._following:
                    if self._elected not in (None, self.trust.told.leader):
                        self._elected = None
                        self._again(0)  # it was elected while this stream began
                    async for event in stream.events():
                        self._hear(event)
            except TimeoutError:
                log.debug("time for a new stream")
            finally:
                self._following = None
                asking.cancel()

    async def _begin(self, stream: Stream, address: str) -> Change:
        """Take the state with which a stream begins; return what of it is new."""
        try:
            reading = await self._signed(await stream.begin(self.trust.told), address)
        except Transient as error:
            self._unbegun += 1
            if self._unbegun < PATIENCE:
                raise
            raise Refused(f"{error}, {self._unbegun} times") from error
        self._unbegun = 0
        change = await self._take(reading)
        if self._seen.mode == STREAM:
            self._seen.corrected += len(change.tasks)
        self._works(STREAM)
        return change

    def _hear(self, event: v1.Event) -> None:
        self._seen.heard = time.time()
        self._seen.events[type(event).__name__] += 1
        if isinstance(event, v1.TaskUpdated) and event.time:
            self._seen.lag_sum += max(self._seen.heard - event.time, 0.0)
            self._seen.lag_count += 1
        self._tell(*trust.hear(self.trust, event))
        if key := fold.unclear(self.trust.told, event):
            self._questions.put(key)
        elif isinstance(event, v1.TaskUpdated) and event.state == STARTING:
            self._questions.put(event.key, STUCK)
        if isinstance(event, v1.FrameworkChanged) and not event.framework.address:
            self._again(CONFIRM)  # where its scheduler is, no event tells
        self._settle()

    def _again(self, seconds: float) -> None:
        """Begin the stream anew after this time."""
        if self._following:
            self._following.reschedule(asyncio.get_running_loop().time() + seconds)

    async def _ask(self, key: TaskKey) -> bool:
        """Ask the master about a task that is unclear; tell whether it still is."""
        known = self.trust.told.tasks.get(key)
        if known is not None and known.state != STARTING and details.settled(known):
            return False
        self._seen.asked += 1
        query = urlencode({"framework_id": key[0], "task_id": key[1]})
        try:
            _, document = await self._masters.document(f"/tasks?{query}")
            listed = v0.read(b"".join(document)).tasks
        except Transient as error:
            log.debug("asking about task %s: %s", key[1], error)
            return True
        found = next((task for task in listed if task.key == key), None)
        if found is None or found.state in ENDED:
            return False
        if self.trust.told.tasks.get(key) is known:  # nothing newer came in the meantime
            self._tell(*trust.hear(self.trust, v1.TaskAdded(found)))
        return found.state == STARTING or not details.settled(found)

    # What both lead to.

    async def _take(self, reading: Cluster) -> Change:
        """Believe a whole reading as far as it is to be believed."""
        reading = _put(reading, masters=self._masters.known)
        before = self.trust
        after, change = await asyncio.to_thread(trust.believe, before, reading, time.monotonic())
        leader = reading.leader
        if before.told.leader != leader:
            log.info("the leading master is %s", leader)
        if after.waiting and not before.waiting:
            log.warning(
                "%s has not heard of all agents yet: %d tasks stand until it has",
                *(leader, after.standing),
            )
        if after.doubted:
            self._seen.guarded += 1
            log.warning("%d tasks vanished at once: a second reading decides", len(after.doubted))
        if after.cluster is None:
            log.info("%s leads, and has not heard of its agents yet", leader)
        self._tell(after, change)
        return change

    def _settle(self) -> None:
        self._tell(*trust.settle(self.trust, time.monotonic()))

    def _tell(self, after: Trust, change: Change) -> None:
        """Publish what to believe from now on, if it changed, or was only remembered."""
        if self.trust.waiting and not after.waiting:
            log.info("%s knows of all agents that are left", after.told.leader)
        self.trust = after
        confirms = self._unconfirmed and not after.waiting and not after.doubted
        if (change or confirms) and after.cluster is not None:
            self._unconfirmed = self._unconfirmed and not confirms
            self._publish(after.cluster, change)


def _call(kind: str) -> bytes:
    return b'{"type":"%s"}' % kind.encode()


def _gathered(document: list[bytes], read: Callable[[bytes], Listing], known: Cluster) -> Cluster:
    return gather(map(read, pieces(document)), known)


def _unsettled(cluster: Cluster, change: Change) -> list[TaskKey]:
    """Return the tasks of a new reading of which the master has more to say."""
    changed = ((key, cluster.tasks.get(key)) for key in change.tasks)
    return [key for key, task in changed if task is not None and not details.settled(task)]

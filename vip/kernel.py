"""Brings a kernel to what its virtual servers should come to, with all that they need around them.

What the kernel has is read whole at the start, after a refusal, and from time to time; in between
it is known, and a change costs only what it changes.
"""

from collections.abc import Collection, Iterator, Mapping

import msgspec

from pointsman.discovery.errors import Transient
from pointsman.vip.diff import diff, moves
from pointsman.vip.elect import Target
from pointsman.vip.model import (
    Activity,
    Change,
    DeleteServer,
    Endpoint,
    Failure,
    Key,
    VirtualServer,
)
from pointsman.vip.owned import Memory, Standing
from pointsman.vip.parts import Look, Memories, Report, Routes, Rules, Servers, Settings, Wants
from pointsman.vip.surroundings import Surroundings
from pointsman.vip.transition import Drain, Passage, step

READ = 10
"""Of so many comparisons one reads all that the kernel tells, the others what it lists cheaply."""
RETRY, MOST_RETRY = 1.0, 64.0
"""Seconds after a refusal until all is read and compared again: the first, and at most."""

KEEP_CONNECTIONS = {"net.ipv4.vs.expire_nodest_conn": "0"}
"""While a real server is deleted and added again: its connections wait rather than break."""


class Kernel:
    """The only thing that changes the kernel; blocking, for one thread at a time."""

    def __init__(
        self,
        servers: Servers,
        routes: Routes,
        rules: Rules | None,
        settings: Settings,
        owned: Memories,
        wants: Wants,
    ) -> None:
        """``rules`` is None where there are to be none."""
        self._servers = servers
        self._routes = routes
        self._rules = rules
        self._settings = settings
        self._owned = owned
        self._wants = wants
        self._around = Surroundings(servers, settings, owned, wants)
        self._inside = Memory(ranges=frozenset(wants.ranges))
        self._actual: dict[Key, VirtualServer] | None = None
        """What the kernel has; None when that must be read."""
        self._outside: frozenset[Key] = frozenset()
        """Virtual servers that are wanted outside of our ranges."""
        self._retry = RETRY
        self._foreign = 0
        """How many virtual servers of others there are."""
        self._looks = 0
        """How often the kernel was compared as a whole."""
        self._ready = False
        """All surroundings are there: what they lack from now on somebody took away."""
        self._passages = self._remembered()

    def adopt(self, targets: Mapping[Key, Target], now: float) -> Report:
        """Make of the targets what the kernel lacks, and leave all that it has as it is.

        For targets that may be older than what the kernel was told by the run before. Raises
        Transient when the kernel can't be asked.
        """
        report = self._whole(targets, None, (), now, adopt=True)
        self._actual = None
        return report

    def sync(
        self,
        targets: Mapping[Key, Target],
        changed: Collection[Key],
        now: float,
        *,
        whole: bool = False,
        thorough: bool = False,
    ) -> Report:
        """Make our share of the kernel's table what the targets ask for now.

        ``changed`` are the targets that differ from those of the call before; the first call takes
        all. ``whole`` compares the kernel with what it should have, and ``thorough`` reads it all
        for that rather than what it lists cheaply. A virtual server is ours when
        its address lies in our ranges, or a label names it, or did until now. Raises Transient
        when the kernel can't be asked.
        """
        known = self._actual
        due = (k for k, p in self._passages.items() if p.wake is not None and p.wake <= now)
        keys = {*changed, *due}
        if whole or known is None:
            return self._whole(targets, known, keys, now, thorough=thorough)
        return self._part(targets, known, keys, now)

    def look(self) -> Look:
        """Return what there is of ours now, and what goes through it."""
        table = self._servers.table()
        ours = {key: server for key, server in table.items() if self._covers(key)}
        return Look(
            ours,
            self._servers.activity(ours),
            self.traffic(),
            {
                (key, endpoint): drain.deadline
                for key, passage in self._passages.items()
                for endpoint, drain in passage.drains.items()
            },
            self._around.read(),
        )

    def activity(self, keys: Collection[Key]) -> Mapping[Key, Mapping[Endpoint, Activity]]:
        """Return what goes to the real servers of these virtual servers."""
        return self._servers.activity(keys)

    def traffic(self) -> Mapping[Key, Activity]:
        """Return what went through each virtual server of ours."""
        return {key: found for key, found in self._servers.traffic().items() if self._covers(key)}

    def flush(self) -> Report:
        """Remove everything that was made here, and set settings back to what they were."""
        memory = self._owned.memory
        ours = msgspec.structs.replace(memory, ranges=memory.ranges | self._inside.ranges)
        changes = tuple(DeleteServer(k) for k in sorted(self._servers.table()) if ours.covers(k))
        failures = self._servers.apply(changes) if changes else ()
        removed = self._routes.remove() + (self._rules.remove() if self._rules else 0)
        restored = self._around.restore(memory)
        self._actual = None
        if not failures:
            self._owned.keep(Memory())
        return Report(changes, failures, removed + restored)

    def _whole(
        self,
        targets: Mapping[Key, Target],
        known: Mapping[Key, VirtualServer] | None,
        changed: Collection[Key],
        now: float,
        *,
        adopt: bool = False,
        thorough: bool = False,
    ) -> Report:
        """Read everything, and make all of it right."""
        actual = self._read(thorough=thorough)
        if actual is known:
            keys, ours, there = set(changed), set[Key](), set(targets)
        else:
            ours = {key for key in actual if key in targets or self._covers(key)}
            keys = {key for key in targets if key not in actual} if adopt else {*targets, *ours}
            there = {*targets, *ours} if adopt else set(targets)
            self._outside = frozenset(key for key in there if not self._inside.covers(key))
        # Remembered before they are made, so that a crash in between leaves nothing behind.
        self._own(self._outside)
        complaints: list[str] = []
        surroundings = self._around.ensure(complaints)
        if self._rules:
            served = {key for key in there if key in actual or _live(targets[key].server)}
            try:
                surroundings += self._rules.ensure(served)
            except Transient as error:
                complaints.append(str(error))
        if not self._ready:
            # Where no address is local yet, the kernel refuses real servers. What it has is whole.
            there_yet = {k.address for k in self._outside if k in actual and not k.fwmark}
            surroundings += self._routes.sync(sorted(there_yet))
        foreign = frozenset[Key]()
        if known is not None and actual is not known:
            mine = ours | {key for key in known if self._covers(key)}
            foreign = frozenset(key for key in mine if actual.get(key) != known.get(key))
        report = self._part(targets, actual, keys, now, routes=True)
        surroundings += report.surroundings
        repaired = len(foreign) + (surroundings if self._ready else 0)
        self._ready = not complaints
        return msgspec.structs.replace(
            report,
            surroundings=surroundings,
            repaired=repaired,
            foreign=foreign,
            complaints=(*complaints, *report.complaints),
        )

    def _read(self, *, thorough: bool) -> dict[Key, VirtualServer]:
        """Return what the kernel has; what was known is believed where a look confirms it."""
        known, self._actual = self._actual, None
        self._looks += 1
        all_ = thorough or self._looks % READ == 0
        if known is None or all_ or not self._servers.holds(known):
            known = dict(self._servers.table())
            self._foreign = sum(not self._covers(key) for key in known)
        self._actual = known
        return known

    def _part(
        self,
        targets: Mapping[Key, Target],
        actual: dict[Key, VirtualServer],
        keys: Collection[Key],
        now: float,
        *,
        routes: bool = False,
    ) -> Report:
        """Make these virtual servers right; ``routes`` looks after all routes in any case."""
        before = self._outside
        outside = {key for key in keys if not self._inside.covers(key)}
        come = {key for key in outside if key in targets} - before
        gone = {key for key in outside if key not in targets} & before
        if come or gone:
            self._outside = before - gone | come
        wanted = dict(self._steps(targets, actual, keys, now))
        self._own(come)
        changes = diff({k: actual[k] for k in keys if k in actual}, wanted, self._covers)
        complaints: list[str] = []
        self._rule(wanted.keys() - actual.keys(), complaints, new=True)
        self._around.allow(wanted, complaints)
        self._actual = None
        failures = self._apply(changes)
        if not failures:
            for key in keys:
                actual.pop(key, None)
            actual |= wanted
            self._actual = actual
        self._rule({c.key for c in changes if isinstance(c, DeleteServer)}, complaints, new=False)
        # Routes come last: a VIP is reachable once it is whole, and clients of one that ends get a
        # reset rather than silence.
        surroundings = 0
        if routes or come or gone:
            alone = {key.address for key in self._outside if not key.fwmark}
            surroundings = self._routes.sync(sorted(alone))
        self._remember(exactly=not failures and (routes or bool(gone)))
        wakes = [p.wake for p in self._passages.values() if p.wake is not None]
        if failures:
            wakes.append(now + self._retry)
            self._retry = min(2 * self._retry, MOST_RETRY)
        else:
            self._retry = RETRY
        return Report(
            changes,
            failures,
            surroundings,
            complaints=tuple(complaints),
            programmed=len(actual) - self._foreign,
            draining=sum(len(p.drains) for p in self._passages.values()),
            wake=min(wakes, default=None),
        )

    def _steps(
        self,
        targets: Mapping[Key, Target],
        actual: Mapping[Key, VirtualServer],
        keys: Collection[Key],
        now: float,
    ) -> Iterator[tuple[Key, VirtualServer]]:
        """Yield what the kernel should have now of these."""
        draining = [k for k in keys if k in self._passages and self._passages[k].drains]
        counted = self._servers.activity(draining) if draining else {}
        for key in keys:
            active = {endpoint: a.active for endpoint, a in counted.get(key, {}).items()}
            before = self._passages.pop(key, Passage())
            server, passage = step(key, targets.get(key), actual.get(key), active, before, now)
            if passage != Passage():
                self._passages[key] = passage
            if server is not None:
                yield key, server

    def _apply(self, changes: tuple[Change, ...]) -> tuple[Failure, ...]:
        if not changes:
            return ()
        if not moves(changes):
            return self._servers.apply(changes)
        try:
            before = self._settings.ensure(KEEP_CONNECTIONS)
        except Transient:
            return self._servers.apply(changes)  # some connections may break
        try:
            return self._servers.apply(changes)
        finally:
            self._settings.ensure(before)

    def _covers(self, key: Key) -> bool:
        return self._inside.covers(key) or self._owned.memory.covers(key)

    def _rule(self, keys: Collection[Key], complaints: list[str], *, new: bool) -> None:
        if not self._rules or not keys:
            return
        try:
            if new:
                self._rules.admit(keys)
            else:
                self._rules.dismiss(keys)
        except Transient as error:
            complaints.append(str(error))

    def _own(self, come: Collection[Key]) -> None:
        """Call these ours from now on, and what is in our ranges."""
        memory = self._owned.memory
        ranges = memory.ranges | self._inside.ranges
        keys = memory.keys.union(come) if come else memory.keys
        self._owned.keep(msgspec.structs.replace(memory, keys=keys, ranges=ranges))

    def _remember(self, *, exactly: bool) -> None:
        """Keep in mind until when what drains may; exactly: and that nothing else is ours."""
        drains = frozenset(
            Standing(key, endpoint, drain.deadline)
            for key, passage in self._passages.items()
            for endpoint, drain in passage.drains.items()
        )
        memory = msgspec.structs.replace(
            self._owned.memory, drains=drains, boot=self._wants.boot if drains else ""
        )
        if exactly:
            ranges = self._inside.ranges
            memory = msgspec.structs.replace(memory, keys=self._outside, ranges=ranges)
        self._owned.keep(memory)

    def _remembered(self) -> dict[Key, Passage]:
        """Return the drains of the run before, if it was of this boot."""
        memory = self._owned.memory
        found: dict[Key, dict[Endpoint, Drain]] = {}
        if memory.boot == self._wants.boot:
            for one in memory.drains:
                found.setdefault(one.key, {})[one.endpoint] = Drain(one.deadline)
        return {key: Passage(drains) for key, drains in found.items()}


def _live(server: VirtualServer) -> bool:
    return any(real.weight for real in server.real_servers.values())

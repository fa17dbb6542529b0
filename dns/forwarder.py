"""Answers questions about other zones: from the cache, or from those who know."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable

from pointsman.dns import exchange, message, wire
from pointsman.dns.cache import Cache, Kept
from pointsman.dns.counts import Counts
from pointsman.dns.exchange import Exchange
from pointsman.dns.forward import Forward
from pointsman.dns.limit import Networks
from pointsman.dns.query import Answer, Query
from pointsman.dns.race import Race
from pointsman.dns.reply import Reply
from pointsman.dns.upstreams import Routes, Upstream

STALE_WAIT = 1.8
"""Seconds that a client waits before it is given an answer that is too old (RFC 8767 section 5)."""

RETURNED_WAIT = 2.0
"""The same for a question that comes from the host where it is being asked, before it has failed.

It may be our own that came back; or of a client there, who may want to know what is slow.
"""

MOST_ASKED = 1_024
"""Questions that are being asked at once."""

MOST_WAITING = 4_096
"""Clients that wait for them."""

_META = range(128, 255)
"""Types that are no data of a name (RFC 6895 section 3.1), but for ANY."""


class Forwarder:
    """Answers for the names of no own zone; to be used within one event loop."""

    def __init__(
        self,
        settings: Forward,
        routes: Routes,
        counts: Counts,
        *,
        exchange: Exchange = exchange.ask,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``routes`` say whom to ask; ``exchange`` asks, and ``clock`` gives seconds."""
        self.routes = routes
        self.cache = Cache(settings.cache_size, settings.serve_stale)
        self.lookups: Counter[str] = Counter()
        """How often the cache had an answer (hit), one that is too old and was given (stale), that
        nobody can answer (failure), or nothing (miss)."""
        self._timeout = settings.timeout
        self._counts = counts
        self._allowed = Networks(settings.allow)
        self._clock = clock
        self._race = Race(exchange, clock)
        self._asking: dict[bytes, asyncio.Task[Reply | None]] = {}
        self._waiting = 0

    @property
    def asking(self) -> int:
        """Questions that are being asked now."""
        return len(self._asking)

    def answer(self, query: Query) -> Answer:
        """Answer a question about a name of no own zone."""
        upstreams = self.routes.of(query.name)
        allowed = query.flags & wire.RD and query.client in self._allowed
        if not upstreams or not allowed or query.type in _META or query.type == wire.OPT:
            return self._coded(query, wire.REFUSED, "refused")
        key, now = _key(query), self._clock()
        kept = self.cache.found(key, now)
        if kept is not None and kept.fresh(now):
            self.lookups["hit"] += 1
            self._count(query, "cached")
            return kept.answer(query, now)
        if self.cache.failed(key, now):
            return self._without(query, kept)
        down = all(one.down for one in upstreams)
        if kept is not None and down and not any(one.due(now) for one in upstreams):
            return self._without(query, kept)
        returned = key in self._asking and any(one.host == query.client for one in upstreams)
        if self._waiting >= MOST_WAITING or not self._begun(key, upstreams):
            self._counts.dropped["forward_full"] += 1
            return self._without(query, kept) if kept or query.tcp else None
        if kept is not None and down:
            return self._without(query, kept)
        patience = RETURNED_WAIT if returned else STALE_WAIT if kept else None
        return self._later(query, self._asking[key], kept, patience)

    async def close(self) -> None:
        """Ask nobody any more; who waits is told that it failed."""
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)
        await self._race.close()

    def _begun(self, key: bytes, upstreams: tuple[Upstream, ...]) -> bool:
        """See to it that a question is being asked, once for all who want to know."""
        if key not in self._asking:
            if len(self._asking) >= MOST_ASKED:
                return False
            task = asyncio.create_task(self._asked(key, upstreams))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key))
        return True

    async def _asked(self, key: bytes, upstreams: tuple[Upstream, ...]) -> Reply | None:
        flags, dnssec = wire.RD | key[-1] & wire.CD, key[-1] & 0x80
        found = await self._race.ask(upstreams, key[:-1], flags, dnssec, self._timeout)
        if found is None:
            self.cache.fail(key, self._clock())
        else:
            self.cache.keep(key, found, self._clock())
        return found

    async def _later(
        self,
        query: Query,
        task: asyncio.Task[Reply | None],
        kept: Kept | None,
        patience: float | None,
    ) -> AsyncIterator[bytes]:
        """Yield what is found, or what there is when that takes too long."""
        self._waiting += 1
        try:
            await asyncio.wait({task}, timeout=patience)
        finally:
            self._waiting -= 1
        found = task.result() if task.done() and not task.cancelled() else None
        if found is None:
            yield self._without(query, kept)
        else:
            self.lookups["miss"] += 1
            self._count(query, "forwarded")
            yield found.answer(query, 0)

    def _without(self, query: Query, kept: Kept | None) -> bytes:
        """Answer without anyone's help."""
        if kept is None:
            self.lookups["failure"] += 1
            return self._coded(query, wire.SERVFAIL, "servfail")
        self.lookups["stale"] += 1
        self._count(query, "stale")
        return kept.answer(query, self._clock())

    def _coded(self, query: Query, code: int, outcome: str) -> bytes:
        self._count(query, outcome)
        return message.bare(query, wire.QR | wire.RA | query.flags & wire.RD | code)

    def _count(self, query: Query, outcome: str) -> None:
        self._counts.cell("tcp" if query.tcp else "udp", query.type, outcome)[0] += 1


def _key(query: Query) -> bytes:
    """Return what answers are known by: the question in small letters, and the bits DO and CD."""
    name, rest = query.question[:-4], query.question[-4:]
    return name.lower() + rest + bytes([query.dnssec | query.flags & wire.CD])

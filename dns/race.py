"""Asks several upstreams, and takes the first answer that is of use."""

import asyncio
from collections.abc import Callable, Iterable

from pointsman.dns import upstreams
from pointsman.dns.exchange import SOCKETS, Exchange
from pointsman.dns.reply import Reply
from pointsman.dns.upstreams import Upstream

PATIENCE = 0.4
"""Seconds until another upstream is asked beside those that are slow."""

BETTER = 1.0
"""Seconds that a better answer is waited for after one that is of no use."""

MOST_LINGERING = 64
"""Questions that are waited for although another upstream was faster.

Who always loses would not be known to be slow, or dead.
"""


class Race:
    """Asks; knows nothing of caches and clients."""

    def __init__(self, exchange: Exchange, clock: Callable[[], float]) -> None:
        """``clock`` gives seconds, and never goes back."""
        self._exchange = exchange
        self._clock = clock
        self._lingering: set[asyncio.Task[Reply | str]] = set()

    async def ask(
        self,
        among: Iterable[Upstream],
        question: bytes,
        flags: int,
        dnssec: int,
        timeout: float,
    ) -> Reply | None:
        """Return a good answer, None when there is none within so many seconds."""
        now = self._clock()
        last = ends = now + timeout
        first, rest = upstreams.chosen(among, now)
        waiting = list(rest)

        def begin(one: Upstream) -> asyncio.Task[Reply | str]:
            left = last - self._clock()
            return asyncio.create_task(self._one(one, question, flags, dnssec, left))

        pending = set(map(begin, first))
        try:
            while pending and (left := ends - self._clock()) > 0:
                patience = min(left, PATIENCE) if waiting else left
                done, pending = await asyncio.wait(
                    pending, timeout=patience, return_when=asyncio.FIRST_COMPLETED
                )
                for found in (task.result() for task in done):
                    if isinstance(found, Reply):
                        if upstreams.good(found.code):
                            return found
                        ends = min(ends, self._clock() + BETTER)
                if waiting:
                    pending.add(begin(waiting.pop(0)))
            return None
        finally:
            self._let_go(pending)

    async def close(self) -> None:
        """Wait for no upstream any more."""
        for task in self._lingering:
            task.cancel()
        await asyncio.gather(*self._lingering, return_exceptions=True)

    async def _one(
        self, upstream: Upstream, question: bytes, flags: int, dnssec: int, timeout: float
    ) -> Reply | str:
        """Ask one, and note how it did."""
        started = self._clock()
        upstream.asked(started)
        found = await self._exchange(upstream.host, upstream.port, question, flags, dnssec, timeout)
        now = self._clock()
        if isinstance(found, Reply):
            upstream.answered(found.code, now - started, now)
        elif found != SOCKETS:
            upstream.failed(found, now)
        return found

    def _let_go(self, pending: Iterable[asyncio.Task[Reply | str]]) -> None:
        for task in pending:
            if len(self._lingering) < MOST_LINGERING:
                self._lingering.add(task)
                task.add_done_callback(self._lingering.discard)
            else:
                task.cancel()

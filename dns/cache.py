"""Answers of upstreams, kept as long as they say, and for a while after that for bad times."""

import msgspec

from pointsman.dns.query import Query
from pointsman.dns.reply import STALE, Reply

OCTETS = 2_048
"""Octets that each answer may have on average; those that an entry takes beside it are counted."""

_ENTRY = 512
"""Octets of an entry beside its key and its records."""

FIRST_FAILURE, MOST_FAILURE = 1.0, 5.0
"""Seconds that it is remembered that nobody could answer: at first, and at most when it goes on.

RFC 9520 section 3.2 wants one second at least and a growing time.
"""

MOST_FAILED = 10_000
"""Questions of which that is remembered."""


class Kept(msgspec.Struct, frozen=True):
    """An answer and its times, in seconds of the clock."""

    reply: Reply
    made: float

    def fresh(self, now: float) -> bool:
        """Tell whether its time is not over."""
        return now < self.made + self.reply.lifetime

    def answer(self, query: Query, now: float) -> bytes:
        """Return the answer to a query of this question."""
        return self.reply.answer(query, int(now - self.made) if self.fresh(now) else STALE)


class Cache:
    """Answers by question; what was not asked for longest goes first."""

    def __init__(self, most: int, stale: float) -> None:
        """``most`` answers are kept, each ``stale`` seconds longer than it counts."""
        self.octets = 0
        """About what all take."""
        self._most = most
        self._stale = stale
        self._kept: dict[bytes, Kept] = {}
        self._failed: dict[bytes, tuple[float, float]] = {}
        """Until when nobody is asked again, and how long that was."""

    def __len__(self) -> int:
        return len(self._kept)

    def found(self, key: bytes, now: float) -> Kept | None:
        """Return what is kept, be it fresh or not."""
        kept = self._kept.pop(key, None)
        if kept is None:
            return None
        if now >= kept.made + kept.reply.lifetime + self._stale:
            self.octets -= _octets(key, kept)
            return None
        self._kept[key] = kept
        return kept

    def keep(self, key: bytes, reply: Reply, now: float) -> None:
        """Keep an answer, if it may be kept, in place of any other to the question."""
        self._failed.pop(key, None)
        before = self._kept.pop(key, None)
        if before is not None:
            self.octets -= _octets(key, before)
        if not reply.lifetime or not self._most:
            return
        kept = self._kept[key] = Kept(reply, now)
        self.octets += _octets(key, kept)
        while len(self._kept) > self._most or self.octets > self._most * OCTETS:
            first = next(iter(self._kept))
            self.octets -= _octets(first, self._kept.pop(first))

    def fail(self, key: bytes, now: float) -> None:
        """Remember that nobody could answer."""
        until, wait = self._failed.pop(key, (now, 0.0))
        # What failed long ago says nothing of what fails now.
        again = now < until + MOST_FAILURE
        wait = min(2 * wait, MOST_FAILURE) if wait and again else FIRST_FAILURE
        if len(self._failed) >= MOST_FAILED:
            del self._failed[next(iter(self._failed))]
        self._failed[key] = (now + wait, wait)

    def failed(self, key: bytes, now: float) -> bool:
        """Tell whether a question need not be asked again yet."""
        until, _ = self._failed.get(key, (0.0, 0.0))
        return now < until


def _octets(key: bytes, kept: Kept) -> int:
    return len(key) + kept.reply.octets + _ENTRY

"""What happened here lately, numbered, for who asks and who waits for more."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["task", "health", "kernel", "name", "leader", "config", "node"]

KEPT = 2_000
"""Events that are remembered."""


class Happening(msgspec.Struct, frozen=True, gc=False):
    """Something that happened: an Event that has no number yet."""

    kind: Kind
    what: str
    """Its subject: a task's id, ``tcp 11.0.0.1:80``, a VIP's name, and so on."""
    before: str = ""
    """What stood before; empty for nothing, as is ``after``."""
    after: str = ""
    why: str = ""

    def __str__(self) -> str:
        """Return the line for people: ``SUBJECT: BEFORE -> AFTER; WHY``."""
        change = f"{self.before or 'none'} -> {self.after or 'none'}"
        if self.kind in ("config", "node") and not self.before:
            change = self.after
        if not self.before and not self.after:
            change = ""
        line = ": ".join(filter(None, (self.what, change)))
        return f"{line}; {self.why}" if self.why else line


class Event(msgspec.Struct, frozen=True, gc=False):
    """A Happening with its number and its time."""

    id: int
    """Rises by one."""
    at: float
    """Seconds since 1970."""
    kind: Kind
    what: str
    before: str
    after: str
    why: str


class Page(msgspec.Struct, frozen=True):
    """Some events, the oldest first."""

    events: tuple[Event, ...]
    last: int
    """What to ask for the next ones since."""


class Ring:
    """The latest events, at most ``KEPT``."""

    def __init__(self, first: int = 1) -> None:
        """``first`` is the number that events begin with.

        A number that rises from run to run keeps who asks on after a restart from missing any.
        """
        self.last = first - 1
        """The number of the latest event."""
        self._kept: deque[Event] = deque(maxlen=KEPT)
        self._more = asyncio.Event()

    def add(self, found: Iterable[Happening], at: float) -> None:
        """Remember what happened at this time, in seconds since 1970."""
        before = self.last
        for one in found:
            self.last += 1
            self._kept.append(
                Event(self.last, at, one.kind, one.what, one.before, one.after, one.why)
            )
        if self.last != before:
            self._more.set()
            self._more = asyncio.Event()

    async def more(self, since: int) -> None:
        """Wait until there is an event later than this one."""
        while self.last <= since:
            await self._more.wait()

    def page(self, since: int | None, limit: int, kind: Kind | None = None) -> Page:
        """Return the first ``limit`` events after one, of a kind or of all; None for the latest.

        Of a number that was never given here, all are later.
        """
        if since is None:
            latest = list(
                islice((e for e in reversed(self._kept) if kind in (None, e.kind)), limit)
            )
            return Page(tuple(reversed(latest)), self.last)
        found = tuple(islice((e for e in self._after(since) if kind in (None, e.kind)), limit))
        return Page(found, found[-1].id if len(found) == limit else self.last)

    def _after(self, since: int) -> Iterator[Event]:
        first = self.last - len(self._kept) + 1
        start = since + 1 - first if first <= since <= self.last else 0
        return islice(self._kept, start, None)

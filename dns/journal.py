"""How a zone changed, step by step: what an incremental transfer tells (RFC 1995)."""

from collections import deque
from collections.abc import Iterator
from itertools import islice

import msgspec

HALF = 1 << 31
"""Serials further apart than this are in the other order (RFC 1982 section 3.2)."""

WHOLE = 1 << 32


class Line(msgspec.Struct, frozen=True, gc=False, order=True):
    """A record as it is answered."""

    name: str
    type: str
    ttl: int
    data: str


class Step(msgspec.Struct, frozen=True):
    """One change of a zone."""

    before: int
    """The serial that it changed."""
    after: int
    removed: tuple[Line, ...]
    added: tuple[Line, ...]


class Journal:
    """The latest steps of a zone, each beginning at the serial where the one before it ended."""

    def __init__(self, most: int) -> None:
        """``most`` is how many records all steps may have."""
        self._most = most
        self._steps: deque[Step] = deque()
        self._records = 0

    def __len__(self) -> int:
        return self._records

    def add(self, step: Step) -> None:
        """Remember a step; the oldest are forgotten for it."""
        if self._steps and self._steps[-1].after != step.before:
            self._steps.clear()
            self._records = 0
        self._steps.append(step)
        self._records += _size(step)
        while self._steps and self._records > self._most:
            self._records -= _size(self._steps.popleft())

    def since(self, serial: int) -> tuple[Step, ...] | None:
        """Return the steps from a serial to the latest, None when they are not all known."""
        newest: list[Step] = []
        for step in reversed(self._steps):
            newest.append(step)
            if step.before == serial:
                return tuple(reversed(newest))
        return None


def _size(step: Step) -> int:
    return 1 + len(step.removed) + len(step.added)


def newer(serial: int, other: int) -> bool:
    """Tell whether a serial comes after another (RFC 1982)."""
    return 0 < (serial - other) % WHOLE < HALF


def latest(serials: Iterator[int]) -> int:
    """Return the one that comes after all others, of serials that lie near each other."""
    found = next(serials)
    for serial in islice(serials, None):
        found = serial if newer(serial, found) else found
    return found

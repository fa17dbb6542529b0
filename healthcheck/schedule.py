"""When each target is probed next: spread evenly, so that neither one node nor all burst."""

import hashlib
import heapq
import math
from collections.abc import Hashable, Iterator
from random import Random
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

JITTER = 0.05
"""Share of an interval by which it may be shorter or longer."""

_RUNNING = -math.inf
"""In place of a time: was due, and has not come back yet."""


def phase(seed: str, what: object) -> float:
    """Return where in an interval something has its turn, 0 to below 1: for each seed elsewhere.

    What one seed puts together another must spread, which a CRC does not do: it is linear.
    """
    hashed = hashlib.blake2b(f"{seed} {what}".encode(), digest_size=4).digest()
    return int.from_bytes(hashed, "big") / 2**32


class Schedule(Generic[K]):
    """Who is due when; times are those that are given, no clock is read."""

    def __init__(self, seed: str = "") -> None:
        """``seed`` tells this node from others, which probe the same targets at other times."""
        self._seed = seed
        self._random = Random(seed)
        self._due: dict[K, float] = {}
        self._began: dict[K, float] = {}
        """When those came that are being probed."""
        self._heap: list[tuple[float, int, K]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, key: K) -> bool:
        return key in self._due

    def add(self, key: K, now: float, within: float) -> None:
        """Have it come for the first time within so many seconds, at the turn of its own."""
        self._put(key, now + within * phase(self._seed, key))

    def remove(self, key: K) -> None:
        """Have it come no more."""
        self._due.pop(key, None)
        self._began.pop(key, None)

    def again(self, key: K, due: float, delay: float, now: float) -> None:
        """Have one that was due then come again; what was missed until it came is not made up for.

        It keeps its turn: after a time in which nobody could come, all would go on as one burst.
        One that took longer than from turn to turn comes at once.
        """
        if self._due.get(key) == _RUNNING:
            missed = max((self._began.pop(key) - due) // delay, 0.0)
            spread = delay * (1 + JITTER * self._random.uniform(-1, 1))
            self._put(key, max(due + missed * delay + spread, now))

    def hasten(self, key: K, now: float) -> None:
        """Have it come now, unless it is sooner due or is being probed."""
        if self._due.get(key, _RUNNING) > now:
            self._put(key, now)

    def next(self) -> float | None:
        """Return when somebody is due; None when nobody is scheduled."""
        self._forget()
        return self._heap[0][0] if self._heap else None

    def due(self, now: float, most: int) -> Iterator[tuple[K, float]]:
        """Yield who is due, and since when, at most so many; they come again by ``again`` only."""
        for _ in range(most):
            self._forget()
            if not self._heap or self._heap[0][0] > now:
                return
            due, _, key = heapq.heappop(self._heap)
            self._due[key] = _RUNNING
            self._began[key] = now
            yield key, due

    def _put(self, key: K, due: float) -> None:
        self._due[key] = due
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, key))

    def _forget(self) -> None:
        """Drop what stands first and counts no more."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)

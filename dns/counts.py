"""What the DNS server counts: plain numbers, so that counting costs the answers next to nothing."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

from pointsman.dns import wire

BOUNDS = (5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 1.0)
"""Seconds: the upper ends of a histogram's buckets, but for the last, which has none."""

SHOWN = wire.NAMES | {
    5: "CNAME",
    15: "MX",
    wire.ANY: "ANY",
    wire.AXFR: "AXFR",
    wire.IXFR: "IXFR",
    64: "SVCB",
    65: "HTTPS",
}
"""Types that are counted by name; all others together, so that a client can't make up series."""

NATIVE_OUTCOMES = ("answered", "nodata", "nxdomain", "truncated")
"""What becomes of queries over UDP that native code answers, by its numbers."""

Numbers: TypeAlias = tuple[Sequence[tuple[int, int, int]], Sequence[int], int, int, int]
"""What native code has counted: queries as (type or 0, outcome, how many); a histogram of BOUNDS;
nanoseconds spent; queries passed up to Python, and those for which there was no room."""


class Durations:
    """A histogram of seconds."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float, times: int = 1) -> None:
        """Add as many observations of one length."""
        self.counts[bisect_left(BOUNDS, seconds)] += times
        self.sum += seconds * times


class Counts:
    """Counters of one process; they go on over a reload."""

    def __init__(self) -> None:
        self.queries: dict[tuple[str, str, str], list[int]] = {}
        """How many, by transport, type and outcome: each a list of one number, to be added to."""
        self.dropped: Counter[str] = Counter()
        """What was not answered, or not in full, by why."""
        self.transfers: Counter[str] = Counter()
        """Zone transfers, by what became of them."""
        self.notifies: Counter[str] = Counter()
        """Notices to secondaries, by what became of them."""
        self.durations = {"udp": Durations(), "tcp": Durations()}
        """From a query read to its answer handed over, by transport; of answers known here."""
        self.passed = 0
        """Queries that native code left to Python."""
        self._sources: dict[Callable[[], Numbers], Numbers] = {}
        """Who counts elsewhere, and what of it was added here."""

    def cell(self, transport: str, type_: int, outcome: str) -> list[int]:
        """Return the place to count at, which is always the same for the same words."""
        key = transport, SHOWN.get(type_, "other"), outcome
        return self.queries.get(key) or self.queries.setdefault(key, [0])

    def gather(self, source: Callable[[], Numbers]) -> None:
        """Add what native code counts from now on, whenever it is collected."""
        self._sources[source] = (), (), 0, 0, 0

    def let_go(self, source: Callable[[], Numbers]) -> None:
        """Add what native code counted for the last time."""
        self.collect()
        del self._sources[source]

    def collect(self) -> None:
        """Add what native code counted since the last time."""
        for source, before in self._sources.items():
            now = self._sources[source] = source()
            self._add(before, -1)
            self._add(now, 1)

    def _add(self, numbers: Numbers, sign: int) -> None:
        queries, durations, nanoseconds, passed, full = numbers
        for type_, outcome, many in queries:
            self.cell("udp", type_, NATIVE_OUTCOMES[outcome])[0] += sign * many
        udp = self.durations["udp"]
        for bucket, many in enumerate(durations):
            udp.counts[bucket] += sign * many
        udp.sum += sign * nanoseconds / 1e9
        self.passed += sign * passed
        if full:
            self.dropped["native_full"] += sign * full

    def total(self, outcome: str = "") -> int:
        """Return how many queries there were, of all types, with one outcome or any."""
        self.collect()
        return sum(cell[0] for key, cell in self.queries.items() if outcome in ("", key[2]))

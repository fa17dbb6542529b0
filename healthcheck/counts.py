"""What the probes came to, in numbers."""

from bisect import bisect_left
from collections import Counter

from pointsman.healthcheck.model import Outcome

BUCKETS = (0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 2.0, 5.0)
"""Seconds: upper bounds of what is counted together."""


class Spread:
    """How many of some durations lay below each bound, and their sum."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0
        self.most = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds
        self.most = max(self.most, seconds)

    def cumulative(self) -> list[tuple[str, float]]:
        """Return bounds and how many lay at or below each, as a Prometheus histogram has them."""
        found, total = [], 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class Counts:
    """Of one process; written by the thread that probes, read by the one that tells."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, Outcome]] = Counter()
        """By kind of probe and what it found."""
        self.seconds: dict[str, Spread] = {}
        """How long probes took, by kind."""
        self.lateness = Spread()
        """How much later than planned probes began."""
        self.running = 0

    def probed(self, kind: str, outcome: Outcome, seconds: float) -> None:
        """Count a probe."""
        self.outcomes[kind, outcome] += 1
        if kind not in self.seconds:
            self.seconds[kind] = Spread()
        self.seconds[kind].add(seconds)

    def late(self, seconds: float) -> None:
        """Count how late one began."""
        self.lateness.add(max(seconds, 0.0))

"""Metrics of the health checks."""

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from pointsman.checking import Checking
from pointsman.healthcheck.counts import Spread
from pointsman.healthcheck.model import Standing


class HealthCollector(Collector):
    """What is believed of all targets now, and what the probes came to."""

    def __init__(self, checking: Checking) -> None:
        self._checking = checking

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        counts = self._checking.counts
        standing = Counter(s.standing for s in self._checking.health.statuses.values())
        targets = GaugeMetricFamily(
            "pointsman_health_targets",
            "Targets that this node probes, by what is believed of them: new (nothing yet), up, "
            "sick (bad or late answers), lost (nobody answers).",
            labels=["state"],
        )
        for one in Standing:
            targets.add_metric([one], standing[one])
        yield targets
        probes = CounterMetricFamily(
            "pointsman_health_probes",
            "Probes that ended, by kind and by what they found: good, refused, unreachable, slow, "
            "bad, untried (this side could not ask).",
            labels=["kind", "outcome"],
        )
        for (kind, outcome), count in sorted(counts.outcomes.copy().items()):
            probes.add_metric([kind, outcome], count)
        yield probes
        seconds = HistogramMetricFamily(
            "pointsman_health_probe_seconds", "How long probes took, by kind.", labels=["kind"]
        )
        for kind, spread in sorted(counts.seconds.copy().items()):
            _add(seconds, [kind], spread)
        yield seconds
        late = HistogramMetricFamily(
            "pointsman_health_late_seconds", "How much later than planned probes began."
        )
        _add(late, [], counts.lateness)
        yield late
        yield GaugeMetricFamily(
            "pointsman_health_running", "Probes that run now.", value=counts.running
        )

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the metrics are made anew each time."""
        return ()


def _add(family: HistogramMetricFamily, labels: list[str], spread: Spread) -> None:
    family.add_metric(labels, buckets=spread.cumulative(), sum_value=spread.sum)

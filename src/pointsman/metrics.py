"""Every metric, in one place; named by the conventions of Prometheus."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from pointsman import __version__


class Metrics:
    """All metrics, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # a second series for each
        self.registry = registry = CollectorRegistry()
        build = Gauge(
            "pointsman_build_info",
            "Always 1; the version is a label.",
            ["version"],
            registry=registry,
        )
        build.labels(__version__).set(1)
        self.state_reads = Counter(
            "pointsman_state_reads",
            "Readings of the master's state, by result (ok, transient).",
            ["result"],
            registry=registry,
        )
        self.state_time = Gauge(
            "pointsman_state_timestamp_seconds",
            "When the state that is served was read, in seconds since 1970.",
            registry=registry,
        )
        self.standing = Gauge(
            "pointsman_tasks_standing",
            "Tasks served though the last reading lacked them, by why: agent (it has not come back "
            "to a new leader), doubt (too many vanished at once).",
            ["why"],
            registry=registry,
        )
        self.tasks = Gauge("pointsman_tasks", "Tasks known, in any state.", registry=registry)
        self.agents = Gauge("pointsman_agents", "Agents known.", registry=registry)
        self.notes = Gauge(
            "pointsman_notes", "Things left out of a view because of bad data.", registry=registry
        )
        self.records = Gauge(
            "pointsman_dns_records",
            "Resource records served, by zone.",
            ["zone"],
            registry=registry,
        )
        self.virtual_servers = Gauge(
            "pointsman_virtual_servers",
            "Virtual servers that the kernel should have.",
            registry=registry,
        )
        self.real_servers = Gauge(
            "pointsman_real_servers", "Real servers that the kernel should have.", registry=registry
        )
        self.reconciles = Counter(
            "pointsman_reconciles",
            "Comparisons with the kernel, by result (ok, transient).",
            ["result"],
            registry=registry,
        )
        self.reconcile_seconds = Histogram(
            "pointsman_reconcile_duration_seconds",
            "From a new view of the cluster to names and kernel following it.",
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self.kernel_changes = Counter(
            "pointsman_kernel_changes",
            "Changes sent to the kernel, by kind (AddServer, SetReal, ..., surroundings).",
            ["kind"],
            registry=registry,
        )
        self.kernel_failures = Counter(
            "pointsman_kernel_failures", "Changes that the kernel refused.", registry=registry
        )

    def count_dns(self, counts: Callable[[], Mapping[str, int]]) -> None:
        """Export DNS counters, which are plain numbers in the server, at each scrape."""
        self.registry.register(_DnsCollector(counts))

    def text(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""
        return generate_latest(self.registry)


class _DnsCollector(Collector):
    def __init__(self, counts: Callable[[], Mapping[str, int]]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "pointsman_dns_queries", "DNS queries, by outcome.", labels=["outcome"]
        )
        for outcome, count in self._counts().items():
            family.add_metric([outcome], count)
        yield family

    def describe(self) -> Iterable[Metric]:
        return ()

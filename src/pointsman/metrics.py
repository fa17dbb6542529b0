"""Every metric, in one place; named by the conventions of Prometheus."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from pointsman import __version__
from pointsman.discovery.seen import Seen
from pointsman.discovery.trust import Trust
from pointsman.dns.counts import BOUNDS, Counts
from pointsman.dns.forwarder import Forwarder
from pointsman.traffic import Traffic


class Metrics:
    """All metrics, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # a second series for each
        self.registry = registry = CollectorRegistry()
        self.health_changes = Counter(
            "pointsman_health_changes",
            "Changes of what is believed of targets, by what it is then.",
            ["state"],
            registry=registry,
        )
        build = Gauge(
            "pointsman_build_info",
            "Always 1; the version is a label.",
            ["version"],
            registry=registry,
        )
        build.labels(__version__).set(1)
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
        self.programmed = Gauge(
            "pointsman_virtual_servers_programmed",
            "Virtual servers of ours that the kernel has.",
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
        self.kernel_seconds = Histogram(
            "pointsman_kernel_duration_seconds",
            "Of one comparison with the kernels and the changes it led to.",
            registry=registry,
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
        )
        self.traffic = Traffic()
        registry.register(self.traffic)
        self.kernel_changes = Counter(
            "pointsman_kernel_changes",
            "Changes sent to the kernel, by kind (AddServer, SetReal, ..., surroundings).",
            ["kind"],
            registry=registry,
        )
        self.kernel_repairs = Counter(
            "pointsman_kernel_repairs",
            "Virtual servers, routes, rules and settings that somebody else had changed.",
            registry=registry,
        )
        self.draining = Gauge(
            "pointsman_real_servers_draining",
            "Real servers that keep their connections and get no new ones.",
            registry=registry,
        )
        self.held = Gauge(
            "pointsman_virtual_servers_held",
            "Virtual servers that stand although their last real servers are gone, as too many "
            "lost them at once.",
            registry=registry,
        )
        self.namespaces = Gauge(
            "pointsman_namespaces",
            "Further network namespaces that have the same virtual servers.",
            registry=registry,
        )
        self.kernel_failures = Counter(
            "pointsman_kernel_failures", "Changes that the kernel refused.", registry=registry
        )

    def count_dns(self, counts: Counts) -> None:
        """Export DNS counters, which are plain numbers in the server, at each scrape."""
        self.registry.register(_DnsCollector(counts))

    def count_forwarding(self, told: Callable[[], Forwarder | None]) -> None:
        """Export what the upstreams of other zones do, and what is remembered of them."""
        self.registry.register(_ForwardingCollector(told))

    def count_discovery(self, told: Callable[[], tuple[Seen, Trust]]) -> None:
        """Export what happened while the cluster was followed."""
        self.registry.register(_DiscoveryCollector(told))

    def text(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""
        return generate_latest(self.registry)


class _DnsCollector(Collector):
    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        self._counts.collect()
        queries = CounterMetricFamily(
            "pointsman_dns_queries",
            "DNS queries, by transport, type and outcome (answered, truncated, nodata, nxdomain, "
            "refused, notimp, formerr, servfail, badvers; for other zones cached, forwarded, "
            "stale).",
            labels=["transport", "type", "outcome"],
        )
        for labels, cell in sorted(self._counts.queries.items()):
            queries.add_metric(labels, cell[0])
        yield queries
        yield _by(
            "pointsman_dns_dropped",
            "What was not answered, or not in full, by why: no_query (not a query), rate_limited, "
            "slipped (over the rate limit, and sent truncated), forward_full (too many are being "
            "asked of upstreams), native_full (too many wait for Python); and connections that "
            "were ended: tcp_connections (too many), tcp_per_client (too many of one client), "
            "tcp_idle, tcp_slow_reader.",
            "why",
            self._counts.dropped,
        )
        yield CounterMetricFamily(
            "pointsman_dns_passed",
            "DNS queries that the native responder left to Python.",
            value=self._counts.passed,
        )
        yield _by(
            "pointsman_dns_transfers",
            "Zone transfers, by what became of them: axfr (whole), ixfr (what changed), current "
            "(nothing had), to_tcp (asked over UDP, where it had no room), refused, not_loaded, "
            "too_many.",
            "outcome",
            self._counts.transfers,
        )
        yield _by(
            "pointsman_dns_notifies",
            "Notices to secondaries: sent, and of these answered, refused, unanswered.",
            "outcome",
            self._counts.notifies,
        )
        durations = HistogramMetricFamily(
            "pointsman_dns_duration_seconds",
            "From a query read to its answer sent, of answers known here; those that come together "
            "share their time.",
            labels=["transport"],
        )
        for transport, found in self._counts.durations.items():
            ends = [*map(str, BOUNDS), "+Inf"]
            durations.add_metric(
                [transport], list(zip(ends, accumulate(found.counts), strict=True)), found.sum
            )
        yield durations

    def describe(self) -> Iterable[Metric]:
        return ()


class _ForwardingCollector(Collector):
    def __init__(self, told: Callable[[], Forwarder | None]) -> None:
        self._told = told

    def collect(self) -> Iterator[Metric]:
        forwarder = self._told()
        upstreams = forwarder.routes.all if forwarder else ()
        up = GaugeMetricFamily(
            "pointsman_dns_upstream_up",
            "Whether an upstream is believed to answer (1) or not (0).",
            labels=["upstream"],
        )
        seconds = SummaryMetricFamily(
            "pointsman_dns_upstream_duration_seconds",
            "From a question to an upstream to its answer, of whatever kind.",
            labels=["upstream"],
        )
        failures = CounterMetricFamily(
            "pointsman_dns_upstream_failures",
            "Questions that an upstream gave no good answer to, by why: timeout, unreachable, "
            "damaged, or the code of its answer (servfail, refused, formerr, notimp, other).",
            labels=["upstream", "why"],
        )
        for one in upstreams:
            name = str(one)
            up.add_metric([name], not one.down)
            seconds.add_metric([name], one.answers, one.seconds)
            for why, count in sorted(one.failures.items()):
                failures.add_metric([name, why], count)
        yield from (up, seconds, failures)
        yield _by(
            "pointsman_dns_cache_lookups",
            "Questions about other zones, by what the cache had: hit, miss, stale (too old, and "
            "given as no upstream answers), failure (nothing, and no upstream answers).",
            "result",
            forwarder.lookups if forwarder else {},
        )
        yield GaugeMetricFamily(
            "pointsman_dns_cache_answers",
            "Answers of upstreams that are remembered, stale ones included.",
            value=len(forwarder.cache) if forwarder else 0,
        )
        yield GaugeMetricFamily(
            "pointsman_dns_cache_bytes",
            "About what they take.",
            value=forwarder.cache.octets if forwarder else 0,
        )
        yield GaugeMetricFamily(
            "pointsman_dns_forwarding",
            "Questions that upstreams are being asked now.",
            value=forwarder.asking if forwarder else 0,
        )

    def describe(self) -> Iterable[Metric]:
        return ()


class _DiscoveryCollector(Collector):
    def __init__(self, told: Callable[[], tuple[Seen, Trust]]) -> None:
        self._told = told

    def collect(self) -> Iterator[Metric]:
        seen, trust = self._told()
        yield GaugeMetricFamily(
            "pointsman_stream_up",
            "Whether the master's stream of events is followed (1) or not (0).",
            value=float(seen.mode == "stream"),
        )
        mode = InfoMetricFamily(
            "pointsman_discovery",
            "How the cluster is followed (stream, get_state, state, file; none while nothing "
            "works) and who leads.",
        )
        mode.add_metric([], {"mode": seen.mode or "none", "leader": str(trust.told.leader or "")})
        yield mode
        yield GaugeMetricFamily(
            "pointsman_view_stale",
            "Whether what is served is an old view (1), as no master confirms it now.",
            value=float(not seen.mode),
        )
        yield GaugeMetricFamily(
            "pointsman_view_timestamp_seconds",
            "When the view that is served was last confirmed, in seconds since 1970.",
            value=seen.heard,
        )
        yield _by(
            "pointsman_state_reads",
            "Whole readings of the cluster's state, by mode; those of mode stream are its resyncs.",
            "mode",
            seen.readings,
        )
        yield CounterMetricFamily(
            "pointsman_state_failures",
            "Tries after which no master (or file) had given the state.",
            value=seen.failures,
        )
        yield _by("pointsman_stream_events", "Events of the stream, by kind.", "kind", seen.events)
        yield SummaryMetricFamily(
            "pointsman_stream_lag_seconds",
            "From a task's status update to its arrival here, by the clock of its executor.",
            count_value=seen.lag_count,
            sum_value=seen.lag_sum,
        )
        yield CounterMetricFamily(
            "pointsman_stream_corrections",
            "Tasks that a resync told otherwise than the stream before it.",
            value=seen.corrected,
        )
        yield CounterMetricFamily(
            "pointsman_task_questions",
            "Questions to the master about single tasks that an event left unclear.",
            value=seen.asked,
        )
        yield CounterMetricFamily(
            "pointsman_guarded_reads",
            "Readings that lacked too many tasks to be believed at once.",
            value=seen.guarded,
        )
        standing = GaugeMetricFamily(
            "pointsman_tasks_standing",
            "Tasks served though the last reading lacked them, by why: agent (it has not come back "
            "to a new leader), doubt (too many vanished at once).",
            labels=["why"],
        )
        standing.add_metric(["agent"], trust.standing)
        standing.add_metric(["doubt"], len(trust.doubted))
        yield standing

    def describe(self) -> Iterable[Metric]:
        return ()


def _by(name: str, help_: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, help_, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family

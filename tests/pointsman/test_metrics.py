import re
from collections import Counter

from pointsman.discovery.seen import Seen
from pointsman.discovery.trust import Trust, remember
from pointsman.dns.counts import Counts
from pointsman.metrics import Metrics
from pointsman.testing import cluster


def test_every_metric_is_ours_and_named_by_the_conventions() -> None:
    metrics = Metrics()
    metrics.count_dns(Counts())
    seen = Seen(readings=Counter(stream=1), events=Counter(TaskAdded=2))
    metrics.count_discovery(lambda: (seen, Trust()))
    metrics.count_forwarding(lambda: None)
    text = metrics.text().decode()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert all(name.startswith("pointsman_") for name in kinds)
    for name, kind in kinds.items():
        assert (kind == "counter") == name.endswith("_total"), name
        assert not re.search(r"_(ms|millis|minutes)(_|$)", name)
    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE))
    assert all(helps[name].endswith(".") for name in kinds)


def test_dns_is_counted_where_it_is_answered() -> None:
    counts = Counts()
    metrics = Metrics()
    metrics.count_dns(counts)
    counts.cell("udp", 28, "answered")[0] += 3
    counts.cell("tcp", 64_999, "refused")[0] += 1
    counts.dropped["no_query"] += 2
    counts.durations["udp"].observe(3e-5, 4)
    counts.durations["udp"].observe(7.0)
    text = metrics.text().decode()
    for line in (
        'pointsman_dns_queries_total{outcome="answered",transport="udp",type="AAAA"} 3.0',
        'pointsman_dns_queries_total{outcome="refused",transport="tcp",type="other"} 1.0',
        'pointsman_dns_dropped_total{why="no_query"} 2.0',
        'pointsman_dns_duration_seconds_bucket{le="2e-05",transport="udp"} 0.0',
        'pointsman_dns_duration_seconds_bucket{le="5e-05",transport="udp"} 4.0',
        'pointsman_dns_duration_seconds_bucket{le="1.0",transport="udp"} 4.0',
        'pointsman_dns_duration_seconds_count{transport="udp"} 5.0',
        'pointsman_dns_duration_seconds_sum{transport="udp"} 7.00012',
    ):
        assert line in text


def test_how_the_cluster_is_followed_is_told() -> None:
    seen = Seen()
    metrics = Metrics()
    metrics.count_discovery(lambda: (seen, remember(cluster())))
    assert 'pointsman_discovery_info{leader="10.0.0.1:5050",mode="none"} 1.0' in (
        metrics.text().decode()
    )
    assert "pointsman_view_stale 1.0" in metrics.text().decode()
    seen.mode = "stream"
    seen.readings["stream"] += 1
    seen.heard = 7.5
    text = metrics.text().decode()
    for line in (
        "pointsman_stream_up 1.0",
        "pointsman_view_stale 0.0",
        "pointsman_view_timestamp_seconds 7.5",
        'pointsman_state_reads_total{mode="stream"} 1.0',
    ):
        assert line in text

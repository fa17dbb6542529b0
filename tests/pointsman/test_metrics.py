import re
from collections import Counter

from pointsman.discovery.seen import Seen
from pointsman.discovery.trust import Trust, remember
from pointsman.metrics import Metrics
from pointsman.testing import cluster


def test_every_metric_is_ours_and_named_by_the_conventions() -> None:
    metrics = Metrics()
    metrics.count_dns(lambda: {"answered": 3})
    seen = Seen(readings=Counter(stream=1), events=Counter(TaskAdded=2))
    metrics.count_discovery(lambda: (seen, Trust()))
    text = metrics.text().decode()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert all(name.startswith("pointsman_") for name in kinds)
    for name, kind in kinds.items():
        assert (kind == "counter") == name.endswith("_total"), name
        assert not re.search(r"_(ms|millis|minutes)(_|$)", name)
    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE))
    assert all(helps[name].endswith(".") for name in kinds)


def test_dns_is_counted_where_it_is_answered() -> None:
    counts = {"answered": 3}
    metrics = Metrics()
    metrics.count_dns(lambda: counts)
    assert 'pointsman_dns_queries_total{outcome="answered"} 3.0' in metrics.text().decode()
    counts["answered"] = 4
    assert 'pointsman_dns_queries_total{outcome="answered"} 4.0' in metrics.text().decode()


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

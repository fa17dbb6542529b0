import re

from pointsman.metrics import Metrics


def test_every_metric_is_ours_and_named_by_the_conventions() -> None:
    metrics = Metrics()
    metrics.count_dns(lambda: {"answered": 3})
    metrics.state_reads.labels("ok").inc()
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

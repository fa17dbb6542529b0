from pointsman.metrics import Metrics
from pointsman.traffic import Traffic
from pointsman.vip.model import Activity


def told(traffic: Traffic) -> dict[str, float]:
    """Return the connections by VIP."""
    connections, _, _ = traffic.collect()
    return {sample.labels["vip"]: sample.value for sample in connections.samples}


def busy(**counts: int) -> dict[str, Activity]:
    return {vip: Activity(connections=count) for vip, count in counts.items()}


def test_the_busiest_have_metrics_of_their_own() -> None:
    traffic = Traffic()
    traffic.most = 2
    traffic.take(busy(a=1, b=9, c=5, d=2))
    assert told(traffic) == {"b": 9, "c": 5, "others": 3}


def test_who_has_metrics_keeps_them_and_what_is_free_goes_to_the_busiest() -> None:
    traffic = Traffic()
    traffic.most = 2
    traffic.take(busy(a=1, b=9, c=5))
    traffic.take(busy(a=100, b=9, c=6))
    assert told(traffic) == {"b": 9, "c": 6, "others": 100}
    traffic.take(busy(a=100, b=10, d=1))
    assert told(traffic) == {"a": 100, "b": 10, "others": 1}


def test_none_has_its_own_where_none_is_to() -> None:
    traffic = Traffic()
    traffic.take(busy(a=1, b=2))
    assert told(traffic) == {"others": 3}
    traffic.take({})
    assert told(traffic) == {}


def test_packets_and_bytes_have_a_direction() -> None:
    traffic = Traffic()
    traffic.most = 1
    traffic.take({"web:80": Activity(0, 0, 1, 10, 20, 1000, 2000)})
    metrics = Metrics()
    metrics.registry.register(traffic)
    text = metrics.text().decode()
    assert 'pointsman_vip_bytes_total{direction="in",vip="web:80"} 1000.0' in text
    assert 'pointsman_vip_packets_total{direction="out",vip="web:80"} 20.0' in text

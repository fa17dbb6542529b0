"""What `dns.forward` means on this host, and what outlives a reload."""

import asyncio
from pathlib import Path

import pytest

from pointsman.config import ConfigError, DnsConfig, parse
from pointsman.discovery.errors import Fatal
from pointsman.dns.forward import Forward
from pointsman.dns.zone import Zones
from pointsman.forwarding import forwarding
from pointsman.front import Front
from pointsman.metrics import Metrics


def made(*upstreams: str, listen: str = "127.0.0.1:53", **zones: tuple[str, ...]) -> DnsConfig:
    return DnsConfig(listen=(listen,), forward=Forward(upstreams, zones))


def default(config: DnsConfig) -> tuple[tuple[str, int], ...]:
    found = forwarding(config)
    assert found is not None
    return found.default


def test_nothing_is_forwarded_unless_it_is_asked_for() -> None:
    assert forwarding(DnsConfig()) is None
    assert Front().responder(DnsConfig(), Zones())._elsewhere is None


def test_upstreams_have_addresses_and_ports() -> None:
    found = forwarding(made("10.0.0.1", "[fd00::1]:5353", consul=("127.0.0.1:8600",)))
    assert found is not None
    assert found.default == (("10.0.0.1", 53), ("fd00::1", 5353))
    assert found.zones == {"consul": (("127.0.0.1", 8600),)}


@pytest.mark.parametrize(
    ("listen", "upstream"),
    [
        ("127.0.0.1:5353", "127.0.0.1:5353"),
        ("0.0.0.0:5353", "127.0.0.1:5353"),
        ("0.0.0.0:5353", "127.1.2.3:5353"),
        ("[::]:53", "::1"),
        ("[::1]:53", "[0::1]:53"),
        ("lo:53", "127.0.0.1"),
    ],
)
def test_this_server_does_not_ask_itself(listen: str, upstream: str) -> None:
    with pytest.raises(Fatal, match=r"^dns\.forward\.upstreams: .* is this server itself"):
        forwarding(made(upstream, listen=listen))
    with pytest.raises(Fatal, match=r"^dns\.forward\.zones\.consul: .* is this server itself"):
        forwarding(made(listen=listen, consul=(upstream,)))


@pytest.mark.parametrize(
    ("listen", "upstream"),
    [
        ("127.0.0.1:5353", "127.0.0.1:5354"),
        ("127.0.0.1:5353", "127.0.0.2:5353"),
        ("0.0.0.0:53", "192.0.2.1"),
        ("[::]:53", "127.0.0.1"),
        ("lo:53", "127.0.0.53"),
        ("nolink0:53", "127.0.0.1"),
    ],
)
def test_another_server_on_this_host_may_be_asked(listen: str, upstream: str) -> None:
    assert len(default(made(upstream, listen=listen))) == 1


def test_the_host_s_own_resolvers_are_asked_but_not_this_server(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 127.0.0.1\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n")
    config = made(str(file))
    assert default(config) == (("192.0.2.1", 53), ("192.0.2.2", 53))
    file.write_text("nameserver 127.0.0.1\n")
    assert default(config) == ()


def test_a_file_that_is_not_there_is_told_by_its_key(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"^dns\.forward\.upstreams: .*No such file"):
        forwarding(made(str(tmp_path / "resolv.conf")))


def serve(front: Front, config: DnsConfig) -> None:
    asyncio.run(front.answer_with(front.responder(config, Zones()), config))


def test_what_is_remembered_outlives_a_reload_that_leaves_it_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 192.0.2.1\n")
    front, config = Front(), made(str(file))
    serve(front, config)
    first = front.forwarder
    assert first is not None
    serve(front, DnsConfig(listen=config.listen, forward=config.forward, udp_size=512))
    assert front.forwarder is first
    file.write_text("nameserver 192.0.2.2\n")
    front.responder(config, Zones())  # of a reload that is refused in the end
    assert front.forwarder is first
    serve(front, config)
    assert front.forwarder is not first
    serve(front, DnsConfig())
    assert front.forwarder is None


def test_upstreams_are_in_the_metrics() -> None:
    front, metrics = Front(), Metrics()
    metrics.count_forwarding(lambda: front.forwarder)
    assert "pointsman_dns_cache_answers 0.0" in metrics.text().decode()
    serve(front, made("192.0.2.1"))
    assert front.forwarder is not None
    (one,) = front.forwarder.routes.all
    one.answered(0, 0.5, 0.0)
    for _ in range(3):
        one.failed("timeout", 0.0)
    front.forwarder.lookups["hit"] += 7
    text = metrics.text().decode().splitlines()
    assert 'pointsman_dns_upstream_up{upstream="192.0.2.1:53"} 0.0' in text
    assert 'pointsman_dns_upstream_duration_seconds_sum{upstream="192.0.2.1:53"} 0.5' in text
    assert (
        'pointsman_dns_upstream_failures_total{upstream="192.0.2.1:53",why="timeout"} 3.0' in text
    )
    assert 'pointsman_dns_cache_lookups_total{result="hit"} 7.0' in text


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ('upstreams = ["x"]', "dns.forward.upstreams[0]: 'x' is neither an IP address"),
        ("zones = { consul = [] }", "dns.forward.zones.consul: names no upstream"),
        ('zones = { mesos = ["10.0.0.1"] }', "dns.forward.zones.mesos: is answered here, by the"),
        (
            'zones = { "a.thisdcos.directory" = ["10.0.0.1"] }',
            "dns.forward.zones.a.thisdcos.directory: is answered here",
        ),
        ('allow = ["10.0.0.1/8"]', "dns.forward.allow: 10.0.0.1/8 has host bits set"),
        ("timeout = 0", "dns.forward.timeout: Expected `float` > 0.0"),
    ],
)
def test_what_can_not_be_used_is_told_by_its_key(toml: str, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(f'[discovery]\nmasters = ["10.0.0.1:5050"]\n[dns.forward]\n{toml}')
    assert any(one.startswith(problem) for one in error.value.problems)


def test_dcos_s_domain_may_be_forwarded_where_none_of_it_is_answered() -> None:
    parse("""
        discovery = { masters = ["10.0.0.1:5050"] }
        dns = { dcos = [], forward.zones = { "thisdcos.directory" = ["10.0.0.1"] } }
        vip = { enabled = false }
    """)

from pointsman.config import Config, DnsConfig, VipConfig
from pointsman.dns.names import servable
from pointsman.rules import ranges, rules, vip_apex
from pointsman.vip.model import Forwarding, RealServer
from pointsman.vip.policy import Defaults, Policy


def test_each_setting_has_its_rule() -> None:
    config = Config(
        dns=DnsConfig(
            domain="cluster", ttl=7, ip_sources=("host",), enforce_rfc952=True,
            unhealthy="include", srv_weight=9,
        ),
        vip=VipConfig(
            enabled=False, scheduler="mh,mh-port", persistence="60/24", forwarding="direct",
            thresholds="9:8", drain=5, slow_start=3, no_live="refuse", panic=50, locality="zone:2",
            region="eu", zone="eu-1",
        ),
    )  # fmt: skip
    found = rules(config, ["10.0.0.1"])
    names = found.names
    assert (names.apex, names.ttl, names.ip_sources) == ("cluster.", 7, ("host",))
    assert (names.rfc952, names.unhealthy, names.srv_weight) == (True, "include", 9)
    vips = found.vips
    assert (vips.enabled, vips.own, vips.region, vips.zone, vips.hold) == (
        False, frozenset({"10.0.0.1"}), "eu", "eu-1", 5.0,
    )  # fmt: skip
    assert vips.defaults == Defaults(
        Policy("mh", 0x10, 60, 24, "refuse", 50, "zone", 2, 5, 3),
        RealServer(forwarding=Forwarding.DIRECT, upper=9, lower=8),
    )


def test_a_range_may_be_left_out() -> None:
    assert [r.family for r in ranges(Config())] == [4, 6]
    assert [r.family for r in ranges(Config(vip=VipConfig(ipv6_range="")))] == [4]


def test_vips_have_a_zone_of_their_own() -> None:
    assert vip_apex(Config()) == "l4lb.thisdcos.directory."


def test_a_vips_name_is_as_long_as_dns_takes_with_its_domain() -> None:
    longest = rules(Config()).vips.longest
    name = ("a" * 49 + ".") * 4 + "a" * (longest - 200)
    assert servable(f"{name}.{vip_apex(Config())}") == ""
    assert "longer" in servable(f"{name}a.{vip_apex(Config())}")

from pointsman.config import Config, DnsConfig, VipConfig
from pointsman.rules import ranges, rules, vip_apex


def test_each_setting_has_its_rule() -> None:
    config = Config(
        dns=DnsConfig(
            domain="cluster", ttl=7, ip_sources=("host",), enforce_rfc952=True,
            unhealthy="include", srv_weight=9,
        ),
        vip=VipConfig(enabled=False, scheduler="mh"),
    )  # fmt: skip
    found = rules(config)
    names = found.names
    assert (names.apex, names.ttl, names.ip_sources) == ("cluster.", 7, ("host",))
    assert (names.rfc952, names.unhealthy, names.srv_weight) == (True, "include", 9)
    assert (found.settings.scheduler, found.balance) == ("mh", False)


def test_a_range_may_be_left_out() -> None:
    assert [r.family for r in ranges(Config())] == [4, 6]
    assert [r.family for r in ranges(Config(vip=VipConfig(ipv6_range="")))] == [4]


def test_vips_have_a_zone_of_their_own() -> None:
    assert vip_apex(Config()) == "l4lb.thisdcos.directory."

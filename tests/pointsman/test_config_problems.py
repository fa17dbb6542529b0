import pytest

from pointsman.config import ConfigError, parse

LEAST = '[discovery]\nmasters = ["10.0.0.1:5050"]\n'


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("", "discovery.masters: is empty"),
        (LEAST + '[dns]\nlisten = ["10.0:53"]', "dns.listen[0]: '10.0' is neither an IP address"),
        (LEAST + '[dns]\nlisten = ["0.0.0.0"]', "dns.listen[0]: '0.0.0.0' is not HOST:PORT"),
        (LEAST + "[dns]\nlisten = []", "dns.listen: is empty"),
        (LEAST + '[dns]\ndomain = "Mesos."', "dns.domain: 'Mesos.' is not a domain"),
        (LEAST + '[dns]\nip_sources = ["host", "host"]', "dns.ip_sources: is empty or names"),
        (LEAST + '[vip]\nipv4_range = "11.0.0.0"', "vip.ipv4_range: '11.0.0.0' is not LOWEST"),
        (LEAST + '[vip]\naddress_ranges = ["::/0", "8.8.8.8"]', "vip.address_ranges[1]: '8.8.8.8'"),
        (LEAST + '[vip]\nipv4_range = "fd00::/64"', "vip.ipv4_range: 'fd00::/64' is not of IPv4"),
        (LEAST + '[vip]\nlocality = "rack"', "vip.locality: 'rack' is none of none, host"),
        (
            LEAST + '[vip]\nscheduler = "best"',
            "vip.scheduler: 'best' is no scheduler; there are rr",
        ),
        (LEAST + '[vip]\nnode_address = "me"', "vip.node_address: 'me' is not an IP address"),
        ('[discovery]\nmasters = ["m1", "m2:x"]', "discovery.masters[0]: 'm1' is not HOST:PORT"),
        ('[discovery]\nmasters = ["m:1", "m:1"]', "discovery.masters: names a master twice"),
        ('[discovery]\nzookeeper = "10.0.0.1:2181"', "discovery.zookeeper: is not zk://HOST:PORT"),
        ('[discovery]\nzookeeper = "zk://10.0.0.1/x"', "discovery.zookeeper: '10.0.0.1' is not"),
    ],
)
def test_what_can_not_be_used_is_named_with_its_key_and_reason(toml: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(toml)
    assert any(said in problem for problem in error.value.problems), error.value.problems

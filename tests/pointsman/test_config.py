from pathlib import Path

import pytest

from pointsman.config import Config, ConfigError, load, parse

LEAST = '[discovery]\nmasters = ["10.0.0.1:5050"]\n'


def problems(toml: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        parse(toml)
    return error.value.problems


def test_masters_are_all_that_must_be_said() -> None:
    assert parse(LEAST).discovery.masters == ("10.0.0.1:5050",)
    assert parse(LEAST).dns == Config().dns


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("", "discovery.masters: is empty"),
        (LEAST + '[dns]\ndomian = "x"', 'dns.domian: unknown key; did you mean "domain"?'),
        (LEAST + "[dsn]\n", 'dsn: unknown key; did you mean "dns"?'),
        (LEAST + "[dns]\nttl = -1", "dns.ttl: Expected `int` >= 0"),
        (LEAST + '[dns]\nttl = "60"', "dns.ttl: Expected `int`, got `str`"),
        ("dns = 3\n" + LEAST, "dns: Expected `object`, got `int`"),
        (LEAST + '[dns]\nlisten = ["10.0:53"]', "dns.listen[0]: '10.0' is neither an IP address"),
        (LEAST + '[dns]\nlisten = ["0.0.0.0"]', "dns.listen[0]: '0.0.0.0' is not HOST:PORT"),
        (LEAST + "[dns]\nlisten = []", "dns.listen: is empty"),
        (LEAST + '[dns]\ndomain = "Mesos."', "dns.domain: 'Mesos.' is not a domain"),
        (LEAST + '[dns]\nip_sources = ["moon"]', "dns.ip_sources[0]: Invalid enum value 'moon'"),
        (LEAST + '[dns]\nip_sources = ["host", "host"]', "dns.ip_sources: is empty or names"),
        (LEAST + '[vip]\nipv4_range = "11.0.0.0"', "vip.ipv4_range: '11.0.0.0' is not LOWEST"),
        (LEAST + '[vip]\nipv4_range = "fd00::/64"', "vip.ipv4_range: 'fd00::/64' is not of IPv4"),
        (LEAST + "[vip]\npanic = 101", "vip.panic: Expected `int` <= 100"),
        (LEAST + '[vip]\nlocality = "rack"', "vip.locality: 'rack' is none of none, host"),
        (
            LEAST + '[vip]\nscheduler = "best"',
            "vip.scheduler: 'best' is no scheduler; there are rr",
        ),
        (LEAST + '[vip]\nnode_address = "me"', "vip.node_address: 'me' is not an IP address"),
        (LEAST + '[vip]\nlink = "a-name-too-long-for-linux"', "vip.link: Expected `str`"),
        ('[discovery]\nmasters = ["m1", "m2:x"]', "discovery.masters[0]: 'm1' is not HOST:PORT"),
        ('[discovery]\nmasters = ["m:1", "m:1"]', "discovery.masters: names a master twice"),
        (LEAST + "poll_interval = 0", "discovery.poll_interval: Expected `float` > 0"),
        ("[discovery", "is no TOML:"),
        ('[discovery]\nzookeeper = "10.0.0.1:2181"', "discovery.zookeeper: is not zk://HOST:PORT"),
        ('[discovery]\nzookeeper = "zk://10.0.0.1/x"', "discovery.zookeeper: '10.0.0.1' is not"),
    ],
)
def test_what_is_wrong_is_named_with_its_key_and_reason(toml: str, said: str) -> None:
    assert any(said in problem for problem in problems(toml)), problems(toml)


def test_zookeeper_is_enough_too() -> None:
    parse('[discovery]\nzookeeper = "zk://10.0.0.1:2181,10.0.0.2:2181/mesos"')


def test_all_that_is_wrong_is_named_at_once() -> None:
    toml = '[discovery]\nmasters = ["a"]\n[dns]\nlisten = ["b"]\n[http]\nlisten = "c"'
    assert len(problems(toml)) == 3


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path / "none.toml")
    assert error.value.where == str(tmp_path / "none.toml")
    assert error.value.problems == ["No such file or directory"]
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path / "bytes.toml")


def test_a_file_is_named_with_its_problems(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("")
    with pytest.raises(ConfigError, match=r"a\.toml: discovery\.masters"):
        load(tmp_path / "a.toml")

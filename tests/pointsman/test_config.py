from pathlib import Path

import pytest

from pointsman.config import Config, ConfigError, load, parse, parse_whole, read

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
        (LEAST + '[dns]\ndomian = "x"', 'dns.domian: unknown key; did you mean "domain"?'),
        (LEAST + "[dsn]\n", 'dsn: unknown key; did you mean "dns"?'),
        (LEAST + "[dns]\nttl = -1", "dns.ttl: Expected `int` >= 0"),
        (LEAST + "[dns]\nthreads = 0", "dns.threads: Expected `int` >= 1"),
        (LEAST + "[dns]\nthreads = 65", "dns.threads: Expected `int` <= 64"),
        (LEAST + '[dns]\nnative = "no"', "dns.native: Expected `bool`, got `str`"),
        (LEAST + '[dns]\nttl = "60"', "dns.ttl: Expected `int`, got `str`"),
        ("dns = 3\n" + LEAST, "dns: Expected `object`, got `int`"),
        (LEAST + '[dns]\nip_sources = ["moon"]', "dns.ip_sources[0]: Invalid enum value 'moon'"),
        (LEAST + "[vip]\npanic = 101", "vip.panic: Expected `int` <= 100"),
        (LEAST + '[vip]\nlink = "a-name-too-long-for-linux"', "vip.link: Expected `str`"),
        (LEAST + "poll_interval = 0", "discovery.poll_interval: Expected `float` > 0"),
        ("[discovery", "is no TOML:"),
    ],
)
def test_what_is_wrong_is_named_with_its_key_and_reason(toml: str, said: str) -> None:
    assert any(said in problem for problem in problems(toml)), problems(toml)


def test_dns_is_native_with_one_thread_unless_said_otherwise() -> None:
    default = parse(LEAST).dns
    assert (default.native, default.threads) == (True, 1)
    said = parse(LEAST + "[dns]\nnative = false\nthreads = 64").dns
    assert (said.native, said.threads) == (False, 64)


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


def test_the_environment_goes_before_the_file_and_both_before_defaults() -> None:
    found = parse_whole(
        LEAST + "[dns]\nttl = 5\nsrv_weight = 2\n", {"POINTSMAN_DNS__TTL": "7", "HOME": "/root"}
    )
    assert (found.config.dns.ttl, found.config.dns.srv_weight) == (7, 2)
    origins = [found.origins[f"dns.{key}"] for key in ("ttl", "srv_weight", "dcos_ttl")]
    assert origins == ["environment", "file", "default"]


def test_the_environment_alone_is_enough(tmp_path: Path) -> None:
    (tmp_path / "empty.toml").touch()
    environ = {"POINTSMAN_DISCOVERY__MASTERS": "10.0.0.1:5050,10.0.0.2:5050"}
    config = load(tmp_path / "empty.toml", environ)
    assert config.discovery.masters == ("10.0.0.1:5050", "10.0.0.2:5050")
    assert read(tmp_path / "empty.toml", environ).origins["discovery.masters"] == "environment"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DNS__TTLL", "1", "unknown variable; did you mean POINTSMAN_DNS__TTL?"),
        ("DNS__TTL", "soon", "Expected `int`, got `str`"),
        ("DNS__TTL", "-1", "Expected `int` >= 0"),
        ("DNS__REVERSE", "[1", "Unclosed array"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_whole(LEAST, {f"POINTSMAN_{name}": value})
    (problem,) = error.value.problems
    assert problem.startswith(f"POINTSMAN_{name}: ")
    assert said in problem


def test_a_value_that_makes_no_sense_is_told_with_its_variable() -> None:
    with pytest.raises(ConfigError) as error:
        parse_whole(LEAST, {"POINTSMAN_DNS__LISTEN": "10.0:53"})
    (problem,) = error.value.problems
    assert problem.startswith("dns.listen[0]: '10.0' is neither an IP address")
    assert problem.endswith("(said by POINTSMAN_DNS__LISTEN)")


def test_a_password_in_the_environment_is_refused() -> None:
    with pytest.raises(ConfigError) as error:
        parse_whole("", {"POINTSMAN_DISCOVERY__ZOOKEEPER": "zk://u:hush@10.0.0.1:2181/mesos"})
    (problem,) = error.value.problems
    assert "discovery.zookeeper_credential_file" in problem
    assert "hush" not in problem

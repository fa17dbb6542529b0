import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config import Config, ConfigError, parse
from pointsman.discovery.access import Auth, Tls
from pointsman.dns.endpoints import local
from pointsman.dns.forward import Forward
from pointsman.migrate import Migration, from_mesos_dns

DATA = Path(__file__).parents[1] / "data/mesos-dns"
MASTERS = {"masters": ["10.0.0.1:5050"]}
SECRET = "s3cr3t-of-the-principal"
BASIC = {
    "mesosAuthentication": "basic",
    "mesosCredentials": {"principal": "dns", "secret": SECRET},
}


def migrated(**keys: Any) -> Migration:
    return from_mesos_dns(json.dumps(MASTERS | keys))


def config(**keys: Any) -> Config:
    return parse(migrated(**keys).toml)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        from_mesos_dns(text)
    return error.value.problems


def said(found: Migration, word: str) -> list[str]:
    return [remark for remark in found.remarks if word in remark]


def test_nothing_but_masters_gives_what_mesos_dns_has_by_default() -> None:
    assert migrated().toml == (
        "# What mesos-dns was configured to do, for Pointsman.\n"
        "\n"
        "[discovery]\n"
        "# masters\n"
        'masters = ["10.0.0.1:5050"]\n'
        "# refreshSeconds; of use only where the masters give no stream of events\n"
        "poll_interval = 60\n"
        "\n"
        "[dns]\n"
        "# listener, port\n"
        'listen = ["0.0.0.0:53"]\n'
        "# domain\n"
        'domain = "mesos"\n'
        '# as mesos-dns does; "exclude" leaves unhealthy tasks out while others are healthy\n'
        'unhealthy = "include"\n'
        "# mesos-dns has none of DC/OS's names; without this line they are answered\n"
        "dcos = []\n"
        "\n"
        "[dns.forward]\n"
        "# resolvers, externalOn\n"
        'upstreams = ["8.8.8.8"]\n'
        "\n"
        "[vip]\n"
        "# mesos-dns has no VIPs; true puts those that tasks ask for by a label into the kernel\n"
        "enabled = false\n"
        "\n"
        "[http]\n"
        "# httpListener, httpPort, httpOn\n"
        'listen = "0.0.0.0:8123"\n'
    )


def test_an_empty_one_lacks_masters() -> None:
    assert problems("{}") == ['masters: is empty; name the masters, as in ["10.0.0.1:5050"]']


def test_every_key_has_its_place() -> None:
    text = (DATA / "all-keys.json").read_text()
    found = from_mesos_dns(text)
    made = parse(found.toml)
    assert made.discovery.zookeeper == "zk://10.0.0.1:2181,10.0.0.2:2181/mesos"
    assert made.discovery.zookeeper_credential_file == "/etc/pointsman/zookeeper"
    assert made.discovery.masters == (
        "10.0.0.1:5050",
        "master2.example.com:5051",
        "[fd00::3]:5050",
    )
    assert (made.discovery.poll_interval, made.discovery.timeout) == (20, 120)
    certificate, key = "/etc/mesos-dns/cert.pem", "/etc/mesos-dns/key.pem"
    assert made.discovery.tls == Tls(True, "/etc/mesos-dns/ca.pem", certificate, key)
    assert made.discovery.auth == Auth("mesos-dns", "/etc/pointsman/secret")
    assert (made.dns.listen, made.dns.domain) == (("10.0.0.53:8053",), "cluster.example.com")
    assert (made.dns.ttl, made.dns.ip_sources) == (10, ("docker", "host"))
    assert (made.dns.enforce_rfc952, made.dns.srv_weight) == (True, 7)
    assert made.http.listen == "10.0.0.53:8124"
    assert not [key for key in json.loads(text) if key not in found.toml]
    zones: dict[str, tuple[str, ...]] = {"weave": ("172.17.0.1",), "consul": ("10.0.0.55:8600",)}
    assert made.dns.forward == Forward(zones=zones, timeout=2)
    assert "# externalOn: it is as by default\n" in found.toml
    unused = "mesos-dns, configured like this, does not use it"
    assert f"# resolvers, IAMConfigFile: {unused}\n" in found.toml


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.iterdir()))
def test_each_key_that_is_said_is_named(name: str) -> None:
    text = (DATA / name).read_text()
    toml = from_mesos_dns(text).toml.lower()
    assert not [key for key in json.loads(text) if key.lower() not in toml]


def test_a_configuration_of_dcos() -> None:
    found = from_mesos_dns((DATA / "dcos.json").read_text())
    made = parse(found.toml)
    assert made.discovery.zookeeper.startswith("zk://zk-1.zk:2181,")
    assert made.discovery.tls == Tls(True, "/run/dcos/pki/CA/certs/ca.crt")
    assert made.discovery.auth == Auth(service_account_file="/run/dcos/etc/mesos-dns/iam.json")
    assert (made.dns.listen, made.dns.ip_sources) == (("0.0.0.0:61053",), ("host", "netinfo"))
    assert said(found, '/run/dcos/etc/mesos-dns/iam.json must hold "scheme": "RS256"')


def test_no_setting_of_mesos_dns_means_health_dcos_names_or_vips() -> None:
    made = config()
    assert (made.dns.unhealthy, made.dns.dcos, made.vip.enabled) == ("include", (), False)


def test_names_of_keys_count_in_any_case() -> None:
    found = config(TTL=7, httpport=1234, IPSOURCES=["host"], mesoshttpson=False)
    assert (found.dns.ttl, found.http.listen, found.dns.ip_sources) == (
        7,
        "0.0.0.0:1234",
        ("host",),
    )
    upper = {"MesosAuthentication": "basic", "MESOSCREDENTIALS": {"Principal": "p", "Secret": "s"}}
    assert config(**upper).discovery.auth.principal == "p"


def test_unknown_keys_are_told_of_and_nothing_more() -> None:
    found = migrated(foo=1, mesosCredentials={"bar": 2})
    assert found.remarks[:2] == (
        "`foo` is no key of mesos-dns",
        "`mesosCredentials.bar` is no key of mesos-dns",
    )
    assert "foo" not in found.toml


def test_null_is_as_if_nothing_was_said() -> None:
    assert migrated(ttl=None) == migrated()


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"ttl": "60"}, "ttl: Expected `int`, got `str`"),
        ({"ttl": -1}, "ttl: Expected `int` >= 0"),
        ({"TTL": 10**30}, "ttl: Expected `int` <= 2147483647"),
        ({"dnsOn": 1}, "dnsOn: Expected `bool`, got `int`"),
        ({"masters": "10.0.0.1:5050"}, "masters: Expected `array`, got `str`"),
        ({"masters": ["a:1", 2]}, "masters[1]: Expected `str`, got `int`"),
        ({"masters": ["10.0.0.1"]}, "masters: '10.0.0.1' is not HOST:PORT"),
        ({"masters": ["a:1", "a:1"]}, "masters: names a master twice"),
        ({"zk": "10.0.0.1:2181"}, "zk: is not zk://HOST:PORT[,HOST:PORT]/PATH"),
        ({"zk": "zk://10.0.0.1:2181"}, "zk: names no path, as in zk://10.0.0.1:2181/mesos"),
        ({"refreshseconds": 0}, "refreshSeconds: Expected `float` > 0.0"),
        ({"refreshSeconds": 10**400}, "refreshSeconds: Number out of range"),
        ({"stateTimeoutSeconds": -1}, "stateTimeoutSeconds: Expected `float` > 0.0"),
        ({"domain": "mesos."}, "domain: 'mesos.' is not a domain of lower-case letters"),
        ({"listener": "10.0.0"}, "listener: '10.0.0' is neither an IP address nor an interface"),
        ({"port": 0}, "port: Expected `int` >= 1"),
        ({"httpListener": "x"}, "httpListener: 'x' does not appear to be"),
        ({"httpPort": 65_536}, "httpPort: Expected `int` <= 65535"),
        ({"ipsources": ["moon"]}, "IPSources: Invalid enum value 'moon'"),
        ({"IPSources": []}, "IPSources: is empty or names a source twice"),
        ({"SRVRecordDefaultWeight": 65_536}, "SRVRecordDefaultWeight: Expected `int` <= 65535"),
        ({"zoneResolvers": {"weave": "10.0.0.1"}}, "zoneResolvers[...]: Expected `array`"),
        ({"zoneResolvers": {"weave": []}}, "zoneResolvers: names no upstream"),
        ({"zoneResolvers": {"weave": ["x"]}}, "zoneResolvers: 'x' is neither an IP address"),
        ({"zoneResolvers": {"a.mesos": ["10.0.0.1"]}}, "zoneResolvers: is answered here, by the"),
        ({"resolvers": ["dns.example.com"]}, "resolvers: 'dns.example.com' is neither an IP"),
        ({"resolvers": ["10.0.0.1", "10.0.0.1"]}, "resolvers: names an upstream twice"),
        ({"timeout": -1}, "timeout: Expected `float` > 0.0"),
        ({"mesosAuthentication": "token"}, "mesosAuthentication: Invalid enum value 'token'"),
        ({"mesosAuthentication": "iam"}, "IAMConfigFile: is missing beside mesosAuthentication"),
        ({"mesosAuthentication": "basic"}, "mesosCredentials.principal: is missing"),
        ({"mesosCredentials": "p:s"}, "mesosCredentials: Expected `object`, got `str`"),
        ({"mesosCredentials": {"SECRET": 1}}, "mesosCredentials.secret: Expected `str`"),
        ({"mesosHTTPSOn": True, "certFile": "/c"}, "keyFile: is missing beside tls.certificate"),
    ],
)
def test_what_is_wrong_is_told_by_the_keys_of_mesos_dns(keys: Any, problem: str) -> None:
    (found,) = problems(json.dumps(MASTERS | keys))
    assert found.startswith(problem)


@pytest.mark.parametrize("text", ["", "[]", "3", '"x"', "{", "{}x", "[" * 100_000])
def test_what_is_no_object_is_refused(text: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith("is no JSON")


def test_the_secret_is_not_told_and_has_its_file() -> None:
    found = migrated(**BASIC)
    assert SECRET not in found.toml + "".join(found.remarks)
    assert parse(found.toml).discovery.auth == Auth("dns", "/etc/pointsman/secret")
    (remark,) = said(found, "secret")
    assert "`install -D -m 600 /dev/stdin /etc/pointsman/secret`" in remark
    unused = migrated(mesosCredentials=BASIC["mesosCredentials"])
    assert SECRET not in unused.toml + "".join(unused.remarks)


@pytest.mark.parametrize("keys", [BASIC | {"ttl": "x"}, BASIC | {"domain": "x."}])
def test_a_problem_does_not_tell_the_secret(keys: Any) -> None:
    assert SECRET not in "".join(problems(json.dumps(MASTERS | keys)))


def test_the_password_of_zookeeper_is_not_told_and_has_its_file() -> None:
    found = migrated(zk=f"zk://dns:{SECRET}@10.0.0.1:2181/mesos")
    assert SECRET not in found.toml + "".join(found.remarks)
    made = parse(found.toml).discovery
    assert made.zookeeper == "zk://10.0.0.1:2181/mesos"
    assert made.zookeeper_credential_file == "/etc/pointsman/zookeeper"
    assert said(found, "`install -D -m 600 /dev/stdin /etc/pointsman/zookeeper`")


def test_https_without_a_ca_verifies_nobody_and_says_so() -> None:
    found = migrated(mesosHTTPSOn=True)
    assert parse(found.toml).discovery.tls == Tls(enabled=True, verify=False)
    assert said(found, "set discovery.tls.ca")
    assert not said(migrated(mesosHTTPSOn=True, caCertFile="/ca"), "discovery.tls.ca")
    assert config(caCertFile="/ca", certFile="/c").discovery.tls == Tls()


def test_other_zones_are_forwarded_to_the_same_resolvers() -> None:
    assert config().dns.forward == Forward(("8.8.8.8",))
    some = config(resolvers=["10.0.0.1", "10.0.0.2:5353"], timeout=0).dns.forward
    assert some == Forward(("10.0.0.1", "10.0.0.2:5353"))
    assert config(resolvers=[]).dns.forward == Forward(("/etc/resolv.conf",))
    zones = {"a.b": ["10.0.0.1"], 'ü"': ["10.0.0.2"]}
    assert problems(json.dumps(MASTERS | {"zoneResolvers": zones}))[0].startswith("zoneResolvers: ")
    some = config(externalOn=False, zoneResolvers={"a.b": ["10.0.0.1"]}).dns.forward
    assert some == Forward(zones={"a.b": ("10.0.0.1",)})


def test_for_whom_other_zones_are_forwarded_is_told() -> None:
    assert said(migrated(), "dns.forward.allow")
    assert said(migrated(externalOn=False, zoneResolvers={"a": ["10.0.0.1"]}), "dns.forward.allow")
    assert not migrated(externalOn=False).remarks


def test_servers_that_were_off() -> None:
    assert config(httpOn=False, httpListener="x").http.listen == ""
    assert said(migrated(dnsOn=False), "let dns.listen name")


def test_all_addresses_are_those_of_both_families() -> None:
    assert config(listener="::").dns.listen == ("[::]:53", "0.0.0.0:53")


HOST = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda ip: f"[{ip}]"),
    st.text(st.characters(blacklist_characters="[]:", blacklist_categories=["Cs"]), min_size=1),
)
PORT = st.integers(1, 65_535)
LABEL = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,8}[A-Za-z0-9])?", fullmatch=True)


@given(
    masters=st.lists(st.builds("{}:{}".format, HOST, PORT), min_size=1, max_size=5, unique=True),
    domain=st.lists(LABEL, min_size=1, max_size=4).map(".".join),
    ttl=st.integers(0, 2_147_483_647),
    listener=st.ip_addresses().map(str).filter(lambda ip: ip != "::" and not local(ip)),
    port=PORT,
)
def test_what_is_written_is_read_as_the_same(
    masters: list[str], domain: str, ttl: int, listener: str, port: int
) -> None:
    made = config(masters=masters, domain=domain, ttl=ttl, listener=listener, port=port)
    assert made.discovery.masters == tuple(masters)
    assert (made.dns.domain, made.dns.ttl) == (domain.lower(), ttl)
    host = f"[{listener}]" if ":" in listener else listener
    assert made.dns.listen == (f"{host}:{port}",)


@given(
    st.text(st.characters(blacklist_categories=["Cs"]), min_size=1).filter(lambda s: ":" not in s)
)
def test_any_text_is_written_as_toml(principal: str) -> None:
    credentials = {"principal": principal, "secret": SECRET}
    found = migrated(mesosAuthentication="basic", mesosCredentials=credentials)
    assert tomllib.loads(found.toml)["discovery"]["auth"]["principal"] == principal

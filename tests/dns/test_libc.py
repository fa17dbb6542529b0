"""What C libraries make of our answers: the whole program, on port 53 of /etc/resolv.conf."""

import pytest

from pointlab.servers.clients import Host

WEB = ["127.0.0.11", "127.0.0.12"]
DUAL = ["10.9.0.1", "fd09::1"]
MANY = 80

Lookup = tuple[str, str]


def found(host: Host, lookup: Lookup, name: str, family: str = "any") -> list[str]:
    """Return addresses in order, or the error alone."""
    return sorted(host.run([lookup[0], name, family]).splitlines())


@pytest.fixture(autouse=True)
def resolv_conf(host: Host) -> None:
    host.resolve_by("127.0.0.1")


@pytest.mark.parametrize(
    "option", ["attempts:1", "edns0", "single-request", "single-request-reopen", "use-vc", "rotate"]
)
def test_a_name_has_addresses_of_both_families(host: Host, lookup: Lookup, option: str) -> None:
    host.resolve_by("127.0.0.1", f"options {option}")
    assert found(host, lookup, "dual.mesos") == DUAL
    assert found(host, lookup, "dual.mesos", "4") == DUAL[:1]
    assert found(host, lookup, "dual.mesos", "6") == DUAL[1:]
    assert found(host, lookup, "web.marathon.mesos") == WEB
    assert found(host, lookup, "WEB.Marathon.mesos.") == WEB


def test_a_name_that_is_not_there(host: Host, lookup: Lookup) -> None:
    assert found(host, lookup, "nope.marathon.mesos") == ["EAI_NONAME"]


@pytest.mark.parametrize(
    ("name", "family"),
    [("web.marathon.mesos", "6"), ("below.mesos", "any"), ("names.below.mesos", "4")],
)
def test_a_name_without_such_addresses(host: Host, lookup: Lookup, name: str, family: str) -> None:
    # musl 1.2.3 knows one error for both.
    error = {"glibc": "EAI_NODATA", "musl": "EAI_NONAME"}[lookup[1]]
    assert found(host, lookup, name, family) == [error]


def test_an_address_has_a_name(host: Host, lookup: Lookup) -> None:
    assert found(host, lookup, "172.17.0.9", "name") == ["docker.marathon.mesos"]


def test_search_domains(host: Host, lookup: Lookup) -> None:
    host.resolve_by("127.0.0.1", "search marathon.mesos mesos")
    assert found(host, lookup, "web") == WEB
    assert found(host, lookup, "dual") == DUAL
    assert found(host, lookup, "web.marathon.mesos") == WEB


def test_search_domains_before_names_with_few_dots(host: Host, lookup: Lookup) -> None:
    host.resolve_by("127.0.0.1", "search marathon.mesos mesos", "options ndots:3")
    assert found(host, lookup, "web") == WEB
    assert found(host, lookup, "web.marathon") == WEB
    assert found(host, lookup, "web.marathon.mesos") == WEB


def test_what_is_too_long_for_a_packet(host: Host, lookup: Lookup) -> None:
    if lookup[1] == "glibc":
        assert len(found(host, lookup, "many.mesos")) == MANY
        assert len(found(host, lookup, "many.mesos", "4")) == MANY
    else:
        # musl asks by TCP from version 1.2.4 on; Debian 12 has 1.2.3, which takes it for nothing.
        assert found(host, lookup, "many.mesos") == ["EAI_NONAME"]
    # That no version comes to know by TCP: 30 addresses have room in 512 octets.
    assert len(found(host, lookup, "some.mesos")) == 30


def test_names_of_other_zones_are_asked_of_the_next_server(host: Host, lookup: Lookup) -> None:
    # musl asks all servers at once, and waits for another one where one refuses.
    host.resolve_by("127.0.0.1", "options timeout:1")
    assert found(host, lookup, "www.example.com") == ["EAI_AGAIN"]
    host.unbound()
    host.resolve_by("127.0.0.1", "nameserver 127.0.0.2")
    assert found(host, lookup, "www.example.com", "4") == ["192.0.2.80"]
    assert found(host, lookup, "web.marathon.mesos") == WEB
    assert found(host, lookup, "nope.marathon.mesos") == ["EAI_NONAME"]

"""Resolvers that have our zones from us: the whole program behind Unbound and systemd-resolved."""

import re

import pytest

from pointlab.servers.clients import Host, addresses

WEB = ["127.0.0.11", "127.0.0.12"]
MANY = 80


def dig(host: Host, server: str, port: int, *words: str) -> str:
    shown = ["+noall", "+answer", "+comments"]
    return host.run(["dig", f"@{server}", "-p", str(port), *shown, *words])


# Unbound has `mesos` as a stub zone, of which we are the authority, and `thisdcos.directory` as a
# forward zone. It trusts the root's key, changes the case of what it asks, and asks no more of a
# name than it must.


@pytest.fixture(scope="module")
def unbound(host: Host) -> Host:
    host.unbound()
    return host


@pytest.mark.parametrize(
    ("words", "status", "wanted"),
    [
        ("web.marathon.mesos", "NOERROR", WEB),
        ("dual.mesos AAAA", "NOERROR", ["fd09::1"]),
        ("deep.names.below.mesos", "NOERROR", ["10.9.0.2"]),  # through empty non-terminals
        ("names.below.mesos", "NOERROR", []),
        ("nope.mesos", "NXDOMAIN", []),
        ("below.nope.mesos", "NXDOMAIN", []),
        ("web.marathon.mesos AAAA", "NOERROR", []),
        ("web.marathon.mesos.thisdcos.directory", "NOERROR", WEB),
        ("web.marathon.mesos.mesos.thisdcos.directory", "NXDOMAIN", []),
        ("thisnode.thisdcos.directory", "NOERROR", ["127.0.0.1"]),
    ],
)
@pytest.mark.parametrize("flags", ["+nodnssec", "+dnssec", "+cdflag"])
def test_unbound_resolves_names(
    unbound: Host, words: str, status: str, wanted: list[str], flags: str
) -> None:
    printed = dig(unbound, "127.0.0.1", 54, flags, *words.split())
    assert f"status: {status}" in printed, printed
    assert addresses(printed) == wanted


def test_unbound_resolves_services_long_answers_and_names_of_addresses(unbound: Host) -> None:
    services = dig(unbound, "127.0.0.1", 54, "_web._tcp.marathon.mesos", "SRV")
    assert len(re.findall(r"\sSRV\s+0 1 ", services)) == 2
    assert len(addresses(dig(unbound, "127.0.0.1", 54, "many.mesos"))) == MANY
    assert "docker.marathon.mesos." in dig(unbound, "127.0.0.1", 54, "-x", "172.17.0.9")


def test_unbound_asks_in_any_case_and_part_by_part(unbound: Host) -> None:
    log = unbound.processes.log("unbound")
    before = len(log.read_text())
    dig(unbound, "127.0.0.1", 54, "a.b.not.far.out.inside.mesos")
    told = log.read_text()[before:]
    asked = re.findall(r"sending query: (\S+) A IN", told)
    # To the first name that is not there: nothing is below that (RFC 8020).
    assert asked == [f"{name}inside.mesos." for name in ("", "out.", "far.out.", "not.far.out.")]
    changed = re.findall(r"qname perturbed to (\S+)", told)
    assert [name.lower() for name in changed] == asked
    assert changed != asked
    assert "apsforid" not in log.read_text()  # which it says where it doubts an answer


# systemd-resolved has all names from us.


@pytest.fixture(scope="module")
def resolved(host: Host) -> Host:
    host.resolved()
    return host


def test_systemd_resolved_forwards(resolved: Host) -> None:
    assert addresses(dig(resolved, "127.0.0.53", 53, "web.marathon.mesos")) == WEB
    assert addresses(dig(resolved, "127.0.0.53", 53, "dual.mesos", "AAAA")) == ["fd09::1"]
    services = dig(resolved, "127.0.0.53", 53, "_web._tcp.marathon.mesos", "SRV")
    assert len(re.findall(r"\sSRV\s+0 1 ", services)) == 2
    assert "docker.marathon.mesos." in dig(resolved, "127.0.0.53", 53, "-x", "172.17.0.9")
    assert "status: NXDOMAIN" in dig(resolved, "127.0.0.53", 53, "nope.marathon.mesos")
    assert "status: NOERROR" in dig(resolved, "127.0.0.53", 53, "web.marathon.mesos", "AAAA")
    assert "status: NOERROR" in dig(resolved, "127.0.0.53", 53, "names.below.mesos")
    assert len(addresses(dig(resolved, "127.0.0.53", 53, "many.mesos"))) == MANY


def test_systemd_resolved_finds_no_fault_with_us(resolved: Host) -> None:
    dig(resolved, "127.0.0.53", 53, "web.marathon.mesos")
    told = resolved.processes.log("resolved").read_text()
    assert "Using feature level UDP+EDNS0" in told
    assert not re.search("degraded|downgrading", told)


def test_a_c_library_resolves_through_systemd_resolved(
    resolved: Host, lookup: tuple[str, str]
) -> None:
    program, _ = lookup
    resolved.resolve_by("127.0.0.53", "options edns0 trust-ad", "search marathon.mesos")
    assert sorted(resolved.run([program, "web.marathon.mesos", "any"]).split()) == WEB
    assert sorted(resolved.run([program, "web", "any"]).split()) == WEB
    assert sorted(resolved.run([program, "dual.mesos", "any"]).split()) == ["10.9.0.1", "fd09::1"]
    resolved.resolve_by("127.0.0.1")

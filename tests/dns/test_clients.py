"""What the programs that everyone has make of our answers: the whole program, on port 53."""

import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from pointlab.clients import LOOKUP, Host

WEB = ["127.0.0.11", "127.0.0.12"]
MANY = 80


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    if os.geteuid():
        pytest.skip("a network namespace needs root")
    made = Host(tmp_path_factory.mktemp("host"))
    try:
        made.up()
        yield made
    finally:
        made.down()


def addresses(printed: str) -> list[str]:
    """Return what stands in records of type A and AAAA."""
    return sorted(re.findall(r"\sA(?:AAA)?\s+([0-9a-f.:]+)$", printed, re.MULTILINE))


# Tools that ask.

TOOLS = {
    "dig": ["dig", "+noall", "+answer"],
    "dig over TCP": ["dig", "+noall", "+answer", "+tcp"],
    "dig without EDNS": ["dig", "+noall", "+answer", "+noedns", "+nocookie"],
    "kdig": ["kdig", "@127.0.0.1", "+noall", "+answer"],
    "kdig over TCP": ["kdig", "@127.0.0.1", "+tcp", "+noall", "+answer"],
    "drill": ["drill", "@127.0.0.1"],
    "drill over TCP": ["drill", "-t", "@127.0.0.1"],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_tools_get_addresses_and_services(host: Host, tool: str) -> None:
    ask = TOOLS[tool]
    assert addresses(host.run([*ask, "web.marathon.mesos"])) == WEB
    assert addresses(host.run([*ask, "dual.mesos", "AAAA"])) == ["fd09::1"]
    service = host.run([*ask, "_web._tcp.marathon.mesos", "SRV"])
    assert len(re.findall(r"SRV\s+0 1 \d+ web-\w+-s\d+\.marathon\.mesos\.", service)) == 2
    # What has no room in a packet is fetched by TCP; drill says that one might.
    many = host.run([*ask, "many.mesos"])
    assert len(addresses(many)) == MANY or "query again with TCP" in many
    assert not addresses(host.run([*ask, "nope.marathon.mesos"]))


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("dig nope.mesos", r"status: NXDOMAIN.*mesos\.\s+60\s+IN\s+SOA\s+ns1\.mesos\. root"),
        ("dig web.marathon.mesos AAAA", r"status: NOERROR.*ANSWER: 0, AUTHORITY: 1"),
        ("dig below.mesos", r"status: NOERROR.*ANSWER: 0, AUTHORITY: 1"),
        ("dig x.example.com", r"status: REFUSED"),
        ("dig -x 172.17.0.9", r"9\.0\.17\.172\.in-addr\.arpa\..*PTR\s+docker\.marathon"),
        ("dig WeB.MaRaThOn.mEsOs", r"\nWeB\.MaRaThOn\.mEsOs\.\s+60\s+IN\s+A\s+127"),
        ("dig +nsid web.marathon.mesos", r'NSID: [0-9a-f ]+\("node-7"\)'),
        ("kdig @127.0.0.1 +nsid web.marathon.mesos", r'NSID: [0-9A-F]+ "node-7"'),
        ("dig CH TXT version.bind", r"status: REFUSED"),
        ("dig CH TXT id.server", r'id\.server\.\s+0\s+CH\s+TXT\s+"node-7"'),
        ("dig +cookie web.marathon.mesos", r"COOKIE: [0-9a-f]{16}0100000[0-9a-f]{25} \(good\)"),
        ("kdig @127.0.0.1 +cookie web.marathon.mesos", r"COOKIE: [0-9A-F]{16}01000000"),
        ("dig +ednsopt=65001:ff web.marathon.mesos", r"status: NOERROR.*ANSWER: 2"),
        ("dig +edns=1 +noednsneg web.marathon.mesos", r"status: BADVERS"),
        ("dig +ignore +bufsize=512 many.mesos", r"flags: qr aa tc rd;.*ANSWER: 0"),
        ("dig +opcode=notify mesos SOA", r"status: NOTIMP"),
        ("dig mesos AXFR", r"Transfer failed|REFUSED"),
        ("dig +dnssec web.marathon.mesos", r"flags: do; udp: 1232"),
        ("dig dual.mesos ANY", r"ANSWER: 1"),
        ("dig +norec web.marathon.mesos", r"flags: qr aa; QUERY: 1, ANSWER: 2"),
    ],
)
def test_one_question(host: Host, words: str, wanted: str) -> None:
    printed = host.run(words.split())
    assert re.search(wanted, printed, re.DOTALL), printed
    assert "malformed" not in printed.lower()
    assert "warning: message parser" not in printed.lower()


def test_a_cookie_that_was_given_is_taken_and_a_wrong_one_is_replaced(host: Host) -> None:
    first = host.run(["dig", "+cookie", "dual.mesos"])
    found = re.search(r"COOKIE: ([0-9a-f]+) \(good\)", first)
    assert found
    assert "(good)" in host.run(["dig", f"+cookie={found[1]}", "dual.mesos"])
    wrong = host.run(["dig", f"+cookie={found[1][:-4]}0000", "dual.mesos"])
    assert "ANSWER: 1" in wrong
    assert "COOKIE: " in wrong


def test_many_questions_on_one_connection(host: Host) -> None:
    names = ["web.marathon.mesos", "dual.mesos", "many.mesos", "nope.mesos"] * 5
    printed = host.run(["dig", "+tcp", "+keepopen", *names])
    assert printed.count("status: NOERROR") == 15
    assert printed.count("status: NXDOMAIN") == 5


# C libraries.


@pytest.fixture(scope="module", params=["gcc", "musl-gcc"])
def lookup(request: pytest.FixtureRequest, host: Host) -> tuple[str, str]:
    """Give a program that calls getaddrinfo, and the compiler that stands for its library."""
    source = host.folder / "lookup.c"
    source.write_text(LOOKUP)
    program = str(host.folder / f"lookup-{request.param}")
    static = ["-static"] if request.param == "musl-gcc" else []
    subprocess.run([request.param, "-O1", *static, "-o", program, str(source)], check=True)
    return program, request.param


def test_a_c_library_gets_both_families(host: Host, lookup: tuple[str, str]) -> None:
    program, _ = lookup
    host.resolve_by("127.0.0.1")
    assert sorted(host.run([program, "dual.mesos", "any"]).split()) == ["10.9.0.1", "fd09::1"]
    assert host.run([program, "dual.mesos", "4"]).split() == ["10.9.0.1"]
    assert host.run([program, "dual.mesos", "6"]).split() == ["fd09::1"]
    assert sorted(host.run([program, "web.marathon.mesos", "any"]).split()) == WEB


def test_a_c_library_is_told_that_nothing_is_there(host: Host, lookup: tuple[str, str]) -> None:
    program, _ = lookup
    host.resolve_by("127.0.0.1")
    nothing = ("EAI_NONAME", "EAI_NODATA")
    assert host.run([program, "nope.marathon.mesos", "any"]).strip() == "EAI_NONAME"
    assert host.run([program, "web.marathon.mesos", "6"]).strip() in nothing
    assert host.run([program, "below.mesos", "any"]).strip() in nothing


def test_a_c_library_searches(host: Host, lookup: tuple[str, str]) -> None:
    program, _ = lookup
    host.resolve_by("127.0.0.1", "search marathon.mesos mesos", "options ndots:2")
    assert sorted(host.run([program, "web", "any"]).split()) == WEB
    assert sorted(host.run([program, "dual", "any"]).split()) == ["10.9.0.1", "fd09::1"]
    assert sorted(host.run([program, "web.marathon", "any"]).split()) == WEB
    host.resolve_by("127.0.0.1")


def test_a_c_library_fetches_what_is_too_long_by_tcp_if_it_can(
    host: Host, lookup: tuple[str, str]
) -> None:
    program, compiler = lookup
    host.resolve_by("127.0.0.1")
    found = host.run([program, "many.mesos", "4"]).split()
    if compiler == "gcc":
        assert len(found) == MANY
    else:
        # musl asks by TCP from version 1.2.4 on; Debian 12 has 1.2.3, which takes it for nothing.
        assert found == ["EAI_NONAME"]


# Resolvers that ask for others.


def dig(host: Host, server: str, port: int, *words: str) -> str:
    shown = ["+noall", "+answer", "+comments"]
    return host.run(["dig", f"@{server}", "-p", str(port), *shown, *words])


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
        ("web.marathon.mesos AAAA", "NOERROR", []),
        ("web.marathon.mesos.thisdcos.directory", "NOERROR", []),
        ("web.marathon.mesos.mesos.thisdcos.directory", "NXDOMAIN", []),
        ("thisnode.thisdcos.directory", "NOERROR", ["127.0.0.1"]),
    ],
)
def test_unbound_asks_in_any_case_and_no_more_of_a_name_than_it_must(
    unbound: Host, words: str, status: str, wanted: list[str]
) -> None:
    printed = dig(unbound, "127.0.0.1", 54, *words.split())
    assert f"status: {status}" in printed, printed
    if wanted:
        assert addresses(printed) == wanted


def test_unbound_gets_services_long_answers_and_names_of_addresses(unbound: Host) -> None:
    services = dig(unbound, "127.0.0.1", 54, "_web._tcp.marathon.mesos", "SRV")
    assert len(re.findall(r"\sSRV\s+0 1 ", services)) == 2
    assert len(addresses(dig(unbound, "127.0.0.1", 54, "many.mesos"))) == MANY
    assert "docker.marathon.mesos." in dig(unbound, "127.0.0.1", 54, "-x", "172.17.0.9")


@pytest.fixture(scope="module")
def resolved(host: Host) -> Host:
    host.resolved()
    return host


def test_systemd_resolved_forwards(resolved: Host) -> None:
    assert addresses(dig(resolved, "127.0.0.53", 53, "web.marathon.mesos")) == WEB
    assert addresses(dig(resolved, "127.0.0.53", 53, "dual.mesos", "AAAA")) == ["fd09::1"]
    services = dig(resolved, "127.0.0.53", 53, "_web._tcp.marathon.mesos", "SRV")
    assert len(re.findall(r"\sSRV\s+0 1 ", services)) == 2
    assert "status: NXDOMAIN" in dig(resolved, "127.0.0.53", 53, "nope.marathon.mesos")
    assert "status: NOERROR" in dig(resolved, "127.0.0.53", 53, "web.marathon.mesos", "AAAA")
    assert len(addresses(dig(resolved, "127.0.0.53", 53, "many.mesos"))) == MANY


def test_a_c_library_resolves_through_systemd_resolved(
    resolved: Host, lookup: tuple[str, str]
) -> None:
    program, _ = lookup
    resolved.resolve_by("127.0.0.53", "options edns0 trust-ad")
    assert sorted(resolved.run([program, "web.marathon.mesos", "any"]).split()) == WEB
    assert sorted(resolved.run([program, "dual.mesos", "any"]).split()) == ["10.9.0.1", "fd09::1"]
    resolved.resolve_by("127.0.0.1")

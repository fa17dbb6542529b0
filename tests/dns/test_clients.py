"""What tools that ask make of our answers: the whole program, on port 53."""

import os
import re
from collections.abc import Iterator

import pytest

from pointlab.servers.clients import Host, addresses

WEB = ["127.0.0.11", "127.0.0.12"]
MANY = 80

TOOLS = {
    "dig": ["dig", "+noall", "+answer"],
    "dig over TCP": ["dig", "+noall", "+answer", "+tcp"],
    "dig without EDNS": ["dig", "+noall", "+answer", "+noedns", "+nocookie"],
    "dig with 512 octets": ["dig", "+noall", "+answer", "+bufsize=512"],
    "kdig": ["kdig", "@127.0.0.1", "+noall", "+answer"],
    "kdig over TCP": ["kdig", "@127.0.0.1", "+tcp", "+noall", "+answer"],
    "drill": ["drill", "@127.0.0.1"],
    "drill with EDNS": ["drill", "-b", "1232", "-D", "@127.0.0.1"],
    "drill over TCP": ["drill", "-t", "@127.0.0.1"],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_tools_get_addresses_and_services(host: Host, tool: str) -> None:
    ask = TOOLS[tool]
    assert addresses(host.run([*ask, "web.marathon.mesos"])) == WEB
    assert addresses(host.run([*ask, "dual.mesos", "AAAA"])) == ["fd09::1"]
    service = host.run([*ask, "_web._tcp.marathon.mesos", "SRV"])
    assert len(re.findall(r"SRV\s+0 1 \d+ web-\w+-s\d+\.marathon\.mesos\.", service)) == 2
    many = host.run([*ask, "many.mesos"])
    if tool in ("drill", "drill with EDNS"):
        assert "query again with TCP" in many
    else:
        assert len(addresses(many)) == MANY
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
        ("dig +cookie=0123 web.marathon.mesos", r"status: FORMERR"),
        ("dig +ednsopt=65001:ff web.marathon.mesos", r"status: NOERROR.*ANSWER: 2"),
        ("dig +edns=1 +noednsneg web.marathon.mesos", r"status: BADVERS.*EDNS: version: 0"),
        ("dig +edns=1 web.marathon.mesos", r"BADVERS, retrying with EDNS version 0.*ANSWER: 2"),
        ("kdig @127.0.0.1 +edns=1 web.marathon.mesos", r"status: BADVERS"),
        ("dig +ignore +bufsize=512 many.mesos", r"flags: qr aa tc rd;.*ANSWER: 0"),
        ("dig +tcp +keepalive dual.mesos", r"ANSWER: 1,.*TCP KEEPALIVE: 10\.0 secs"),
        ("dig +opcode=notify mesos SOA", r"status: NOTIMP"),
        ("dig mesos AXFR", r"Transfer failed|REFUSED"),
        ("dig +dnssec web.marathon.mesos", r"flags: do; udp: 1232"),
        ("dig dual.mesos ANY", r"ANSWER: 1"),
        ("kdig @127.0.0.1 +ignore many.mesos", r"Flags: qr aa tc rd;.*ANSWER: 0"),
        ("kdig @127.0.0.1 +tcp +padding=128 dual.mesos", r"status: NOERROR.*ANSWER: 1"),
        ("drill @127.0.0.1 mesos SOA", r"rcode: NOERROR.*SOA\s+ns1\.mesos\. root"),
        ("drill -x @127.0.0.1 172.17.0.9", r"PTR\s+docker\.marathon\.mesos\."),
        ("dig +norec web.marathon.mesos", r"flags: qr aa; QUERY: 1, ANSWER: 2"),
    ],
)
def test_one_question(host: Host, words: str, wanted: str) -> None:
    printed = host.run(words.split())
    assert re.search(wanted, printed, re.DOTALL), printed
    assert "malformed" not in printed.lower()
    assert "warning: message parser" not in printed.lower()


def test_many_questions_on_one_connection(host: Host) -> None:
    names = ["web.marathon.mesos", "dual.mesos", "many.mesos", "nope.mesos"] * 5
    printed = host.run(["dig", "+tcp", "+keepopen", *names])
    assert printed.count("status: NOERROR") == 15
    assert printed.count("status: NXDOMAIN") == 5


# A server that tells its version, and answers one question a second to those that have no cookie.


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    if os.geteuid():
        pytest.skip("a network namespace needs root")
    limits = "rate_limit = { per_second = 1, slip = 1, exempt = [] }"
    made = Host(tmp_path_factory.mktemp("guarded"), f'{limits}\nversion = "Pointsman"')
    try:
        made.up()
        yield made
    finally:
        made.down()


def given(host: Host, ask: str, cookie: str = "") -> str:
    """Return the cookie that the server gives, with the client's before it, in small letters."""
    word = f"+cookie={cookie}" if cookie else "+cookie"
    found = re.search(r"COOKIE: ([0-9a-fA-F]{48})", host.run([*ask.split(), word, "dual.mesos"]))
    assert found
    return found[1].lower()


def truncated(host: Host, ask: str, word: str) -> int:
    """Return how many of 20 answers, asked for at once, are empty and say "by TCP"."""
    printed = host.run([*ask.split(), "+ignore", word, *["dual.mesos"] * 20])
    assert len(re.findall("status: NOERROR", printed)) == 20
    return len(re.findall("flags: qr aa tc rd", printed, re.IGNORECASE))


@pytest.mark.parametrize("ask", ["dig", "kdig @127.0.0.1"])
def test_a_cookie_that_was_given_is_taken(guarded: Host, ask: str) -> None:
    cookie = given(guarded, ask)
    assert re.fullmatch("[0-9a-f]{16}01000000[0-9a-f]{24}", cookie)
    assert truncated(guarded, ask, "+nocookie")
    assert not truncated(guarded, ask, f"+cookie={cookie}")


@pytest.mark.parametrize("ask", ["dig", "kdig @127.0.0.1"])
def test_a_wrong_cookie_is_replaced(guarded: Host, ask: str) -> None:
    wrong = "0123456789abcdef" + "01000000" + "6553f100" + "0123456789abcdef"
    assert truncated(guarded, ask, f"+cookie={wrong}")
    cookie = given(guarded, ask, wrong)
    assert cookie[:16] == wrong[:16]
    assert not truncated(guarded, ask, f"+cookie={cookie}")


def test_dig_itself_gives_back_the_cookie_it_was_given(guarded: Host) -> None:
    printed = guarded.run(["dig", *["dual.mesos"] * 20])
    assert len(re.findall(r"COOKIE: \w+ \(good\)", printed)) == 20
    assert len(addresses(printed)) == 20


def test_a_version_that_may_be_told(guarded: Host) -> None:
    for name in ("version.bind", "version.server"):
        assert f'{name}.\t\t0\tCH\tTXT\t"Pointsman"' in guarded.run(["dig", "CH", "TXT", name])
    for tool in (["kdig"], ["drill", "-t"]):
        told = guarded.run([*tool, "@127.0.0.1", "version.bind", "CH", "TXT"])
        assert re.search(r'CH\s+TXT\s+"Pointsman"', told)

"""`pointsman run` between dig and real servers: Unbound and BIND, NSD and Knot of Debian."""

import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice

import dns.flags
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from pointlab.servers.nameservers import HOST, SBIN, Servers
from pointlab.site.process import wait_for

QUESTIONS = [
    ("", "SOA"),
    ("", "NS"),
    ("", "MX"),
    ("www.", "A"),
    ("wWw.", "AAAA"),
    ("alias.", "A"),
    ("alias.", "AAAA"),
    ("alias.", "CNAME"),
    ("_web._tcp.", "SRV"),
    ("txt.", "TXT"),
    ("naptr.", "NAPTR"),
    ("svc.", "HTTPS"),
    ("caa.", "CAA"),
    ("a.b.wild.", "A"),
    ("many.", "A"),
    ("nope.", "A"),
    ("nope.nope.", "SRV"),
    ("www.", "TXT"),
    ("_tcp.", "A"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    if not SBIN.exists():
        pytest.skip("scripts/install has not unpacked the servers")
    made = Servers(tmp_path_factory.mktemp("forward"))
    try:
        made.nsd("nsd")
        made.knot("knot")
        made.bind("bind")
        made.unbound("unbound")
        made.pointsman(
            "pointsman",
            f"""
upstreams = ["{made.at("unbound")}"]
[dns.forward.zones]
"nsd.test" = ["{made.at("unbound")}", "{made.at("nsd")}"]
"knot.test" = ["{made.at("knot")}"]
"bind.test" = ["{made.at("bind")}"]
""",
            "http",
        )
        yield made
    finally:
        for name in made.processes.names():
            made.processes.stop(name, signal.SIGKILL)


def records(section: list[dns.rrset.RRset]) -> set[tuple[str, str]]:
    return {
        (str(rrset.name).lower(), f"{dns.rdatatype.to_text(rrset.rdtype)} {data}".lower())
        for rrset in section
        for data in rrset
    }


@pytest.mark.parametrize("server", ["nsd", "knot", "bind"])
@pytest.mark.parametrize("dnssec", [False, True], ids=["plain", "dnssec"])
@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_the_answer_is_that_of_the_server(
    lab: Servers, server: str, tcp: bool, dnssec: bool
) -> None:
    for label, type_ in QUESTIONS:
        name = f"{label}{server}.test."
        direct = lab.asked(server, name, type_, tcp=True, dnssec=dnssec)
        for _ in range(2):  # the second is of the cache
            found = lab.asked("pointsman", name, type_, tcp=tcp, dnssec=dnssec)
            assert found.rcode() == direct.rcode() != dns.rcode.SERVFAIL, name
            assert not found.flags & (dns.flags.AA | dns.flags.AD)
            assert found.flags & dns.flags.RA
            assert str(found.question[0].name) == name
            if found.flags & dns.flags.TC:
                assert not tcp
                assert len(direct.to_wire()) > 1232
                continue
            assert records(found.answer) == records(direct.answer), name
            if not found.answer:
                assert records(found.authority) == records(direct.authority), name


def dig(lab: Servers, *words: str) -> str:
    command = ["dig", f"@{HOST}", "-p", str(lab.port("pointsman")), "+tries=1", *words]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "malformed" not in printed
    assert "WARNING" not in printed
    return " ".join(printed.split())


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_dig_is_content(lab: Servers, transport: str) -> None:
    printed = dig(lab, "alias.nsd.test", transport)
    assert "status: NOERROR" in printed
    assert "flags: qr rd ra; QUERY: 1, ANSWER: 3" in printed
    assert re.search(r"alias\.nsd\.test\. \d+ IN CNAME www\.nsd\.test\.", printed)
    assert "status: NXDOMAIN" in dig(lab, "nope.nsd.test", transport)


def test_a_large_answer_comes_by_tcp(lab: Servers) -> None:
    printed = dig(lab, "many.bind.test", "+noedns")
    assert "Truncated, retrying in TCP mode" in printed
    assert "ANSWER: 300" in printed


def test_own_names_stay_own_and_recursion_is_offered_with_them(lab: Servers) -> None:
    found = lab.asked("pointsman", "leader.mesos.")
    assert found.flags & dns.flags.AA
    assert found.flags & dns.flags.RA
    assert found.answer


@pytest.mark.parametrize(("name", "code"), [("gone.knot.test.", 3), ("www.knot.test.", 0)])
def test_that_something_is_not_there_is_remembered(lab: Servers, name: str, code: int) -> None:
    series = f'pointsman_dns_upstream_duration_seconds_count{{upstream="{lab.at("knot")}"}}'
    lab.asked("pointsman", name, "LOC")
    before = lab.metric("http", series)
    found = lab.asked("pointsman", name, "LOC")
    assert (found.rcode(), found.answer) == (code, [])
    assert 0 < found.authority[0].ttl <= 60
    assert lab.metric("http", series) == before


def test_a_reload_forgets_nothing(lab: Servers) -> None:
    hits = 'pointsman_dns_cache_lookups_total{result="hit"}'
    lab.asked("pointsman", "txt.bind.test.", "TXT")
    before = lab.metric("http", hits)
    log = lab.processes.log("pointsman")
    reloads = log.read_text().count("reloaded")
    lab.processes.send("pointsman", signal.SIGHUP)
    wait_for(lambda: log.read_text().count("reloaded") > reloads, "the reload")
    lab.asked("pointsman", "txt.bind.test.", "TXT")
    assert lab.metric("http", hits) == before + 1


class Two:
    """A Pointsman with two upstreams that know the same."""

    def __init__(self, lab: Servers) -> None:
        self.lab = lab
        self.numbers = count()

    def stream(self, most: int) -> list[str]:
        """Ask for names that nobody has remembered, many at once; return what became of each."""

        def one(number: int) -> str:
            found = self.lab.asked("two", f"x{number}.wild.both.test.", timeout=20.0)
            return dns.rcode.to_text(found.rcode())

        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(one, islice(self.numbers, most)))


@pytest.fixture(scope="module")
def two(lab: Servers) -> Two:
    lab.bind("bind1")
    lab.bind("bind2")
    upstreams = f'upstreams = ["{lab.at("bind1")}", "{lab.at("bind2")}"]'
    lab.pointsman("two", f"{upstreams}\ntimeout = 2.0", "two-http")
    return Two(lab)


def test_no_question_fails_while_one_of_two_upstreams_is_killed_and_comes_back(two: Two) -> None:
    lab = two.lab
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(two.stream, 1_000)
        lab.stop("bind1")
        assert asking.result() == ["NOERROR"] * 1_000
        wait_for(lambda: not lab.up("two-http", lab.at("bind1")), "bind1 to be down")
        asking = pool.submit(two.stream, 500)
        lab.start("bind1")
        assert asking.result() == ["NOERROR"] * 500
    wait_for(lambda: two.stream(1) and lab.up("two-http", lab.at("bind1")), "bind1 to be up")


def test_old_answers_are_given_while_both_are_dead_and_new_ones_after_that(two: Two) -> None:
    lab = two.lab
    found = lab.asked("two", "short.both.test.")
    assert found.answer[0].ttl == 1

    def ttl() -> int:
        answer = lab.asked("two", "short.both.test.").answer
        return answer[0].ttl if answer else 0

    lab.stop("bind1")
    lab.stop("bind2")
    wait_for(lambda: ttl() == 30, "an old answer")
    assert lab.asked("two", "never-asked.both.test.").rcode() == dns.rcode.SERVFAIL
    assert lab.metric("two-http", 'pointsman_dns_cache_lookups_total{result="stale"}') >= 1
    assert ttl() == 30
    lab.start("bind1")
    lab.start("bind2")
    wait_for(lambda: ttl() == 1, "a new answer")


def test_a_black_hole_holds_nobody_up(lab: Servers) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as hole:
        hole.bind((HOST, 0))
        at = f"{HOST}:{hole.getsockname()[1]}"
        upstreams = f'["{at}", "{lab.at("unbound")}"]'
        lab.pointsman("hole", f"upstreams = {upstreams}\ntimeout = 0.5", "hole-http")
        for number in range(5):
            found = lab.asked("hole", f"n{number}.both.test.", timeout=20.0)
            assert found.rcode() == dns.rcode.NXDOMAIN
        wait_for(lambda: not lab.up("hole-http", at), "the hole to be noticed")
        assert lab.up("hole-http", lab.at("unbound"))


def test_one_that_refuses_is_not_believed_while_another_knows(lab: Servers) -> None:
    upstreams = f'["{lab.at("nsd")}", "{lab.at("unbound")}"]'
    lab.pointsman("better", f"upstreams = {upstreams}", "better-http")
    for number in range(20):
        assert lab.asked("better", f"n{number}.both.test.").rcode() == dns.rcode.NXDOMAIN
        assert lab.asked("better", f"n{number}.wild.nsd.test.").rcode() == dns.rcode.NOERROR
    refused = f'pointsman_dns_upstream_failures_total{{upstream="{lab.at("nsd")}",why="refused"}}'
    assert lab.metric("better-http", refused) > 0
    assert lab.up("better-http", lab.at("nsd"))


def test_two_that_forward_to_each_other_soon_give_up(lab: Servers) -> None:
    lab.pointsman("one", f'upstreams = ["{lab.at("other")}"]', "one-http")
    lab.pointsman("other", f'upstreams = ["{lab.at("one")}"]')
    found = lab.asked("one", "round.and.round.test.", timeout=20.0)
    assert found.rcode() == dns.rcode.SERVFAIL
    wait_for(lambda: not lab.metric("one-http", "pointsman_dns_forwarding"), "the end of it")

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import dns.flags
import dns.message
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointlab.servers.nameservers import HOST, SBIN, Servers
from pointsman.dns.query import Answer
from pointsman.dns.tcp import TcpListener
from pointsman.dns.udp import UdpListener
from pointsman.doubles import answering
from pointsman.healthcheck.model import Dns, Failed, Outcome, Place, Result
from pointsman.healthcheck.probe_dns import probe

Says = Callable[[bytes], Answer]
SPEC = Dns("web.example.org")


def answer(query: bytes, *data: str, flags: int = 0) -> bytes:
    made = dns.message.make_response(dns.message.from_wire(query))
    made.flags |= flags
    for one in data:
        made.answer.append(dns.rrset.from_text(made.question[0].name, 60, "IN", "A", one))
    return made.to_wire(max_size=65_535)


def good(query: bytes) -> bytes:
    return answer(query, "192.0.2.1")


def cut(query: bytes) -> bytes:
    return answer(query, flags=dns.flags.TC)


def nothing(_: bytes) -> None:
    return None


def at(sock: socket.socket, timeout: float) -> Place:
    host, port = sock.getsockname()[:2]
    return Place(host, port, timeout)


async def result(spec: Dns, place: Place) -> Result:
    try:
        return await probe(spec, place)
    except Failed as failed:
        return failed.result


def run(spec: Dns, udp: Says, tcp: Says | None = None, timeout: float = 5.0) -> Result:
    """Return what is found of a server that says these; without ``tcp`` it has none."""

    def by_tcp(data: bytes, _: str) -> Answer:
        return tcp(data) if tcp else None

    async def test() -> Result:
        over_udp = UdpListener("127.0.0.1", 0, lambda data, _: udp(data))
        over_udp.start()
        over_tcp = None
        if tcp:
            over_tcp = TcpListener(*over_udp.address, by_tcp)
            await over_tcp.start()
        try:
            return await result(spec, Place(*over_udp.address, timeout))
        finally:
            over_udp.close()
            if over_tcp:
                await over_tcp.close()

    return asyncio.run(test())


def over_tcp(said: bytes | None, timeout: float = 5.0, *, ends: bool = True) -> Result:
    """Return what is found of a server that sends just this; None for no end of octets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(2)
        writer.write(said or b"")
        while said is None:
            writer.write(bytes(1000))
            await writer.drain()
        if not ends:
            await reader.read()

    async def test() -> Result:
        async with answering(serve) as port:
            return await result(Dns("web.example.org", tcp=True), Place("127.0.0.1", port, timeout))

    return asyncio.run(test())


@pytest.fixture(scope="module")
def nsd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if not SBIN.exists():
        pytest.skip("scripts/install has not unpacked the servers")
    servers = Servers(tmp_path_factory.mktemp("nsd"))
    try:
        servers.nsd("nsd")
        yield Place(HOST, servers.port("nsd"), 5.0)
    finally:
        servers.stop("nsd")


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize(
    ("name", "type_", "rcode", "expect"),
    [
        ("www.nsd.test", "A", "NOERROR", "192.0.2.2"),
        ("WWW.nsd.test.", "AAAA", "NOERROR", "2001:DB8::1"),
        ("_web._tcp.nsd.test", "SRV", "NOERROR", "0 5 80 www.nsd.test."),
        ("txt.nsd.test", "TXT", "NOERROR", '"one" "two; three"'),
        ("alias.nsd.test", "A", "NOERROR", "www.nsd.test."),
        ("many.nsd.test", "A", "NOERROR", "198.51.0.100"),
        ("nope.nsd.test", "A", "NXDOMAIN", ""),
        ("elsewhere.test", "A", "REFUSED", ""),
    ],
)
def test_a_real_server_is_good(
    nsd: Place, name: str, type_: str, rcode: str, expect: str, tcp: bool
) -> None:
    found = asyncio.run(result(Dns(name, type_, rcode, expect, tcp), nsd))
    assert found.outcome == Outcome.GOOD, found.reason


def test_a_real_server_that_says_something_else_is_bad(nsd: Place) -> None:
    assert asyncio.run(result(Dns("nope.nsd.test"), nsd)) == Result(
        Outcome.BAD, "NXDOMAIN, expected NOERROR"
    )
    found = asyncio.run(result(Dns("mail.nsd.test", expect="192.0.2.1"), nsd))
    assert found == Result(Outcome.BAD, "192.0.2.25, expected 192.0.2.1")


def test_each_question_has_an_id_of_its_own() -> None:
    ids = set()

    def remember(query: bytes) -> bytes:
        ids.add(query[:2])
        return good(query)

    for _ in range(20):
        assert run(SPEC, remember).outcome == Outcome.GOOD
    assert len(ids) > 15


def test_a_truncated_answer_is_enough_when_no_data_is_expected() -> None:
    assert run(SPEC, cut) == Result(Outcome.GOOD, "NOERROR")


def test_a_truncated_answer_is_asked_for_over_tcp_when_its_data_matter() -> None:
    spec = Dns("web.example.org", expect="192.0.2.1")
    assert run(spec, cut, good) == Result(Outcome.GOOD, "192.0.2.1")


def test_a_server_that_has_udp_only_is_bad_rather_than_refusing() -> None:
    spec = Dns("web.example.org", expect="192.0.2.1")
    assert run(spec, cut) == Result(Outcome.BAD, "truncated, and over TCP: connection refused")


def test_a_silent_server_is_slow() -> None:
    assert run(SPEC, nothing, timeout=0.2) == Result(Outcome.SLOW, "no answer within 0.2 s")
    assert over_tcp(b"\0", 0.2, ends=False) == Result(Outcome.SLOW, "no answer within 0.2 s")
    spec = Dns("web.example.org", expect="192.0.2.1")
    assert run(spec, cut, lambda _: waiting(), 0.2).outcome == Outcome.SLOW


async def waiting() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


@pytest.mark.parametrize("tcp", [False, True])
def test_where_nobody_listens_it_is_refused(tcp: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = asyncio.run(result(Dns(tcp=tcp), Place("127.0.0.1", port, 5.0)))
    assert found == Result(Outcome.REFUSED, "connection refused")


def test_a_connection_that_does_not_come_about_is_unreachable() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.socket() as first, socket.socket() as second:
            first.connect(full.getsockname())
            second.setblocking(False)
            second.connect_ex(full.getsockname())
            place = at(full, 0.2)
            found = asyncio.run(result(Dns(tcp=True), place))
    assert found == Result(Outcome.UNREACHABLE, "no connection within 0.2 s")


def test_a_question_that_nobody_can_ask_is_untried() -> None:
    found = asyncio.run(result(Dns("a..b"), Place("127.0.0.1", 53, 5.0)))
    assert found.outcome == Outcome.UNTRIED


def test_an_ipv6_server_is_asked() -> None:
    async def test() -> Result:
        server = UdpListener("::1", 0, lambda data, _: good(data))
        server.start()
        try:
            return await result(SPEC, Place(*server.address, 5.0))
        finally:
            server.close()

    assert asyncio.run(test()).outcome == Outcome.GOOD


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "another id": lambda query: bytes([query[0] ^ 1]) + good(query)[1:],
    "the question": lambda query: query,
    "another name": lambda query: good(query).replace(b"web", b"wob"),
    "half a header": lambda query: good(query)[:11],
    "nothing": lambda _: b"",
    "garbage": lambda _: b"\xff" * 1000,
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_answers_something_else_is_passed_over(wrong: Callable[[bytes], bytes]) -> None:
    async def both(query: bytes) -> AsyncIterator[bytes]:
        yield wrong(query)
        yield good(query)

    assert run(SPEC, both) == Result(Outcome.GOOD, "NOERROR")
    assert run(SPEC, wrong, timeout=0.2).outcome == Outcome.SLOW


def test_a_flood_of_wrong_answers_leaves_the_timeout_in_force() -> None:
    async def test() -> Result:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.setblocking(False)
            loop = asyncio.get_running_loop()
            task = asyncio.create_task(result(SPEC, at(server, 0.2)))
            query, client = await loop.sock_recvfrom(server, 512)

            def flood() -> None:
                for _ in range(10):
                    server.sendto(query, client)
                if not task.done():
                    loop.call_soon(flood)

            flood()
            return await task

    assert asyncio.run(test()).outcome == Outcome.SLOW


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "connection closed before the answer was whole"),
        (b"\0", "connection closed before the answer was whole"),
        (b"\0\x0cabc", "connection closed before the answer was whole"),
        (b"\0\0", "an answer to something else"),
        (b"\0\x0c" + bytes(12), "an answer to something else"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(20_000), "an answer to something else"),
        (None, "an answer to something else"),
    ],
)
def test_garbage_over_tcp_is_bad(said: bytes | None, reason: str) -> None:
    assert over_tcp(said) == Result(Outcome.BAD, reason)


@given(st.binary(max_size=100))
@settings(max_examples=30, deadline=None)
def test_random_octets_are_bad(said: bytes) -> None:
    assert over_tcp(said).outcome == Outcome.BAD


@given(st.binary(max_size=100))
@settings(max_examples=30, deadline=None)
def test_random_octets_behind_a_right_question_are_bad_when_data_matter(rest: bytes) -> None:
    def damaged(query: bytes) -> bytes:
        return query[:2] + b"\x81\x80\0\1\0\3" + query[8:] + rest

    assert run(Dns("web.example.org", expect="nothing"), damaged).outcome == Outcome.BAD

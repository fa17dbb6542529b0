"""One upstream on loopback, good or hostile: what is asked of it, and what is taken from it."""

import asyncio
import random
import resource
import socket
from collections.abc import AsyncIterator, Callable

import dns.flags
import dns.message
import dns.rrset
import pytest

from pointsman.dns import wire
from pointsman.dns.counts import Counts
from pointsman.dns.exchange import ask
from pointsman.dns.forward import Forward
from pointsman.dns.forwarder import Forwarder
from pointsman.dns.query import Answer, Query, read
from pointsman.dns.reply import Reply
from pointsman.dns.tcp import TcpListener
from pointsman.dns.udp import UdpListener
from pointsman.dns.upstreams import Routes

QUESTION = wire.name("web.example.org.") + b"\0\1\0\1"
Says = Callable[[bytes], Answer]


def nothing(_: bytes) -> None:
    return None


def run(udp: Says, tcp: Says | None = None, timeout: float = 5.0, **options: int) -> Reply | str:
    """Return what is made of an upstream that says these; without ``tcp`` it has none."""

    async def test() -> Reply | str:
        def by_udp(data: bytes, _: str) -> Answer:
            return udp(data)

        def by_tcp(data: bytes, _: str) -> Answer:
            return tcp(data) if tcp else None

        over_udp = UdpListener("127.0.0.1", 0, by_udp)
        over_udp.start()
        over_tcp = None
        if tcp is not None:
            over_tcp = TcpListener(*over_udp.address, by_tcp)
            await over_tcp.start()
        try:
            flags, dnssec = options.get("flags", wire.RD), options.get("dnssec", 0)
            return await ask(*over_udp.address, QUESTION, flags, dnssec, timeout)
        finally:
            over_udp.close()
            if over_tcp:
                await over_tcp.close()

    return asyncio.run(test())


def good(data: bytes, count: int = 1, flags: int = 0, *, edns: bool = True) -> bytes:
    query = dns.message.from_wire(data)
    made = dns.message.make_response(query)
    made.flags |= flags
    if not edns:
        made.use_edns(False)
    for number in range(count):
        name = query.question[0].name
        made.answer.append(dns.rrset.from_text(name, 60, "IN", "A", f"192.0.2.{number}"))
    return made.to_wire(max_size=65_535)


def coded(data: bytes, code: int) -> bytes:
    return data[:2] + (0x8180 | code).to_bytes(2) + b"\0\1\0\0\0\0\0\0" + QUESTION


def place(bound: socket.socket) -> tuple[str, int]:
    host, port = bound.getsockname()
    return str(host), int(port)


def test_what_is_asked_has_its_own_id_port_and_options() -> None:
    queries, ports = [], set()

    async def test() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream:
            upstream.bind(("127.0.0.1", 0))
            upstream.setblocking(False)
            for _ in range(20):
                task = asyncio.create_task(
                    ask(*place(upstream), QUESTION, wire.RD | wire.CD, 0x80, 5.0)
                )
                await asyncio.sleep(0)
                data, client = await asyncio.get_running_loop().sock_recvfrom(upstream, 512)
                queries.append(dns.message.from_wire(data))
                ports.add(client[1])
                upstream.sendto(good(data), client)
                assert isinstance(await task, Reply)

    asyncio.run(test())
    assert len({query.id for query in queries}) > 15
    assert len(ports) > 15
    (query, *_) = queries
    assert query.flags == dns.flags.RD | dns.flags.CD
    assert (query.edns, query.payload, query.ednsflags) == (0, 1232, dns.flags.DO)
    assert str(query.question[0]) == "web.example.org. IN A"


def test_the_answer_is_taken() -> None:
    found = run(good)
    assert isinstance(found, Reply)
    assert (found.code, found.lifetime) == (0, 60)


@pytest.mark.parametrize("code", [2, 3, 5])
def test_an_error_is_an_answer(code: int) -> None:
    found = run(lambda data: coded(data, code))
    assert isinstance(found, Reply)
    assert found.code == code


def test_an_upstream_may_have_an_ipv6_address() -> None:
    def cut(data: bytes, _: str) -> Answer:
        return good(data, 1, dns.flags.TC)

    async def test() -> Reply | str:
        udp = UdpListener("::1", 0, cut)
        tcp = TcpListener(*udp.address, lambda data, _: good(data))
        udp.start()
        await tcp.start()
        try:
            return await ask(*udp.address, QUESTION, wire.RD, 0, 5.0)
        finally:
            udp.close()
            await tcp.close()

    assert isinstance(asyncio.run(test()), Reply)


def test_what_is_truncated_is_fetched_by_tcp() -> None:
    cut = run(lambda data: good(data, 1, dns.flags.TC), lambda data: good(data, 200))
    assert isinstance(cut, Reply)
    assert cut.octets > 2_000


def test_what_is_truncated_within_a_record_is_fetched_by_tcp() -> None:
    assert isinstance(run(lambda data: good(data, 9, dns.flags.TC)[:-12], good), Reply)


def test_what_is_damaged_is_fetched_by_tcp() -> None:
    assert isinstance(run(lambda data: good(data)[:-12], good), Reply)
    assert run(lambda data: good(data)[:-1], lambda data: good(data)[:-1]) == "damaged"


def test_a_question_that_is_lost_is_asked_again() -> None:
    seen = []

    def second(data: bytes) -> bytes | None:
        seen.append(data)
        return good(data) if len(seen) == 2 else None

    assert isinstance(run(second), Reply)
    assert seen[0] == seen[1]


def test_an_upstream_from_before_edns_is_asked_without() -> None:
    def old(data: bytes) -> bytes:
        if dns.message.from_wire(data).edns >= 0:
            return data[:2] + b"\x81\x81" + bytes(8)
        return good(data)

    assert isinstance(run(old), Reply)


def test_one_that_says_nothing_is_given_up() -> None:
    assert run(nothing, timeout=0.1) == "timeout"
    assert run(lambda data: good(data, 1, dns.flags.TC), lambda _: waiting(), timeout=0.1) == (
        "timeout"
    )


async def waiting() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


def test_one_that_is_not_there_is_known_at_once() -> None:
    async def test() -> Reply | str:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            at = place(free)
        return await ask(*at, QUESTION, wire.RD, 0, 60.0)

    assert asyncio.run(test()) == "unreachable"


def test_one_that_has_no_tcp_has_no_long_answer() -> None:
    assert run(lambda data: good(data, 1, dns.flags.TC)) == "unreachable"
    assert run(lambda data: good(data, 1, dns.flags.TC), nothing) == "damaged"


def strange(data: bytes) -> list[bytes]:
    chance = random.Random(0)
    answer = good(data)
    other = wire.name("evil.example.org.") + QUESTION[-4:]
    return [
        bytes([answer[0] ^ 1]) + answer[1:],
        data,
        answer.replace(QUESTION, other),
        answer.replace(QUESTION, QUESTION[:-3] + b"\x1c\0\1"),
        answer[:11],
        b"",
        *(chance.randbytes(chance.randrange(60)) for _ in range(9)),
    ]


@pytest.mark.parametrize("number", range(15))
def test_what_answers_something_else_is_passed_over(number: int) -> None:
    async def both(data: bytes) -> AsyncIterator[bytes]:
        yield strange(data)[number]
        yield good(data)

    assert isinstance(run(both), Reply)


def test_too_much_of_that_has_the_question_asked_by_tcp() -> None:
    async def flood(data: bytes) -> AsyncIterator[bytes]:
        for _ in range(3):
            for one in strange(data):
                yield one
        yield good(data, 2)

    found = run(flood, good)
    assert isinstance(found, Reply)
    assert found.octets == 16


def test_the_answer_of_another_address_is_not_heard() -> None:
    async def test(answering: Callable[[socket.socket, bytes, tuple[str, int]], None]) -> object:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream:
            upstream.bind(("127.0.0.1", 0))
            upstream.setblocking(False)
            task = asyncio.create_task(ask(*place(upstream), QUESTION, wire.RD, 0, 0.3))
            data, client = await asyncio.get_running_loop().sock_recvfrom(upstream, 512)
            answering(upstream, data, client)
            return await task

    def other(_: socket.socket, data: bytes, client: tuple[str, int]) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
            forger.bind(("127.0.0.1", 0))
            forger.sendto(good(data), client)

    def same(upstream: socket.socket, data: bytes, client: tuple[str, int]) -> None:
        upstream.sendto(good(data), client)

    assert asyncio.run(test(other)) == "timeout"
    assert isinstance(asyncio.run(test(same)), Reply)


def test_no_socket_stays_open_whatever_ends_a_question() -> None:
    async def test() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            task = asyncio.create_task(ask(*place(silent), QUESTION, wire.RD, 0, 60.0))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(test())  # an open socket is a warning, and a warning an error


def test_a_host_without_sockets_is_not_the_upstream_s_fault() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def test() -> Reply | str:
        opened: list[socket.socket] = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        try:
            while True:
                opened.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        except OSError:
            return await ask("127.0.0.1", 9, QUESTION, wire.RD, 0, 5.0)
        finally:
            for one in opened:
                one.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert asyncio.run(test()) == "sockets"


def hostile(data: bytes) -> list[bytes]:
    """Return what is no good answer, under the right id from the right address."""
    end = data.index(b"\0", 12) + 5
    head = data[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + data[12:end]
    record = b"\0\1\0\1\0\0\0\x3c\0\4evil"
    at = len(head)
    return [
        head + (0xC000 | at).to_bytes(2) + record,  # a name that points to itself
        head + b"\1a" + (0xC000 | at).to_bytes(2) + record,
        head + (0xC000 | at + 2).to_bytes(2) + (0xC000 | at).to_bytes(2) + record,
        head + b"\x3f" * 400,
        head[:6] + b"\xff\xff" * 3 + head[12:],
        head + bytes(60_000),
        head + b"\xc0\x0c" + record + bytes(1),
        head + b"\xc0\x0c" + record[:-1],
        head,
        *strange(data),
    ]


def test_a_hostile_upstream_beside_a_good_one_changes_no_answer() -> None:
    async def test() -> None:
        number = 0

        def bad(data: bytes, _: str) -> Answer:
            return hostile(data)[number % 24]

        async def late(data: bytes) -> AsyncIterator[bytes]:
            await asyncio.sleep(0)  # the other one is faster
            yield good(data)

        one = UdpListener("127.0.0.1", 0, bad)
        two = UdpListener("127.0.0.1", 0, lambda data, _: late(data))
        forwarder = Forwarder(Forward(), Routes([one.address, two.address]), Counts())
        for listener in (one, two):
            listener.start()
        for number in range(48):
            name = wire.name(f"n{number}.example.org.")
            query = read(b"me\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1", "127.0.0.1")
            assert isinstance(query, Query)
            for _ in range(2):
                answer = forwarder.answer(query)
                data = answer if isinstance(answer, bytes) else await only(answer)
                found = dns.message.from_wire(data)
                assert [str(one) for one in found.answer] == [
                    f"n{number}.example.org. 60 IN A 192.0.2.0"
                ]
        assert forwarder.lookups == {"miss": 48, "hit": 48}
        await forwarder.close()
        for listener in (one, two):
            listener.close()

    asyncio.run(test())


async def only(answer: Answer) -> bytes:
    assert isinstance(answer, AsyncIterator)
    return await anext(answer)

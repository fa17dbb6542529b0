import asyncio
import logging
import resource
import socket
from collections.abc import Awaitable, Callable

import dns.message
import pytest

from pointlab.servers.paths import PATIENCE, answering
from pointsman.activation import Handed
from pointsman.config import TcpConfig
from pointsman.discovery import text
from pointsman.discovery.errors import Fatal
from pointsman.dns import threads as threads_
from pointsman.dns.answer import Responder
from pointsman.dns.counts import Counts
from pointsman.dns.records import Record
from pointsman.dns.teacher import MISSING
from pointsman.dns.zone import Soa, Zone, Zones
from pointsman.listeners import Listeners


def free(kind: socket.SocketKind = socket.SOCK_STREAM) -> str:
    """Return an address that nobody listens on."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


async def asked(address: str) -> tuple[bytes, bytes]:
    """Ask over UDP and TCP."""
    host, port = text.endpoint(address)
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        await loop.sock_connect(client, (host, port))
        client.send(b"q")
        over_udp = await loop.sock_recv(client, 100)
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"\0\1q")
    over_tcp = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
    writer.close()
    await writer.wait_closed()
    return over_udp, over_tcp


async def echoing() -> Listeners:
    """Return listeners that answer with the question."""
    listeners = Listeners(Counts())
    await listeners.answer_with(lambda query, _: query, lambda query, _: query)
    return listeners


def test_both_transports_answer_as_they_are_told_to_at_the_time() -> None:
    async def test() -> None:
        listeners = Listeners(Counts())
        address = free()
        await listeners.listen([address])
        for word in (b"1", b"2"):
            await listeners.answer_with(
                lambda query, host, word=word: query + host.encode() + word,  # type: ignore[misc]
                lambda query, host, word=word: query + host.encode() + word,  # type: ignore[misc]
            )
            assert await asked(address) == (b"q127.0.0.1" + word,) * 2
        await listeners.close()

    asyncio.run(test())


def test_a_change_of_addresses_keeps_those_that_stay() -> None:
    async def test() -> None:
        listeners = await echoing()
        one, two = free(), free()
        await listeners.listen([one])
        reader, writer = await asyncio.open_connection(*one.split(":"))
        writer.write(b"\0\1q")
        assert await reader.readexactly(3) == b"\0\1q"
        await listeners.listen([one, two])
        writer.write(b"\0\1r")  # the same connection still lives
        assert await reader.readexactly(3) == b"\0\1r"
        await listeners.listen([two])
        assert await reader.read() == b""
        writer.close()
        assert await asked(two) == (b"q", b"q")
        await listeners.close()

    asyncio.run(test())


def test_an_address_that_is_taken_changes_nothing() -> None:
    async def test() -> None:
        listeners = await echoing()
        one, two = free(), free()
        await listeners.listen([one])
        with socket.create_server(("127.0.0.1", 0)) as holder:
            taken = f"127.0.0.1:{holder.getsockname()[1]}"
            with pytest.raises(Fatal, match="is taken"):
                await listeners.listen([two, taken])
        assert await asked(one) == (b"q", b"q")
        await listeners.listen([two])
        await listeners.close()

    asyncio.run(test())


def test_all_addresses_and_one_of_them_take_turns_without_losing_a_query() -> None:
    async def test() -> None:
        listeners = await echoing()
        one = free()
        every = one.replace("127.0.0.1", "0.0.0.0")
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            await listeners.listen([every])
            for addresses in ([one], [every, "127.0.0.9:" + one.split(":")[1]], [one]):
                client.sendto(b"before", text.endpoint(one))
                await listeners.listen(addresses)
                client.sendto(b"after", text.endpoint(one))
                async with asyncio.timeout(5):
                    assert {await loop.sock_recv(client, 9) for _ in range(2)} == {
                        b"before",
                        b"after",
                    }
                assert await asked(one) == (b"q", b"q")
        (at,) = listeners.open
        with pytest.raises(Fatal, match="is taken"):
            await (await echoing()).listen([str(at)])  # nobody else can have it, not even this user
        await listeners.close()

    asyncio.run(test())


def test_the_limits_of_tcp_are_those_of_all_listeners_together() -> None:
    async def test() -> None:
        listeners = await echoing()
        one, two = free(), free()
        await listeners.listen([one, two])
        listeners.limit(TcpConfig(connections=2, per_client=2))
        first = await asyncio.open_connection(*text.endpoint(one))
        second = await asyncio.open_connection(*text.endpoint(two))
        for _, writer in (first, second):
            writer.write(b"\0\1q")
        assert [await reader.readexactly(3) for reader, _ in (first, second)] == [b"\0\1q"] * 2
        third = await asyncio.open_connection(*text.endpoint(two))
        assert await third[0].read() == b""  # one more than its client may have
        listeners.limit(TcpConfig(connections=1, per_client=9))
        fourth = await asyncio.open_connection(*text.endpoint(two))
        fourth[1].write(b"\0\1q")
        assert await fourth[0].readexactly(3) == b"\0\1q"
        for reader, _ in (first, second):
            assert await reader.read() == b""  # the listeners of before heed the new limit
        for _, writer in (first, second, third, fourth):
            writer.close()
        await listeners.close()

    asyncio.run(test())


def test_a_socket_for_both_families_serves_both_and_shows_clients_as_they_are() -> None:
    def given(kind: socket.SocketKind, port: int) -> socket.socket:
        one = socket.socket(socket.AF_INET6, kind)
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        one.bind(("::", port))
        return one

    async def test() -> None:
        tcp = given(socket.SOCK_STREAM, 0)
        port = tcp.getsockname()[1]
        handed = Handed(("tcp", tcp), ("udp", given(socket.SOCK_DGRAM, port)))
        listeners = Listeners(Counts(), handed)
        await listeners.listen([f"0.0.0.0:{port}", f"[::]:{port}"])
        await listeners.answer_with(lambda _, host: host.encode(), lambda _, host: host.encode())
        for host in ("127.0.0.1", "::1"):
            assert await asked(text.joined(host, port)) == (host.encode(), host.encode())
        await asks_from_where_it_sent("127.0.0.7", port)
        await listeners.close()
        handed.close()

    async def asks_from_where_it_sent(host: str, port: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.sendto(b"q", (host, port))
            async with asyncio.timeout(5):
                _, sender = await asyncio.get_running_loop().sock_recvfrom(client, 9)
        assert sender == (host, port)

    asyncio.run(test())


def test_what_is_not_there_yet_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        listeners = await echoing()
        with caplog.at_level(logging.WARNING):
            for _ in range(2):
                await listeners.listen(["127.0.0.1:5355", "192.0.2.1:5355", "eth77:5355"])
        await listeners.close()

    asyncio.run(test())
    assert [message.partition(" yet")[0] for message in caplog.messages] == [
        "dns.listen: no interface has 192.0.2.1",
        "dns.listen: there is no interface eth77",
    ]


class Following:
    """Listeners that follow the interfaces, and how often they said that they changed."""

    def __init__(self, listeners: Listeners) -> None:
        self.listeners = listeners
        self.changes = 0

    async def until(self, *wanted: str) -> None:
        """Wait until there are listeners at exactly these."""
        async with asyncio.timeout(5):
            while {str(at) for at in self.listeners.open} != set(wanted):
                await asyncio.sleep(0.01)

    def changed(self) -> None:
        self.changes += 1


def following(values: list[str], test: Callable[[Following], Awaitable[None]]) -> None:
    async def run() -> None:
        following = Following(await echoing())
        await following.listeners.listen(values)
        task = asyncio.create_task(following.listeners.follow(following.changed))
        try:
            await test(following)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await following.listeners.close()

    asyncio.run(run())


def test_an_interface_is_listened_on_while_its_addresses_come_and_go(
    eth0: Callable[[str], None],
) -> None:
    async def test(following: Following) -> None:
        assert not following.listeners.open
        eth0("addr add 10.9.0.1/24 dev eth0")
        await following.until("10.9.0.1:53")
        eth0("addr add fd09::1/64 dev eth0 nodad")
        eth0("addr add fe80::9/64 dev eth0 nodad")
        scope = socket.if_nametoindex("eth0")
        await following.until("10.9.0.1:53", "[fd09::1]:53", f"[fe80::9%{scope}]:53")
        for at in following.listeners.open:
            if "%" not in at.host:
                assert await asked(str(at)) == (b"q", b"q")
        eth0("addr del 10.9.0.1/24 dev eth0")
        await following.until("[fd09::1]:53", f"[fe80::9%{scope}]:53")
        eth0("link set eth0 down")
        eth0("link set eth0 name eth1")
        await following.until()
        assert following.changes >= 4

    following(["eth0:53"], test)


def test_an_interface_made_anew_is_another_for_its_link_local_address(
    eth0: Callable[[str], None],
) -> None:
    async def test(following: Following) -> None:
        for _ in range(2):
            eth0("addr add fe80::9/64 dev eth0 nodad")
            scope = socket.if_nametoindex("eth0")
            await following.until(f"[fe80::9%{scope}]:53")
            eth0("link del eth0")
            eth0("link add eth0 type veth peer name peer")
            eth0("link set eth0 addrgenmode none up")
            eth0("link set peer addrgenmode none up")

    following(["[fe80::9%eth0]:53"], test)


def test_an_address_that_another_has_keeps_no_other_from_being_listened_on(
    eth0: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    async def test(following: Following) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
            eth0("addr add 10.9.0.1/24 dev lo")
            holder.bind(("10.9.0.1", 53))
            eth0("addr del 10.9.0.1/24 dev lo")
            eth0("addr add 10.9.0.1/24 dev eth0")
            eth0("addr add 10.9.0.2/24 dev eth0")
            await following.until("10.9.0.2:53")
        assert any("UDP 10.9.0.1:53 is taken" in message for message in caplog.messages)
        eth0("addr add 10.9.0.3/24 dev eth0")
        await following.until("10.9.0.1:53", "10.9.0.2:53", "10.9.0.3:53")

    following(["eth0:53"], test)


# With threads of the native responder.

native = pytest.mark.skipif(bool(MISSING), reason=f"no native responder: {MISSING}")
KNOWN, PASSED = (
    dns.message.make_query(name, "A", id=0).to_wire()[2:] for name in ("web.mesos.", "example.com.")
)


class Native:
    """A responder that was asked before, and listeners that it answers with."""

    def __init__(self, handed: Handed | None = None) -> None:
        zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60)
        zone.update((), [Record("web.mesos.", "A", "10.0.0.1", 60)])
        zone.loaded = True
        self.responder: Responder = answering("native", Zones(zone))
        assert self.responder.udp(b"\0\0" + KNOWN, "127.0.0.1")
        self.counts = self.responder.counts
        self.listeners = Listeners(self.counts, handed)

    async def answer(self, threads: int) -> None:
        assert self.responder.teacher is not None
        one = self.responder
        await self.listeners.answer_with(one.udp, one.tcp, self.responder.teacher.table, threads)

    async def asked(self, address: str, count: int = 50) -> None:
        """Ask as many times, each from another socket, of what is known and what is not."""
        loop = asyncio.get_running_loop()
        host, port = text.endpoint(address)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        for number in range(count):
            with socket.socket(family, socket.SOCK_DGRAM) as client:
                client.setblocking(False)
                await loop.sock_connect(client, (host, port))
                for query in (KNOWN, PASSED):
                    client.send(number.to_bytes(2) + query)
                async with asyncio.timeout(PATIENCE):
                    for _ in range(2):
                        assert (await loop.sock_recv(client, 512))[:2] == number.to_bytes(2)


@native
def test_native_threads_answer_on_all_addresses_those_opened_later_too() -> None:
    async def test() -> None:
        one = Native()
        first, second = free(), free()
        await one.listeners.listen([first])
        await one.answer(2)
        await one.listeners.listen([first, second])
        for threads in (2, 1, 3):
            await one.answer(threads)
            one.counts.collect()
            before = one.counts.passed, one.counts.total("answered")
            for address in (first, second):
                await one.asked(address)
            one.counts.collect()
            assert one.counts.passed == before[0] + 100
            assert one.counts.total("answered") == before[1] + 100
        await one.listeners.close()
        assert len(one.counts._sources) == 1  # the table's own

    asyncio.run(test())


@native
@pytest.mark.parametrize("threads", [1, 2])
def test_all_addresses_and_one_of_them_take_turns_natively_without_losing_a_query(
    threads: int,
) -> None:
    async def test() -> None:
        one = Native()
        own = free()
        every = own.replace("127.0.0.1", "0.0.0.0")
        await one.listeners.listen([every])
        await one.answer(threads)
        for addresses in ([own], [every, "127.0.0.9:" + own.split(":")[1]], [own], [every]) * 3:
            asking = asyncio.create_task(one.asked(own))
            await one.listeners.listen(addresses)
            await asking
        await one.listeners.close()
        assert not one.counts.dropped

    asyncio.run(test())


@native
def test_sockets_that_were_handed_over_are_read_natively() -> None:
    async def test() -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        ):
            host, port = tcp.getsockname()
            udp.bind((host, port))
            handed = Handed(("tcp", tcp.dup()), ("udp", udp.dup()))
            one = Native(handed)
            await one.listeners.listen([f"{host}:{port}"])
            for threads in (1, 3, 2):
                await one.answer(threads)
                await one.asked(f"{host}:{port}")
            await one.listeners.close()
            handed.close()
            assert not udp.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)

    asyncio.run(test())


@native
def test_threads_that_can_not_be_had_leave_the_answers_to_python(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test() -> None:
        one = Native()
        address = free()
        await one.listeners.listen([address])
        # More sockets for one address than the process may have files.
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (60, hard))
        try:
            with caplog.at_level(logging.WARNING):
                await one.answer(threads_.MOST_THREADS)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await one.asked(address)
        one.counts.collect()
        assert one.counts.passed == 0
        await one.answer(2)
        await one.asked(address)
        one.counts.collect()
        assert one.counts.passed == 50
        await one.listeners.close()

    asyncio.run(test())
    (said,) = caplog.messages
    assert said.endswith("; all is answered in Python")

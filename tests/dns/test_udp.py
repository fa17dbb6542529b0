import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import dns.message
import pytest

from pointlab.servers.paths import PATIENCE, answering
from pointsman.discovery.errors import Fatal
from pointsman.dns.answer import Responder
from pointsman.dns.listening import Bind, bound, widen
from pointsman.dns.records import Record
from pointsman.dns.teacher import MISSING
from pointsman.dns.udp import RECEIVE_BUFFER, UdpListener
from pointsman.dns.zone import Soa, Zone, Zones


def test_each_packet_has_its_answer() -> None:
    async def test() -> None:
        listener = UdpListener(
            "127.0.0.1", 0, lambda query, _: query[::-1] if query != b"no" else None
        )
        listener.start()
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect(listener.address)
            client.send(b"no")
            for number in range(200):  # more than one turn of the loop takes
                client.send(f"ab{number}".encode())
            answers = [await loop.sock_recv(client, 512) for _ in range(200)]
        listener.close()
        assert answers == [f"ab{number}".encode()[::-1] for number in range(200)]

    asyncio.run(test())


def test_a_client_that_has_gone_stops_nothing() -> None:
    async def test() -> None:
        listener = UdpListener("127.0.0.1", 0, lambda query, _: query)
        listener.start()
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
            gone.sendto(b"bye", listener.address)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect(listener.address)
            client.send(b"here")
            assert await loop.sock_recv(client, 512) == b"here"
        listener.close()

    asyncio.run(test())


def test_the_address_is_free_after_closing() -> None:
    async def test() -> None:
        first = UdpListener("127.0.0.1", 0, lambda query, _: query)
        first.start()
        first.close()
        UdpListener(*first.address, lambda query, _: query).close()

    asyncio.run(test())


def asked(listen: str, *addresses: str) -> list[bytes]:
    """Return what a listener answers to clients that take answers from where they asked alone."""

    async def test() -> list[bytes]:
        listener = UdpListener(listen, 0, lambda query, _: query[::-1])
        listener.start()
        loop = asyncio.get_running_loop()
        found = []
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as client:
                client.setblocking(False)
                client.connect((address, listener.address[1]))
                client.send(address.encode())
                async with asyncio.timeout(5):
                    found.append(await loop.sock_recv(client, 512))
        listener.close()
        return found

    return asyncio.run(test())


def test_an_answer_comes_from_the_address_that_was_asked() -> None:
    addresses = ("127.0.0.1", "127.0.0.5", "127.9.8.7")
    assert asked("0.0.0.0", *addresses) == [a.encode()[::-1] for a in addresses]
    assert asked("::", "::1") == [b"1::"]


def test_a_client_that_has_gone_stops_nothing_on_all_addresses() -> None:
    async def test() -> None:
        listener = UdpListener("0.0.0.0", 0, lambda query, _: query if query != b"no" else None)
        listener.start()
        loop = asyncio.get_running_loop()
        port = listener.address[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
            gone.sendto(b"bye", ("127.0.0.2", port))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect(("127.0.0.3", port))
            client.send(b"no")
            client.send(b"here")
            async with asyncio.timeout(5):
                assert await loop.sock_recv(client, 512) == b"here"
        listener.close()

    asyncio.run(test())


# With threads of the native responder, which may come and go while clients ask.

native = pytest.mark.skipif(bool(MISSING), reason=f"no native responder: {MISSING}")

KNOWN = dns.message.make_query("web.mesos.", "A", id=0).to_wire()[2:]
PASSED = dns.message.make_query("example.com.", "A", id=0).to_wire()[2:]
"""Queries without their ids: one that is taught, and one that never is."""

SWITCHES = (1, 3, 2, None, 3, None, 1, 64, None)
"""How many threads read, one after the other; None where the loop does."""


def numbered(count: int, first: int = 0) -> list[bytes]:
    """Return so many queries, of both kinds in turn."""
    return [n.to_bytes(2) + (KNOWN, PASSED)[n % 2] for n in range(first, first + count)]


def responder() -> Responder:
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60)
    zone.update((), [Record("web.mesos.", "A", "10.0.0.1", 60)])
    zone.loaded = True
    made = answering("native", Zones(zone))
    assert made.udp(b"\0\7" + KNOWN, "127.0.0.1")
    return made


class Listening:
    """A listener on an address that native threads may read, and clients for it."""

    def __init__(self, stack: ExitStack, host: str = "127.0.0.1", bind: Bind = bound) -> None:
        self.responder = responder()
        self.counts = self.responder.counts
        self.listener = UdpListener(host, 0, self.responder.udp, self.counts, bind=bind)
        self._stack = stack
        self._closing = stack.enter_context(ExitStack())
        self._closing.callback(self.listener.close)
        self.listener.start()

    def close(self) -> None:
        """Close the listener, before the end of the test."""
        self._closing.close()

    def serve(self, threads: int | None) -> None:
        assert self.responder.teacher is not None
        self.listener.serve(self.responder.teacher.table if threads else None, threads or 1)

    def client(self, host: str = "127.0.0.1") -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        one = self._stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        one.setblocking(False)
        widen(one, RECEIVE_BUFFER)
        one.connect((host, self.listener.address[1]))
        return one

    def native(self) -> int:
        """Return how many queries threads have answered."""
        self.counts.collect()
        return self.counts.queries["udp", "A", "answered"][0]


async def collected(client: socket.socket, count: int) -> set[int]:
    """Return the ids of so many answers."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE):
        return {int.from_bytes((await loop.sock_recv(client, 512))[:2]) for _ in range(count)}


def listening(
    test: Callable[[Listening], Awaitable[None]], host: str = "127.0.0.1", bind: Bind = bound
) -> None:
    async def run() -> None:
        with ExitStack() as stack:
            await test(Listening(stack, host, bind))

    asyncio.run(run())


@native
def test_threads_come_and_go_and_no_query_is_lost() -> None:
    async def test(one: Listening) -> None:
        client = one.client()
        for threads in SWITCHES:
            for query in numbered(300):
                client.send(query)
            one.serve(threads)
            assert one.listener.spread == ((threads or 1) > 1)
            for query in numbered(300, 300):
                client.send(query)
            assert await collected(client, 600) == {*range(600)}
            before = one.native()
            client.send(numbered(1)[0])
            await collected(client, 1)
            assert one.native() == before + 1  # whoever answers counts it
        with pytest.raises(BlockingIOError):
            client.recv(512)
        assert not one.counts.dropped

    listening(test)


@native
@pytest.mark.parametrize("threads", [None, 1, 3])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_what_came_before_a_listener_closes_has_its_answer(threads: int | None, host: str) -> None:
    async def test(one: Listening) -> None:
        one.serve(threads)
        clients = [one.client() for _ in range(10)]
        for client in clients:
            for query in numbered(100):
                client.send(query)
        one.close()
        for client in clients:
            assert await collected(client, 100) == {*range(100)}

    listening(test, host)


@native
def test_clients_that_wait_for_each_answer_lose_none_while_threads_change() -> None:
    def asked(client: socket.socket) -> int:
        client.settimeout(PATIENCE)
        for query in numbered(400):
            client.send(query)
            assert client.recv(512)[:2] == query[:2]
        return 400

    async def test(one: Listening) -> None:
        asking = [asyncio.create_task(asyncio.to_thread(asked, one.client())) for _ in range(4)]
        switches = itertools.cycle(SWITCHES[:-2])
        while not all(task.done() for task in asking):
            one.serve(next(switches))
            await asyncio.sleep(0)
        assert [await task for task in asking] == [400] * 4
        one.counts.collect()
        assert one.counts.total() == 1601

    listening(test)


@native
def test_clients_are_spread_over_all_threads() -> None:
    async def test(one: Listening) -> None:
        clients = [one.client() for _ in range(64)]
        for threads in (3, 2, 4):
            one.serve(threads)
            for client in clients:
                client.send(numbered(1)[0])
                await collected(client, 1)
            running = one.listener._threads
            assert running is not None
            seen = [sum(row[2] for row in server.counts()[0]) for server in running._servers]
            assert len(seen) == threads
            assert all(seen)
            assert sum(seen) == 64

    listening(test)


@native
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    ("every", "hosts"),
    [("0.0.0.0", ("127.0.0.1", "127.0.0.5", "127.9.8.7")), ("::", ("::1",))],
)
def test_threads_and_loop_answer_from_the_address_that_was_asked(
    every: str, hosts: tuple[str, ...], threads: int
) -> None:
    async def test(one: Listening) -> None:
        one.serve(threads)
        for host in hosts:
            client = one.client(host)  # takes answers from there alone
            for query in numbered(20):
                client.send(query)
            assert await collected(client, 20) == {*range(20)}
        one.counts.collect()
        assert one.counts.passed == 10 * len(hosts)

    listening(test, every)


@native
def test_a_socket_of_the_service_manager_is_read_by_all_and_left_as_it_was() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as manager:
        manager.bind(("127.0.0.1", 0))
        port = manager.getsockname()[1]

        def copied(
            kind: socket.SocketKind, address: str, port: int, *, shared: bool = False
        ) -> socket.socket:
            copy = manager.dup()
            copy.setblocking(False)
            return copy

        async def test(one: Listening) -> None:
            one.listener.shared = True
            assert one.listener.address[1] == port
            client = one.client()
            for threads in SWITCHES:
                one.serve(threads)
                for query in numbered(100):
                    client.send(query)
                assert await collected(client, 100) == {*range(100)}
            one.close()
            client.send(b"later")

        listening(test, bind=copied)
        manager.settimeout(PATIENCE)
        assert manager.recv(512) == b"later"  # for the next who is handed it
        assert not manager.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)


@native
@pytest.mark.parametrize("before", [None, 1, 2])
def test_threads_that_can_not_be_had_leave_all_as_it_was(before: int | None) -> None:
    def refused(
        kind: socket.SocketKind, address: str, port: int, *, shared: bool = False
    ) -> socket.socket:
        if len(opened) == 4:
            raise Fatal("no more")
        opened.append(bound(kind, address, port, shared=shared))
        return opened[-1]

    opened: list[socket.socket] = []

    async def test(one: Listening) -> None:
        one.serve(before)
        clients = [one.client() for _ in range(20)]
        sockets, threads = [*one.listener._sockets], one.listener._threads
        for client in clients:
            for query in numbered(10):
                client.send(query)
        with pytest.raises(Fatal, match="no more"):
            one.serve(6)
        assert one.listener._sockets == sockets
        assert one.listener._threads is threads
        for client in clients:
            for query in numbered(10, 10):
                client.send(query)
            assert await collected(client, 20) == {*range(20)}

    listening(test, bind=refused)


@native
def test_an_address_is_nobody_elses_while_one_thread_reads_it() -> None:
    async def test(one: Listening) -> None:
        for threads in (1, 3, 1, None):
            one.serve(threads)
            with pytest.raises(Fatal, match="is taken"):
                bound(socket.SOCK_DGRAM, *one.listener.address)
        with pytest.raises(Fatal, match="is taken"):
            bound(socket.SOCK_DGRAM, *one.listener.address, shared=True)

    listening(test)

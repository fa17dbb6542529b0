import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from pointsman.dns.query import Answer
from pointsman.dns.tcp import TURN, Connections, TcpListener


def framed(data: bytes) -> bytes:
    return len(data).to_bytes(2) + data


async def read(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(2)))


def serving(
    test: Callable[[TcpListener], Awaitable[None]],
    *,
    most: int = 256,
    per_client: int = 256,
    idle: float = 10.0,
) -> None:
    """Run a test against a listener that answers with what was asked, reversed."""

    def answer(query: bytes, _: str) -> Answer:
        if query.startswith(b"later"):
            return later(query)
        return None if query == b"no" else b"x" * 60_000 if query == b"big" else query[::-1]

    async def later(query: bytes) -> AsyncIterator[bytes]:
        """Give as many answers as are asked for, each after another turn of the loop."""
        for number in range(int(query[5:])):
            await asyncio.sleep(0)
            yield b"%d" % number if number < 100 else b"x" * 60_000

    async def run() -> None:
        limits = Connections(most=most, per_client=per_client, idle=idle)
        listener = TcpListener("127.0.0.1", 0, answer, limits)
        await listener.start()
        try:
            await test(listener)
        finally:
            await listener.close()

    asyncio.run(run())


def test_many_queries_on_one_connection() -> None:
    async def test(listener: TcpListener) -> None:
        reader, writer = await asyncio.open_connection(*listener.address)
        writer.write(framed(b"one") + framed(b"two")[:3])  # cut anywhere
        assert await read(reader) == b"eno"
        writer.write(framed(b"two")[3:])
        assert await read(reader) == b"owt"
        writer.close()

    serving(test)


def test_a_client_with_much_to_ask_leaves_turns_to_others() -> None:
    happened: list[str] = []

    async def turns() -> None:
        while True:
            happened.append(" ")
            await asyncio.sleep(0)

    def answer(_query: bytes, _: str) -> bytes:
        happened.append("x")
        return b""

    async def run() -> None:
        listener = TcpListener("127.0.0.1", 0, answer)
        await listener.start()
        reader, writer = await asyncio.open_connection(*listener.address)
        others = asyncio.create_task(turns())
        writer.write(framed(b"?") * 2000)
        await reader.readexactly(2 * 2000)
        others.cancel()
        writer.close()
        await listener.close()

    asyncio.run(run())
    assert max(map(len, "".join(happened).split())) <= TURN


def test_a_client_that_has_said_all_still_gets_its_answers() -> None:
    async def test(listener: TcpListener) -> None:
        reader, writer = await asyncio.open_connection(*listener.address)
        writer.write(framed(b"big") + framed(b"end"))
        writer.write_eof()
        assert len(await read(reader)) == 60_000
        assert await read(reader) == b"dne"
        assert await reader.read() == b""
        writer.close()

    serving(test)


def test_what_deserves_no_answer_ends_the_connection() -> None:
    async def test(listener: TcpListener) -> None:
        reader, writer = await asyncio.open_connection(*listener.address)
        writer.write(framed(b"no"))
        assert await reader.read() == b""
        writer.close()

    serving(test)


def test_a_silent_connection_is_closed() -> None:
    async def test(listener: TcpListener) -> None:
        reader, writer = await asyncio.open_connection(*listener.address)
        writer.write(framed(b"half")[:3])
        assert await reader.read() == b""
        writer.close()

    serving(test, idle=0.05)


def test_a_client_that_does_not_read_is_dropped() -> None:
    async def test(listener: TcpListener) -> None:
        _, writer = await asyncio.open_connection(*listener.address, limit=1)
        try:
            while True:
                writer.write(framed(b"big") * 64)
                await writer.drain()
                await asyncio.sleep(0)
        except ConnectionError:
            pass

    serving(test, idle=0.2)


def test_a_connection_too_many_ends_the_one_that_was_silent_longest() -> None:
    async def test(listener: TcpListener) -> None:
        first = await asyncio.open_connection(*listener.address)
        second = await asyncio.open_connection(*listener.address)
        for _, writer in (second, first):
            writer.write(framed(b"one"))
        for reader, _ in (second, first):
            assert await read(reader) == b"eno"
        third = await asyncio.open_connection(*listener.address)
        assert await second[0].read() == b""
        for reader, writer in (first, third):
            writer.write(framed(b"two"))
            assert await read(reader) == b"owt"
        assert listener.connections.counts.dropped == {"tcp_connections": 1}
        for _, writer in (first, second, third):
            writer.close()

    serving(test, most=2)


def test_one_client_has_only_its_share_of_connections() -> None:
    async def test(listener: TcpListener) -> None:
        first = await asyncio.open_connection(*listener.address)
        first[1].write(framed(b"one"))
        assert await read(first[0]) == b"eno"
        second = await asyncio.open_connection(*listener.address)
        assert await second[0].read() == b""
        first[1].write(framed(b"two"))
        assert await read(first[0]) == b"owt"
        other = await asyncio.open_connection(*listener.address, local_addr=("127.0.0.2", 0))
        other[1].write(framed(b"one"))
        assert await read(other[0]) == b"eno"
        assert listener.connections.counts.dropped == {"tcp_per_client": 1}
        for _, writer in (first, second, other):
            writer.close()

    serving(test, per_client=1)


def test_an_answer_that_takes_time_holds_up_no_other() -> None:
    async def test(listener: TcpListener) -> None:
        reader, writer = await asyncio.open_connection(*listener.address)
        writer.write(framed(b"later2") + framed(b"one"))
        assert [await read(reader) for _ in range(3)] == [b"eno", b"0", b"1"]
        writer.write(framed(b"later1"))
        writer.write_eof()
        assert await read(reader) == b"0"
        assert await reader.read() == b""
        writer.close()

    serving(test)


def test_a_client_may_have_only_so_many_answers_on_their_way() -> None:
    async def test(listener: TcpListener) -> None:
        reader, writer = await asyncio.open_connection(*listener.address)
        writer.write(framed(b"later1") * 500 + framed(b"end"))
        answers = [await read(reader) for _ in range(501)]
        assert sorted(answers) == [b"0"] * 500 + [b"dne"]
        writer.close()

    serving(test)


def test_many_messages_go_out_as_fast_as_they_are_read() -> None:
    async def test(listener: TcpListener) -> None:
        reader, writer = await asyncio.open_connection(*listener.address)
        writer.write(framed(b"later300"))
        assert [len(await read(reader)) for _ in range(300)][-200:] == [60_000] * 200
        writer.close()

    serving(test)


def test_a_message_that_comes_slowly_does_not_keep_a_connection() -> None:
    async def test(listener: TcpListener) -> None:
        reader, writer = await asyncio.open_connection(*listener.address)

        async def trickle() -> None:
            for octet in framed(bytes(10_000)):
                writer.write(bytes([octet]))
                await asyncio.sleep(0.01)

        trickling = asyncio.create_task(trickle())
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert not trickling.done()
        trickling.cancel()
        assert listener.connections.counts.dropped == {"tcp_idle": 1}
        writer.close()

    serving(test, idle=0.2)


def test_closing_ends_the_connections() -> None:
    async def test(listener: TcpListener) -> None:
        reader, writer = await asyncio.open_connection(*listener.address)
        writer.write(framed(b"one"))
        await read(reader)
        await listener.close()
        assert await reader.read() == b""
        writer.close()

    serving(test)

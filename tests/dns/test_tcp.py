import asyncio
from collections.abc import Awaitable, Callable

from pointsman.dns.tcp import TURN, TcpListener


def framed(data: bytes) -> bytes:
    return len(data).to_bytes(2) + data


async def read(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(2)))


def serving(
    test: Callable[[TcpListener], Awaitable[None]], *, most: int = 256, idle: float = 10.0
) -> None:
    """Run a test against a listener that answers with what was asked, reversed."""

    def answer(query: bytes) -> bytes | None:
        return None if query == b"no" else b"x" * 60_000 if query == b"big" else query[::-1]

    async def run() -> None:
        listener = TcpListener("127.0.0.1", 0, answer, most=most, idle=idle)
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

    def answer(_query: bytes) -> bytes:
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


def test_no_more_connections_than_allowed() -> None:
    async def test(listener: TcpListener) -> None:
        first = await asyncio.open_connection(*listener.address)
        first[1].write(framed(b"one"))
        assert await read(first[0]) == b"eno"
        second = await asyncio.open_connection(*listener.address)
        assert await second[0].read() == b""
        first[1].write(framed(b"two"))
        assert await read(first[0]) == b"owt"
        for _, writer in (first, second):
            writer.close()

    serving(test, most=1)


def test_closing_ends_the_connections() -> None:
    async def test(listener: TcpListener) -> None:
        reader, writer = await asyncio.open_connection(*listener.address)
        writer.write(framed(b"one"))
        await read(reader)
        await listener.close()
        assert await reader.read() == b""
        writer.close()

    serving(test)

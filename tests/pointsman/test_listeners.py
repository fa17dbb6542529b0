import asyncio
import socket

import pytest

from pointsman.discovery.errors import Fatal
from pointsman.dns.counts import Counts
from pointsman.listeners import Listeners


def free(kind: socket.SocketKind = socket.SOCK_STREAM) -> str:
    """Return an address that nobody listens on."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


async def asked(address: str) -> tuple[bytes, bytes]:
    """Ask over UDP and TCP."""
    host, port = address.split(":")
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect((host, int(port)))
        client.send(b"q")
        over_udp = await loop.sock_recv(client, 100)
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"\0\1q")
    over_tcp = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
    writer.close()
    await writer.wait_closed()
    return over_udp, over_tcp


def echoing() -> Listeners:
    """Return listeners that answer with the question."""
    listeners = Listeners(Counts())
    listeners.answer_with(lambda query, _: query, lambda query, _: query)
    return listeners


def test_both_transports_answer_as_they_are_told_to_at_the_time() -> None:
    async def test() -> None:
        listeners = Listeners(Counts())
        address = free()
        await listeners.listen([address])
        for word in (b"1", b"2"):
            listeners.answer_with(
                lambda query, host, word=word: query + host.encode() + word,  # type: ignore[misc]
                lambda query, host, word=word: query + host.encode() + word,  # type: ignore[misc]
            )
            assert await asked(address) == (b"q127.0.0.1" + word,) * 2
        await listeners.close()

    asyncio.run(test())


def test_a_change_of_addresses_keeps_those_that_stay() -> None:
    async def test() -> None:
        listeners = echoing()
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
        listeners = echoing()
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

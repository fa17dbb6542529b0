"""The master list against servers that answer with what real masters said."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from pointsman.discovery.errors import Transient
from pointsman.discovery.master import MasterList
from pointsman.discovery.model import Cluster, Master

DATA = Path(__file__).parents[1] / "data/mesos"
REFUSED = "127.0.0.1:1"


def address_of(server: asyncio.Server) -> str:
    host, port = server.sockets[0].getsockname()
    return f"{host}:{port}"


class Replay:
    """A server that answers every request with the same bytes, then closes."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.address = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = address_of(server)
        try:
            yield self.address
        finally:
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(request.split(b" ")[1].decode())
        writer.write(self.answer)
        writer.close()
        await writer.wait_closed()


def captured(name: str) -> Replay:
    return Replay((DATA / f"{name}.http").read_bytes())


def redirect(to: str) -> Replay:
    return Replay(
        b"HTTP/1.1 307 Temporary Redirect\r\nLocation: //%s/master/state\r\n"
        b"Content-Length: 0\r\n\r\n" % to.encode()
    )


async def read(*masters: str, timeout: float = 5.0) -> Cluster:
    async with aiohttp.ClientSession() as session:
        return await MasterList(masters, session, timeout).read()


def test_the_leader_is_read() -> None:
    async def test() -> None:
        leader = captured("running")
        async with leader.running() as address:
            cluster = await read(address)
        assert len(cluster.tasks) == 5
        assert leader.asked == ["/state"]
        assert cluster.masters == (Master("127.0.0.1", int(address.rpartition(":")[2])),)

    asyncio.run(test())


def test_a_followers_redirect_without_a_scheme_is_followed() -> None:
    async def test() -> None:
        leader = captured("running")
        async with leader.running() as address, redirect(address).running() as follower:
            assert len((await read(follower)).tasks) == 5

    asyncio.run(test())


@pytest.mark.parametrize("other", ["no-leader", "booting"])
def test_the_next_master_is_tried_when_one_is_not_ready(other: str) -> None:
    async def test() -> None:
        async with captured(other).running() as first, captured("running").running() as leader:
            assert len((await read(first, leader)).tasks) == 5

    asyncio.run(test())


def test_the_next_master_is_tried_when_one_is_dead() -> None:
    async def test() -> None:
        async with captured("running").running() as leader:
            assert len((await read(REFUSED, leader)).tasks) == 5

    asyncio.run(test())


def test_the_master_that_answered_is_asked_first_the_next_time() -> None:
    async def test() -> None:
        booting = captured("booting")
        async with (
            booting.running() as first,
            captured("running").running() as leader,
            aiohttp.ClientSession() as session,
        ):
            masters = MasterList([first, leader], session, 5.0)
            one, two = await masters.read(), await masters.read()
        assert len(booting.asked) == 1
        assert one == two

    asyncio.run(test())


def test_a_redirect_loop_is_cut_short() -> None:
    # A master restarted on the dead leader's address sends to itself.
    async def test() -> None:
        itself = redirect("")
        async with itself.running() as address:
            itself.answer = redirect(address).answer
            with pytest.raises(Transient, match="loop"):
                await read(address)
        assert len(itself.asked) == 1

    asyncio.run(test())


def test_a_redirect_to_the_dead_is_a_reason_not_an_end() -> None:
    async def test() -> None:
        async with redirect(REFUSED).running() as follower, captured("running").running() as leader:
            assert len((await read(follower, leader)).tasks) == 5

    asyncio.run(test())


def test_when_none_leads_the_error_says_what_each_answered() -> None:
    async def test() -> None:
        async with captured("no-leader").running() as one, captured("booting").running() as two:
            with pytest.raises(Transient) as error:
                await read(one, two, REFUSED)
        for words in (f"{one} answered 503 No leader elected", f"{two} answered 404", REFUSED):
            assert words in str(error.value)

    asyncio.run(test())


def test_half_a_body_is_transient() -> None:
    async def test() -> None:
        half = captured("running")
        half.answer = half.answer[:5000]
        async with half.running() as address:
            with pytest.raises(Transient):
                await read(address)

    asyncio.run(test())


def test_a_master_that_never_answers_is_given_up() -> None:
    async def test() -> None:
        silent = asyncio.Event()

        async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await silent.wait()
            writer.close()

        server = await asyncio.start_server(wait, "127.0.0.1", 0)
        with pytest.raises(Transient, match="in time"):
            await read(address_of(server), timeout=0.2)
        silent.set()
        server.close()
        await server.wait_closed()

    asyncio.run(test())

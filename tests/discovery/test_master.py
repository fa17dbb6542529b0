"""The master list against servers that answer with what real masters said."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from pointsman.discovery import v0
from pointsman.discovery.access import Access, Auth, Tls
from pointsman.discovery.errors import Transient
from pointsman.discovery.listing import gather
from pointsman.discovery.master import Masters, Refused
from pointsman.discovery.model import Cluster, Master
from pointsman.doubles import OperatorDouble

DATA = Path(__file__).parents[1] / "data/mesos"
REFUSED = "127.0.0.1:1"
NOBODY = Access(Tls(), Auth())


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
        return await state(Masters(masters, session, NOBODY, timeout))


async def state(masters: Masters) -> Cluster:
    _, document = await masters.document("/state")
    return gather([v0.read(b"".join(document))])


def test_the_leader_is_read() -> None:
    async def test() -> None:
        leader = captured("running")
        async with leader.running() as address:
            cluster = await read(address)
        assert len(cluster.tasks) == 5
        assert leader.asked == ["/state"]

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
            masters = Masters([first, leader], session, NOBODY, 5.0)
            one, two = await state(masters), await state(masters)
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


def test_masters_given_by_address_are_known_in_a_stable_order() -> None:
    async def test() -> None:
        async with aiohttp.ClientSession() as session:
            masters = Masters(["10.0.0.2:5050", "m1.example:5050"], session, NOBODY, 5.0)
            assert masters.known == (Master("10.0.0.2", 5050),)
            masters.replace(["10.0.0.3:5050", "10.0.0.1:5050"])
            assert list(masters.known) == [Master("10.0.0.1", 5050), Master("10.0.0.3", 5050)]

    asyncio.run(test())


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("error-unknown-call", Refused),
        ("auth-401-api", Refused),
        ("booting", Refused),
        ("no-leader", Transient),
        ("paused-leader-GET_STATE-503", Transient),
    ],
)
def test_what_a_master_does_not_know_is_told_from_what_it_can_not_say_now(
    answer: str, kind: type[Transient]
) -> None:
    async def test() -> None:
        async with captured(answer).running() as address, aiohttp.ClientSession() as session:
            with pytest.raises(Transient) as error:
                await Masters([address], session, NOBODY, 5.0).document("/api/v1", b"{}")
            assert type(error.value) is kind

    asyncio.run(test())


def test_a_call_is_redirected_like_a_question() -> None:
    async def test() -> None:
        async with (
            OperatorDouble(b"{}") as leader,
            redirect(leader.address).running() as follower,
            aiohttp.ClientSession() as session,
        ):
            masters = Masters([follower], session, NOBODY, 5.0)
            address, _ = await masters.document("/api/v1", b'{"type":"GET_STATE"}')
            assert address == leader.address
            assert leader.asked == ["GET_STATE"]
            assert leader.headers[0]["Accept-Encoding"] == "identity"

    asyncio.run(test())


def test_a_secret_that_was_changed_is_read_again_when_it_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("old\n")
    access = Access(Tls(), Auth(principal="ops", secret_file=str(secret)))

    async def test() -> None:
        async with OperatorDouble(b"{}") as leader, aiohttp.ClientSession() as session:
            masters = Masters([leader.address], session, access, 5.0)
            await masters.document("/state")
            secret.write_text("new\n")
            leader.refused = {"state": 401}
            with pytest.raises(Refused, match="401"):
                await masters.document("/state")
            assert [h["Authorization"] for h in leader.headers] == [
                "Basic b3BzOm9sZA==", "Basic b3BzOm9sZA==", "Basic b3BzOm5ldw==",
            ]  # fmt: skip

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

"""Questions from clients, upstreams that are told what to say, and a clock that is moved."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import pytest

import pointsman.dns.forwarder as forwarder_
from pointsman.dns import message, wire
from pointsman.dns.counts import Counts
from pointsman.dns.forward import Forward
from pointsman.dns.forwarder import Forwarder
from pointsman.dns.query import Query, read
from pointsman.dns.reply import Reply
from pointsman.dns.upstreams import DOWN, Routes

ADDRESS = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\1\2\3\4"


def good(lifetime: int = 60) -> Reply:
    return Reply(0, ADDRESS, (1, 0, 0), len(ADDRESS), ((6, lifetime),), lifetime)


class Lab:
    """A forwarder, its clock, and what its upstreams say."""

    def __init__(self, *addresses: str, **settings: Any) -> None:
        self.now = 1_000.0
        self.says: Reply | str | None = good()
        self.asked: list[tuple[str, bytes, int, int]] = []
        self.released = asyncio.Event()
        self.counts = Counts()
        routes = Routes([(one, 53) for one in addresses or ("10.0.0.1", "10.0.0.2")])
        self.forwarder = Forwarder(
            Forward(**settings),
            routes,
            self.counts,
            exchange=self.exchange,
            clock=lambda: self.now,
        )

    async def exchange(
        self, host: str, port: int, question: bytes, flags: int, dnssec: int, timeout: float
    ) -> Reply | str:
        self.asked.append((host, question, flags, dnssec))
        if self.says is None:
            await self.released.wait()
        return self.says or good()

    def query(self, name: str = "example.org.", **options: Any) -> Query:
        client, tcp = options.pop("client", "127.0.0.1"), options.pop("tcp", False)
        made = dns.message.make_query(name, options.pop("type", "A"), **options)
        query = read(made.to_wire(), client, tcp=tcp)
        assert isinstance(query, Query)
        query.opt = message.opt(1232, query.dnssec) if query.edns else b""
        query.most = 1232
        return query

    async def ask(self, name: str = "example.org.", **options: Any) -> dns.message.Message | None:
        answer = self.forwarder.answer(self.query(name, **options))
        if isinstance(answer, AsyncIterator):
            answer = await anext(answer)
        return dns.message.from_wire(answer) if answer else None

    async def told(self, *args: Any, **options: Any) -> tuple[str, int]:
        """Return code and TTL of an answer."""
        found = await self.ask(*args, **options)
        assert found is not None
        code = dns.rcode.to_text(found.rcode())
        return code, found.answer[0].ttl if found.answer else 0

    def outcomes(self) -> dict[str, int]:
        return {outcome: cell[0] for (_, _, outcome), cell in self.counts.queries.items()}


def run(test: Callable[[Lab], Coroutine[Any, Any, None]], *args: str, **settings: Any) -> None:
    async def whole() -> None:
        lab = Lab(*args, **settings)
        try:
            await test(lab)
        finally:
            await lab.forwarder.close()

    asyncio.run(whole())


def test_what_was_asked_once_is_known_for_its_time() -> None:
    async def test(lab: Lab) -> None:
        assert await lab.told() == ("NOERROR", 60)
        lab.now += 59.0
        assert isinstance(lab.forwarder.answer(lab.query("EXAMPLE.org.")), bytes)
        assert await lab.told("example.ORG.") == ("NOERROR", 1)
        assert len(lab.asked) == 2
        lab.now += 1.0
        assert await lab.told() == ("NOERROR", 60)
        assert len(lab.asked) == 4
        assert lab.forwarder.lookups == {"miss": 2, "hit": 2}
        assert lab.outcomes() == {"forwarded": 2, "cached": 2}

    run(test)


def test_questions_that_want_other_answers_are_other_questions() -> None:
    async def test(lab: Lab) -> None:
        await lab.ask("Example.ORG.")
        await lab.ask(want_dnssec=True)
        await lab.ask(flags=dns.flags.RD | dns.flags.CD | dns.flags.AD)
        await lab.ask(type="HTTPS")
        await lab.ask(type="TYPE97")
        question = b"\7example\3org\0"
        assert [one[1:] for one in lab.asked[::2]] == [
            (question + b"\0\1\0\1", wire.RD, 0),
            (question + b"\0\1\0\1", wire.RD, 0x80),
            (question + b"\0\1\0\1", wire.RD | wire.CD, 0),
            (question + b"\0\x41\0\1", wire.RD, 0),
            (question + b"\0\x61\0\1", wire.RD, 0),
        ]

    run(test)


def test_a_question_of_several_clients_is_asked_once() -> None:
    async def test(lab: Lab) -> None:
        lab.says = None
        asking = [asyncio.create_task(lab.told()) for _ in range(50)]
        while len(lab.asked) < 2:
            await asyncio.sleep(0)
        lab.released.set()
        assert await asyncio.gather(*asking) == [("NOERROR", 60)] * 50
        assert len(lab.asked) == 2
        assert lab.forwarder.asking == 0

    run(test)


@pytest.mark.parametrize(
    "options",
    [
        {"flags": 0},
        {"client": "192.0.2.1"},
        {"client": "2001:db8::1"},
        {"type": "AXFR"},
        {"type": "IXFR"},
        {"type": "TYPE128"},
        {"type": "OPT"},
    ],
)
def test_who_may_not_ask_is_refused(options: dict[str, Any]) -> None:
    async def test(lab: Lab) -> None:
        await lab.ask()
        lab.asked.clear()
        assert await lab.told(**options) == ("REFUSED", 0)
        assert not lab.asked
        assert lab.outcomes()["refused"] == 1

    run(test)


def test_names_without_upstreams_are_refused() -> None:
    async def test(lab: Lab) -> None:
        forwarder = Forwarder(
            Forward(), Routes([], {"consul": [("10.0.0.1", 53)]}), lab.counts, exchange=lab.exchange
        )
        lab.forwarder = forwarder
        assert await lab.told("web.consul.") == ("NOERROR", 60)
        assert await lab.told("example.org.") == ("REFUSED", 0)

    run(test)


def test_a_failure_is_told_and_not_asked_again_at_once() -> None:
    async def test(lab: Lab) -> None:
        lab.says = Reply(2)
        assert await lab.told() == ("SERVFAIL", 0)
        assert await lab.told() == ("SERVFAIL", 0)
        assert len(lab.asked) == 2
        lab.now += 1.0
        lab.says = good()
        assert await lab.told() == ("NOERROR", 60)
        assert lab.forwarder.lookups == {"failure": 2, "miss": 1}

    run(test)


def test_an_old_answer_is_given_when_nobody_answers() -> None:
    async def test(lab: Lab) -> None:
        await lab.ask()
        lab.now += 61.0
        for says in (Reply(2), Reply(5), "timeout", "damaged"):
            lab.says = says
            assert await lab.told() == ("NOERROR", 30)
            lab.now += 60.0
        lab.says = Reply(3)
        assert (await lab.told())[0] == "NXDOMAIN"
        assert lab.forwarder.lookups == {"miss": 2, "stale": 4}

    run(test)


def test_an_old_answer_is_given_only_for_a_while() -> None:
    async def test(lab: Lab) -> None:
        await lab.ask()
        lab.says = "timeout"
        lab.now += 60.0 + 99.0
        assert await lab.told() == ("NOERROR", 30)
        lab.now += 5.0
        assert await lab.told() == ("SERVFAIL", 0)

    run(test, serve_stale=100.0)


def test_a_client_waits_a_moment_for_a_new_answer_before_it_is_given_an_old_one() -> None:
    async def test(lab: Lab) -> None:
        await lab.ask()
        lab.now += 61.0
        lab.says = None
        assert await lab.told() == ("NOERROR", 30)
        assert lab.forwarder.asking == 1  # it goes on, for the next who asks
        lab.released.set()
        while lab.forwarder.asking:
            await asyncio.sleep(0)
        assert await lab.told() == ("NOERROR", 60)

    run(test)


def test_an_old_answer_is_given_at_once_when_all_are_down() -> None:
    async def test(lab: Lab) -> None:
        for name in ("example.org.", "example.net."):
            await lab.ask(name)
        lab.now += 61.0
        lab.says = "unreachable"
        for _ in range(DOWN):
            await lab.ask()
            lab.now += 5.0
        lab.now += 60.0
        asked = len(lab.asked)
        lab.says = None
        answer = lab.forwarder.answer(lab.query("example.net."))
        assert isinstance(answer, bytes)
        while len(lab.asked) < asked + 2:  # it finds out, meanwhile, if they are back
            await asyncio.sleep(0)
        again = lab.forwarder.answer(lab.query("example.org."))
        assert isinstance(again, bytes)
        assert lab.forwarder.asking == 1
        lab.released.set()
        while lab.forwarder.asking:
            await asyncio.sleep(0)
        assert await lab.told("example.net.") == ("NOERROR", 60)
        assert await lab.told("example.org.") == ("NOERROR", 60)

    run(test)


def test_too_many_questions_are_dropped() -> None:
    async def test(lab: Lab) -> None:
        lab.says = None
        asking = [
            asyncio.create_task(lab.told(f"x{n}.example.org."))
            for n in range(forwarder_.MOST_ASKED)
        ]
        while lab.forwarder.asking < forwarder_.MOST_ASKED:
            await asyncio.sleep(0)
        assert await lab.ask("more.example.org.") is None
        assert await lab.told("more.example.org.", tcp=True) == ("SERVFAIL", 0)
        assert lab.counts.dropped["forward_full"] == 2
        same = asyncio.create_task(lab.told("x0.example.org."))
        lab.released.set()
        assert set(await asyncio.gather(same, *asking)) == {("NOERROR", 60)}

    run(test)


def test_too_many_clients_are_dropped() -> None:
    async def test(lab: Lab) -> None:
        lab.says = None
        asking = [asyncio.create_task(lab.told()) for _ in range(forwarder_.MOST_WAITING)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert await lab.ask() is None
        lab.released.set()
        await asyncio.gather(*asking)
        assert await lab.told() == ("NOERROR", 60)

    run(test)


def test_a_question_that_comes_back_from_where_it_is_asked_soon_fails() -> None:
    async def test(lab: Lab) -> None:
        lab.says = None
        first = asyncio.create_task(lab.told())
        while len(lab.asked) < 2:
            await asyncio.sleep(0)
        assert await lab.told(client="10.0.0.1") == ("SERVFAIL", 0)
        lab.released.set()
        assert await first == ("NOERROR", 60)
        assert await lab.told(client="10.0.0.1") == ("NOERROR", 60)
        assert len(lab.asked) == 2

    run(test)


def test_who_waits_when_it_ends_is_told_that_it_failed() -> None:
    async def test(lab: Lab) -> None:
        lab.says = None
        waiting = asyncio.create_task(lab.told())
        while len(lab.asked) < 2:
            await asyncio.sleep(0)
        await lab.forwarder.close()
        assert await waiting == ("SERVFAIL", 0)

    run(test)

"""Several upstreams that are told what to do: who is asked when, and whose answer counts."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from pointsman.dns.race import MOST_LINGERING, Race
from pointsman.dns.reply import Reply
from pointsman.dns.upstreams import DOWN, Upstream

Told = dict[str, "str | int | None"]
"""What each upstream says: a response code, why it says nothing, None for never."""


class Lab:
    """Upstreams by name, and who was asked."""

    def __init__(self, **told: "str | int | None") -> None:
        self.told = told
        self.upstreams = {name: Upstream(name, 53) for name in told}
        self.asked: list[str] = []
        self.ended: list[str] = []
        self.race = Race(self.exchange, time.monotonic)

    async def exchange(
        self, host: str, port: int, question: bytes, flags: int, dnssec: int, timeout: float
    ) -> Reply | str:
        self.asked.append(host)
        says = self.told[host]
        try:
            if says is None:
                await asyncio.Event().wait()
        finally:
            self.ended.append(host)
        return Reply(says) if isinstance(says, int) else str(says)

    async def ask(self, timeout: float = 30.0) -> int | None:
        found = await self.race.ask(self.upstreams.values(), b"q", 0, 0, timeout)
        return None if found is None else found.code


def run(lab: Lab, test: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    async def whole() -> Any:
        try:
            return await test()
        finally:
            await lab.race.close()

    return asyncio.run(whole())


def test_two_are_asked_at_once_and_the_first_answer_counts() -> None:
    lab = Lab(a=None, b=0, c=0)
    assert run(lab, lab.ask) == 0
    assert lab.asked == ["a", "b"]


def test_another_is_asked_at_once_for_one_that_fails() -> None:
    lab = Lab(a=None, b="unreachable", c=3)
    assert run(lab, lab.ask) == 3
    assert lab.asked == ["a", "b", "c"]


def test_another_is_asked_beside_those_that_are_slow() -> None:
    lab = Lab(a=None, b=None, c=None, d=0)
    assert run(lab, lab.ask) == 0
    assert lab.asked == ["a", "b", "c", "d"]


def test_a_better_answer_is_waited_for() -> None:
    lab = Lab(a=2, b=5, c=0)
    assert run(lab, lab.ask) == 0
    assert lab.asked == ["a", "b", "c"]


def test_there_is_none_when_all_fail() -> None:
    lab = Lab(a=2, b="timeout", c=5, d="damaged")
    assert run(lab, lab.ask) is None
    assert sorted(lab.asked) == ["a", "b", "c", "d"]
    failures = {name: dict(one.failures) for name, one in lab.upstreams.items()}
    assert failures == {
        "a": {"servfail": 1},
        "b": {"timeout": 1},
        "c": {"refused": 1},
        "d": {"damaged": 1},
    }


def test_a_better_answer_is_not_waited_for_as_long_as_for_any() -> None:
    lab = Lab(a=2, b=None)
    assert run(lab, lambda: asyncio.wait_for(lab.ask(600.0), 60.0)) is None


def test_it_ends_when_the_time_is_over() -> None:
    lab = Lab(a=None, b=None)
    assert run(lab, lambda: lab.ask(0.05)) is None


def test_who_was_slower_is_waited_for_and_measured() -> None:
    lab = Lab(a=0, b=None)

    async def test() -> None:
        for _ in range(MOST_LINGERING + 10):
            await lab.ask()
        assert "b" not in lab.ended[:1]
        assert lab.asked.count("b") == MOST_LINGERING + 10
        await asyncio.sleep(0)
        assert lab.ended.count("b") == 10  # no more are waited for than that

    run(lab, test)
    assert lab.ended.count("b") == MOST_LINGERING + 10
    assert lab.upstreams["b"].failures == {}


def test_a_host_without_sockets_blames_nobody() -> None:
    lab = Lab(a="sockets", b="sockets")

    async def test() -> None:
        for _ in range(DOWN):
            assert await lab.ask() is None

    run(lab, test)
    assert not any(one.down or one.failures for one in lab.upstreams.values())


def test_one_that_is_down_is_found_to_be_back_by_a_question() -> None:
    lab = Lab(a="unreachable", b=0)

    async def test() -> None:
        for _ in range(DOWN):
            await lab.ask()
        assert lab.upstreams["a"].down
        lab.asked.clear()
        await lab.ask()
        assert lab.asked == ["b"]
        lab.told["a"] = 0
        lab.upstreams["a"].asked(time.monotonic() - 60.0)
        await lab.ask()
        assert not lab.upstreams["a"].down

    run(lab, test)


def test_who_gives_up_leaves_nothing_running() -> None:
    lab = Lab(a=None, b=None)

    async def test() -> None:
        task = asyncio.create_task(lab.ask())
        while len(lab.asked) < 2:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await lab.race.close()
        assert sorted(lab.ended) == ["a", "b"]

    run(lab, test)

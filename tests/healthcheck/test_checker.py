"""The part of an event loop: probes that answer when the test has them do it."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from pointsman.healthcheck.board import Board
from pointsman.healthcheck.checker import Checker
from pointsman.healthcheck.counts import Counts
from pointsman.healthcheck.model import (
    Check,
    Outcome,
    Place,
    Probe,
    Result,
    Standing,
    Status,
    Target,
    Tcp,
    Timing,
)

GOOD, REFUSED = Result(Outcome.GOOD), Result(Outcome.REFUSED, "refused")
TIMING = Timing(interval=60, edge=60, rise=1, fall=1, grace=0)
NEW = Status()


def target(number: int, timing: Timing = TIMING) -> Target:
    return Target(f"10.0.0.{number}", 80, Check(Tcp(), timing))


class Probing:
    """A checker over probes that end when they are told to."""

    def __init__(self, sockets: int = 1000) -> None:
        self.asked = asyncio.Queue[tuple[Place, asyncio.Future[Result]]]()
        self.told = asyncio.Queue[Mapping[Target, Status]]()
        self.counts = Counts()
        self.board = Board()
        self.checker = Checker(
            self.board, self.ask, self.told.put_nowait, self.counts, sockets=sockets
        )

    async def ask(self, probe: Probe, place: Place) -> Result:
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.asked.put_nowait((place, answer))
        return await answer

    def add(self, *targets: Target) -> None:
        """Have targets probed, and at once."""
        now = asyncio.get_running_loop().time()
        for one in targets:
            self.board.add(one, NEW, now - 60)
        self.board.suspect(targets, now)
        self.checker.wake()

    async def next(self) -> tuple[str, asyncio.Future[Result]]:
        """Return whom a probe asks that begins, and what it waits for."""
        place, answer = await asyncio.wait_for(self.asked.get(), 10)
        return place.address, answer


def checked(work: Callable[[Probing], Coroutine[Any, Any, None]], sockets: int = 1000) -> Probing:
    """Do this beside a checker that runs."""

    async def run() -> Probing:
        probing = Probing(sockets)
        running = asyncio.create_task(probing.checker.run())
        try:
            await work(probing)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return probing

    return asyncio.run(run())


def test_what_is_due_is_probed_and_what_changed_is_told() -> None:
    async def work(probing: Probing) -> None:
        probing.add(target(1))
        _, answer = await probing.next()
        answer.set_result(GOOD)
        changes = await asyncio.wait_for(probing.told.get(), 10)
        assert {t: s.standing for t, s in changes.items()} == {target(1): Standing.UP}

    counts = checked(work).counts
    assert counts.outcomes == {("tcp", Outcome.GOOD): 1}
    assert counts.running == 0


def test_it_rests_until_something_is_to_be_done() -> None:
    async def work(probing: Probing) -> None:
        probing.add(target(1))
        _, first = await probing.next()
        probing.add(target(2))
        address, _ = await probing.next()
        assert address == "10.0.0.2"
        assert not first.done()

    checked(work)


def test_no_more_than_so_many_are_probed_at_once() -> None:
    async def work(probing: Probing) -> None:
        probing.add(*(target(n) for n in range(5)))
        waiting = [await probing.next(), await probing.next()]
        probing.checker.begin()
        assert probing.asked.empty()
        assert probing.counts.running == 2
        for _ in range(3):
            waiting.pop()[1].set_result(GOOD)
            waiting.append(await probing.next())

    checked(work, sockets=2)


def test_fewer_at_once_take_effect_as_probes_end() -> None:
    async def work(probing: Probing) -> None:
        probing.add(*(target(n) for n in range(4)))
        running = [await probing.next() for _ in range(3)]
        probing.checker.sockets = 1
        for _, answer in running[:2]:
            answer.set_result(GOOD)
        await asyncio.wait_for(probing.told.get(), 10)
        probing.checker.begin()
        assert probing.asked.empty()
        running[2][1].set_result(GOOD)
        await probing.next()

    checked(work, sockets=3)


def test_a_probe_that_breaks_says_nothing_of_its_target_and_does_not_end_the_others() -> None:
    async def work(probing: Probing) -> None:
        probing.add(target(1), target(2))
        first, second = [answer for _, answer in (await probing.next(), await probing.next())]
        first.set_exception(KeyError("oh"))
        second.set_result(GOOD)
        assert len(await asyncio.wait_for(probing.told.get(), 10)) == 1
        (last,) = {s.last for s in probing.board.states.values()} - {GOOD}
        assert last == Result(Outcome.UNTRIED, "KeyError: 'oh'")

    checked(work)


def test_a_target_that_is_gone_by_the_end_of_its_probe_is_not_told_of() -> None:
    async def work(probing: Probing) -> None:
        probing.add(target(1), target(2))
        answers = dict([await probing.next(), await probing.next()])
        probing.board.remove(target(1))
        answers["10.0.0.1"].set_result(GOOD)
        answers["10.0.0.2"].set_result(GOOD)
        assert set(await asyncio.wait_for(probing.told.get(), 10)) == {target(2)}

    checked(work)


def test_the_end_of_the_checker_is_that_of_its_probes() -> None:
    answers = list[asyncio.Future[Result]]()

    async def work(probing: Probing) -> None:
        probing.add(target(1))
        answers.append((await probing.next())[1])

    assert checked(work).counts.outcomes == {}
    assert answers[0].cancelled()


def test_it_goes_on_by_itself_at_each_interval() -> None:
    async def work(probing: Probing) -> None:
        probing.add(target(1, Timing(interval=0.1, edge=0.1)))
        for _ in range(3):
            (await probing.next())[1].set_result(GOOD)

    found = checked(work)
    assert found.counts.lateness.cumulative()[-1][1] >= 3

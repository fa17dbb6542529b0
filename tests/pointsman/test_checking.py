"""The thread that probes, what it tells, and what is remembered; with probes of the test's own."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from immutables import Map

from pointsman.checking import Checking
from pointsman.healthcheck.board import Way
from pointsman.healthcheck.model import (
    Check,
    Health,
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
from pointsman.healthcheck.settings import HealthConfig

GOOD, REFUSED = Result(Outcome.GOOD), Result(Outcome.REFUSED, "refused")
TIMING = Timing(interval=0.1, edge=0.1, rise=1, fall=1, grace=0)
UNKNOWN, TRUSTING = Health(), Health(trusting=True)


def target(number: int, **more: Any) -> Target:
    return Target(f"10.0.0.{number}", 80, Check(Tcp(), TIMING), **more)


class Watching:
    """Health checks whose probes find what ``found`` says, in whatever thread they run."""

    def __init__(self, folder: Path) -> None:
        self.found: dict[str, Result] = {}
        self.asked: list[Place] = []
        self.threads: set[str] = set()
        self.changed = asyncio.Event()
        self.path = folder / "health.json"
        self.checking = Checking(self.path, self.changed.set, probe=self.ask)

    async def ask(self, probe: Probe, place: Place) -> Result:
        self.threads.add(threading.current_thread().name)
        self.asked.append(place)
        return self.found.get(place.address, GOOD)

    async def until(self, standing: Standing, of: Target) -> None:
        """Wait until this is believed of a target."""
        async with asyncio.timeout(10):
            while self.checking.health.of(of).standing is not standing:
                await self.changed.wait()
                self.changed.clear()


def watched(folder: Path, work: Callable[[Watching], Coroutine[Any, Any, None]]) -> Watching:
    """Do this beside health checks that run, and end them."""

    async def run() -> Watching:
        watching = Watching(folder)
        running = asyncio.create_task(watching.checking.run())
        try:
            await work(watching)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await watching.checking.close()
        return watching

    return asyncio.run(run())


def test_targets_are_probed_in_a_thread_of_their_own_and_changes_are_told(tmp_path: Path) -> None:
    async def work(watching: Watching) -> None:
        watching.found["10.0.0.2"] = REFUSED
        watching.checking.follow((), [target(1), target(2)], UNKNOWN)
        assert watching.checking.health.of(target(1)).standing is Standing.NEW
        await watching.until(Standing.UP, target(1))
        await watching.until(Standing.LOST, target(2))
        judged = watching.checking.take()
        was, now = judged[target(2)]
        assert (was.standing, now.standing, now.reason) == (Standing.NEW, Standing.LOST, "refused")
        assert watching.checking.take() == {}
        assert set(watching.checking.states()) == {target(1), target(2)}

    assert watched(tmp_path, work).threads == {"health"}


def test_of_what_changed_twice_the_first_and_the_last_is_told(tmp_path: Path) -> None:
    async def work(watching: Watching) -> None:
        watching.checking.follow((), [target(1)], UNKNOWN)
        await watching.until(Standing.UP, target(1))
        watching.found["10.0.0.1"] = REFUSED
        await watching.until(Standing.LOST, target(1))
        ((was, now),) = watching.checking.take().values()
        assert (was.standing, now.standing) == (Standing.NEW, Standing.LOST)

    watched(tmp_path, work)


def test_what_is_gone_is_neither_probed_nor_told_of(tmp_path: Path) -> None:
    async def work(watching: Watching) -> None:
        watching.checking.follow((), [target(1), target(2)], UNKNOWN)
        await watching.until(Standing.UP, target(1))
        await watching.until(Standing.UP, target(2))
        watching.checking.follow([target(1)], (), UNKNOWN)
        watching.found |= {"10.0.0.1": REFUSED, "10.0.0.2": REFUSED}
        await watching.until(Standing.LOST, target(2))
        assert set(watching.checking.health.statuses) == {target(2)}
        assert set(watching.checking.states()) == {target(2)}
        watching.checking.only([])
        assert not watching.checking.health.statuses

    watched(tmp_path, work)


def test_what_a_target_is_first_taken_for_is_what_was_believed(tmp_path: Path) -> None:
    async def work(watching: Watching) -> None:
        watching.checking.follow((), [target(1)], TRUSTING)
        assert watching.checking.health.of(target(1)).standing is Standing.UP
        assert watching.checking.health.of(target(1)).since > 0
        # One that is known already is not begun anew.
        before = watching.checking.health.of(target(1))
        watching.checking.follow((), [target(1)], UNKNOWN)
        assert watching.checking.health.of(target(1)) is before

    watched(tmp_path, work)


async def saved(path: Path, *addresses: str) -> None:
    """Wait until the file has these."""
    async with asyncio.timeout(10):
        while not path.exists() or any(a not in path.read_text() for a in addresses):
            await asyncio.sleep(0)


def test_what_is_down_is_remembered_and_stays_so_until_it_is_probed(tmp_path: Path) -> None:
    async def first(watching: Watching) -> None:
        watching.checking.follow(
            (), [target(1)], Health(Map({target(1): Status(Standing.LOST, 5, "refused")}))
        )
        watching.found["10.0.0.1"] = REFUSED
        await saved(watching.path, "10.0.0.1")

    watched(tmp_path, first)

    async def second(watching: Watching) -> None:
        believed = watching.checking.believed(trusting=True)
        assert believed.of(target(1)) == Status(Standing.LOST, 0, "refused")
        assert believed.of(target(2)).standing is Standing.UP
        assert watching.checking.believed(trusting=False).of(target(1)) == Status()
        watching.checking.follow((), [target(1), target(2)], believed)
        await watching.until(Standing.UP, target(1))
        # What was remembered is not heard once there is something newer, or all is known.
        assert watching.checking.believed(trusting=True).of(target(1)).standing is Standing.UP
        watching.checking.only([target(2)])
        assert watching.checking.believed(trusting=True).of(target(1)).standing is Standing.UP

    watched(tmp_path, second)


def test_what_is_down_stays_so_when_it_is_probed_at_other_times(tmp_path: Path) -> None:
    slower = Target("10.0.0.1", 80, Check(Tcp(), Timing(interval=60)))
    elsewhere = Target("10.0.0.1", 81, Check(Tcp(), Timing(interval=60)))

    async def work(watching: Watching) -> None:
        watching.found["10.0.0.1"] = REFUSED
        watching.checking.follow((), [target(1)], TRUSTING)
        await watching.until(Standing.LOST, target(1))
        believed = watching.checking.believed(trusting=True)
        watching.checking.follow([target(1)], [slower, elsewhere], believed)
        found = watching.checking.health.statuses
        assert (found[slower].standing, found[slower].reason) == (Standing.LOST, "refused")
        assert found[elsewhere].standing is Standing.UP
        assert watching.checking.believed(trusting=False).of(target(1)).standing is Standing.NEW

    watched(tmp_path, work)


def test_what_went_down_just_before_the_end_is_remembered_too(tmp_path: Path) -> None:
    async def work(watching: Watching) -> None:
        watching.checking.follow((), [target(1)], TRUSTING)
        await saved(watching.path)
        watching.found["10.0.0.1"] = REFUSED
        await watching.until(Standing.LOST, target(1))

    found = watched(tmp_path, work)
    assert "10.0.0.1" in found.path.read_text()


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"target": {}}]', "\xff", '{"a": 1}'])
def test_a_file_that_is_damaged_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "health.json").write_bytes(text.encode("latin-1"))

    async def work(watching: Watching) -> None:
        assert not watching.checking.believed(trusting=True).statuses

    watched(tmp_path, work)


def test_a_file_that_cannot_be_written_is_warned_of_and_nothing_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "health.json").mkdir()

    async def work(watching: Watching) -> None:
        watching.checking.follow((), [target(1)], TRUSTING)
        async with asyncio.timeout(10):
            while not caplog.records:
                await asyncio.sleep(0)
        watching.found["10.0.0.1"] = REFUSED
        await watching.until(Standing.LOST, target(1))

    watched(tmp_path, work)
    assert "a restart would try again what is down" in caplog.text


def test_the_configuration_says_how_many_run_at_once_and_how_falls_count(tmp_path: Path) -> None:
    async def work(watching: Watching) -> None:
        watching.checking.configure(HealthConfig(damping=7, sockets=3))
        watching.checking.follow((), [target(1)], UNKNOWN)
        await watching.until(Standing.UP, target(1))
        assert watching.checking._board.damping == 7
        assert watching.checking._checker.sockets == 3

    watched(tmp_path, work)


def test_what_is_asked_through_its_virtual_server_waits_for_its_way(tmp_path: Path) -> None:
    led = target(1, via="tcp web.marathon:80")

    async def work(watching: Watching) -> None:
        watching.checking.follow((), [led, target(2)], UNKNOWN)
        await watching.until(Standing.UP, target(2))
        watching.checking.lead(Map({led: Way("11.0.0.1", 8080, 7)}))
        await watching.until(Standing.UP, led)
        assert {p.mark for p in watching.asked if p.address == "11.0.0.1"} == {7}
        assert all(p.address != "10.0.0.1" for p in watching.asked)

    watched(tmp_path, work)


def test_the_end_of_the_thread_is_not_hidden(tmp_path: Path) -> None:
    async def run() -> None:
        watching = Watching(tmp_path)

        def broken(*_: object) -> None:
            raise KeyError("oh")

        watching.checking._checker._told = broken
        watching.checking.follow((), [target(1)], UNKNOWN)
        with pytest.raises(KeyError):
            await asyncio.wait_for(watching.checking.run(), 20)
        await watching.checking.close()

    asyncio.run(run())


def test_nothing_runs_where_nothing_is_probed(tmp_path: Path) -> None:
    before = threading.active_count()

    async def work(watching: Watching) -> None:
        watching.checking.follow((), (), UNKNOWN)
        assert threading.active_count() == before

    watched(tmp_path, work)


def test_probes_end_with_the_health_checks(tmp_path: Path) -> None:
    begun, ended = threading.Event(), threading.Event()

    async def stuck(probe: Probe, place: Place) -> Result:
        begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()
        return GOOD

    async def run() -> None:
        checking = Checking(tmp_path / "health", lambda: None, probe=stuck)
        checking.follow((), [target(1)], UNKNOWN)
        assert await asyncio.to_thread(begun.wait, 10)
        await checking.close()
        assert ended.is_set()

    asyncio.run(run())

"""Following a double of a master: modes, silence, resyncs, questions."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pointsman.discovery.access import Access, Auth, Tls
from pointsman.discovery.master import Masters
from pointsman.discovery.model import Agent, Change, Cluster, Master
from pointsman.discovery.seen import Seen
from pointsman.discovery.trust import Trust, remember
from pointsman.discovery.watch import Pace, Watch
from pointsman.doubles import OperatorDouble, framed
from pointsman.testing import cluster, task

DATA = Path(__file__).parents[1] / "data/mesos"
STATE = (DATA / "running-GET_STATE.json").read_bytes()
V0 = (DATA / "running-state.json").read_bytes()
F = "89fd7722-b6ad-455f-b67f-a280957ce3fb-0000"
QUICK = Pace(poll=0.01, timeout=2.0, retry_max=0.05)


class Followed:
    """A watch at work, and what it published."""

    def __init__(
        self,
        *masters: str,
        pace: Pace = QUICK,
        begin: Trust | None = None,
        access: Access | None = None,
    ) -> None:
        self.seen = Seen()
        self.published: asyncio.Queue[tuple[Cluster, Change]] = asyncio.Queue()
        self._masters = masters
        self._pace = pace
        self._begin = begin or Trust()
        self._access = access or Access(Tls(), Auth())

    async def __aenter__(self) -> "Followed":
        self._session = aiohttp.ClientSession()
        masters = Masters(self._masters, self._session, self._access, self._pace.timeout)
        publish = lambda cluster, change: self.published.put_nowait((cluster, change))  # noqa: E731
        self.watch = Watch(masters, self._pace, self._begin, publish, self.seen)
        self._task = asyncio.create_task(self.watch.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self._session.close()

    async def next(self) -> Cluster:
        async with asyncio.timeout(5):
            return (await self.published.get())[0]

    async def change(self) -> Change:
        async with asyncio.timeout(5):
            return (await self.published.get())[1]

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not true():
                await asyncio.sleep(0.001)


def ids(of: Cluster) -> set[str]:
    return {task.id for task in of.tasks.values()}


def update(task_id: str, state: str, latest: str = "") -> dict[str, Any]:
    status = {"task_id": {"value": task_id}, "state": state, "timestamp": 1.0}
    return {
        "task_updated": {
            "framework_id": {"value": F}, "status": status, "state": latest or state,
        },
    }  # fmt: skip


def running(test: Callable[[OperatorDouble], Awaitable[None]], state: bytes = STATE) -> None:
    async def run() -> None:
        async with OperatorDouble(state) as master:
            await test(master)

    asyncio.run(run())


def test_a_stream_is_followed_event_by_event() -> None:
    async def test(master: OperatorDouble) -> None:
        async with Followed(master.address) as followed:
            first = await followed.next()
            assert len(first.tasks) == 5
            assert str(first.leader) == master.address
            assert first.elected == 1.5
            assert first.masters == (first.leader,)
            assert followed.seen.mode == "stream"
            master.say("TASK_UPDATED", **update("web.1", "TASK_KILLED"))
            assert await followed.change() == Change(tasks=frozenset({(F, "web.1")}))
            master.say("HEARTBEAT")
            await followed.until(lambda: followed.seen.events["Heartbeat"])
            assert followed.seen.events == {"TaskUpdated": 1, "Heartbeat": 1}
            assert followed.seen.lag_count == 1
            assert master.asked == ["SUBSCRIBE", "GET_MASTER"]

    running(test)


def test_a_view_that_was_only_remembered_is_confirmed_once() -> None:
    # Until then the kernel is believed to know better than the view, and keeps what it has.
    async def test(master: OperatorDouble) -> None:
        async with Followed(master.address) as followed:
            known = await followed.next()
        async with Followed(master.address, begin=remember(known)) as followed:
            async with asyncio.timeout(5):
                assert await followed.published.get() == (known, Change())
            master.say("HEARTBEAT")
            await followed.until(lambda: followed.seen.events["Heartbeat"])
            assert followed.published.empty()

    running(test)


def test_after_a_break_the_state_is_compared_and_nothing_flushed() -> None:
    async def test(master: OperatorDouble) -> None:
        async with Followed(master.address) as followed:
            first = await followed.next()
            master.state = STATE.replace(b'"value":"web.1"', b'"value":"web.3"')
            master.say_bytes(b"")
            after, change = await followed.published.get()
            assert change.tasks == {(F, "web.1"), (F, "web.3")}
            assert after.tasks[F, "web.2"] is first.tasks[F, "web.2"]
            assert followed.seen.mode == "stream"
            assert followed.seen.failures == 1

    running(test)


def test_a_stream_is_begun_anew_in_time_and_corrections_are_counted() -> None:
    async def test(master: OperatorDouble) -> None:
        pace = Pace(poll=0.01, timeout=2.0, retry_max=0.05, resync=0.05)
        async with Followed(master.address, pace=pace) as followed:
            await followed.next()
            master.state = STATE.replace(b'"value":"web.1"', b'"value":"web.3"')
            assert ids(await followed.next()) >= {"web.3"}
            assert followed.seen.corrected == 2
            assert followed.seen.failures == 0

    running(test)


@pytest.mark.parametrize("noise", [b"nonsense", framed(b"{}x"), framed(b'{"type":"TASK_UPDATED"')])
def test_what_can_not_be_read_breaks_the_stream_and_takes_nothing_away(noise: bytes) -> None:
    async def test(master: OperatorDouble) -> None:
        async with Followed(master.address) as followed:
            await followed.next()
            master.say_bytes(noise)
            await followed.until(lambda: followed.seen.readings["stream"] == 2)
            assert followed.published.empty()

    running(test)


def test_a_silent_stream_is_given_up() -> None:
    async def test(master: OperatorDouble) -> None:
        master.heartbeat = 0.01  # a second at least is waited for
        async with Followed(master.address) as followed:
            await followed.next()
            await followed.until(lambda: followed.seen.readings["stream"] == 2)

    running(test)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 501])
def test_without_a_stream_the_state_is_polled(status: int) -> None:
    async def test(master: OperatorDouble) -> None:
        master.refused = {"SUBSCRIBE": status}
        async with Followed(master.address) as followed:
            assert len((await followed.next()).tasks) == 5
            assert followed.seen.mode == "get_state"
            master.state = STATE.replace(b'"value":"web.1"', b'"value":"web.3"')
            assert await followed.change() == Change(tasks=frozenset({(F, "web.1"), (F, "web.3")}))
            assert master.asked.count("SUBSCRIBE") == 1

    running(test)


def test_a_stream_is_tried_again_only_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointsman.discovery.watch.UPGRADE", 0.2)

    async def test(master: OperatorDouble) -> None:
        master.refused = {"SUBSCRIBE": 405}
        async with Followed(master.address) as followed:
            await followed.until(lambda: master.asked.count("SUBSCRIBE") == 3)
            assert followed.seen.readings["get_state"] > 4
            master.refused = {}
            await followed.until(lambda: followed.seen.mode == "stream")

    running(test)


def test_without_an_operator_api_the_old_state_is_polled() -> None:
    async def test(master: OperatorDouble) -> None:
        master.refused = {"SUBSCRIBE": 403, "GET_STATE": 403}
        master.v0 = V0
        async with Followed(master.address) as followed:
            assert len((await followed.next()).tasks) == 5
            assert followed.seen.mode == "state"
            await followed.until(lambda: followed.seen.readings["state"] > 2)

    running(test)


def test_a_recovering_master_is_not_asked_in_a_way_that_hides_it() -> None:
    # /state of a master that has not read its registry is empty, and its status 200.
    async def test(master: OperatorDouble) -> None:
        master.refused = {"SUBSCRIBE": 503}
        master.v0 = b'{"frameworks": [], "leader": "master@127.0.0.1:5050"}'
        async with Followed(master.address, begin=remember(cluster(task()))) as followed:
            await followed.until(lambda: followed.seen.failures > 1)
            assert followed.published.empty()
            assert set(master.asked) == {"SUBSCRIBE"}

    running(test)


def test_streams_that_never_begin_lead_to_polling() -> None:
    async def test(master: OperatorDouble) -> None:
        master.refused = {"GET_MASTER": 500}
        master.v0 = V0
        async with Followed(master.address) as followed:
            assert len((await followed.next()).tasks) == 5
            assert followed.seen.mode == "state"

    running(test)


def test_another_master_that_was_elected_is_followed_at_once() -> None:
    async def test(master: OperatorDouble) -> None:
        async with OperatorDouble(STATE) as other, Followed(master.address) as followed:
            await followed.next()
            host, port = other.address.split(":")
            followed.watch.elected([Master(host, int(port))])
            assert str((await followed.next()).leader) == other.address
            before = len(other.asked)
            followed.watch.elected([Master(host, int(port)), Master("127.0.0.9", 5050)])
            assert len((await followed.next()).masters) == 2
            assert len(other.asked) == before

    running(test)


def listed(state: str) -> bytes:
    """Return what /tasks says of web.1 in this state, its last status too."""
    (framework,) = json.loads(V0)["frameworks"]
    found = next(task for task in framework["tasks"] if task["id"] == "web.1")
    statuses = [{"state": state, "timestamp": 9.0, "healthy": False}]
    return json.dumps({"tasks": [{**found, "state": state, "statuses": statuses}]}).encode()


def test_a_task_that_an_event_left_unclear_is_asked_about() -> None:
    async def test(master: OperatorDouble) -> None:
        master.v0 = listed("TASK_RUNNING")
        async with Followed(master.address) as followed:
            await followed.next()
            master.say("TASK_UPDATED", **update("web.1", "TASK_STARTING", "TASK_RUNNING"))
            await followed.next()
            after = await followed.next()
            assert b'"healthy": false' in bytes(after.tasks[F, "web.1"].statuses)
            assert followed.seen.asked == 1
            assert master.asked[-1] == "tasks"

    running(test)


def test_a_task_that_is_long_in_starting_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointsman.discovery.watch.STUCK", 0.01)

    async def test(master: OperatorDouble) -> None:
        master.v0 = listed("TASK_RUNNING")
        async with Followed(master.address) as followed:
            await followed.next()
            master.say("TASK_UPDATED", **update("web.1", "TASK_STARTING"))
            assert (await followed.next()).tasks[F, "web.1"].state == "TASK_STARTING"
            assert (await followed.next()).tasks[F, "web.1"].state == "TASK_RUNNING"

    running(test)


def test_an_unclear_task_that_ends_is_asked_about_no_more() -> None:
    async def test(master: OperatorDouble) -> None:
        master.v0 = listed("TASK_KILLED")
        async with Followed(master.address) as followed:
            await followed.next()
            master.say("TASK_UPDATED", **update("web.1", "TASK_STARTING", "TASK_RUNNING"))
            await followed.next()
            await followed.until(lambda: followed.seen.asked)
            assert followed.published.empty()

    running(test)


def test_many_tasks_that_vanish_at_once_stand_until_a_second_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pointsman.discovery.watch.CONFIRM", 0.2)
    listed_ = Agent(F.replace("-0000", "-S0"), "127.0.0.11", 5051)
    known = cluster(*(task(f"web.{n}", listed_) for n in range(20)), leader=None)

    async def test(master: OperatorDouble) -> None:
        async with Followed(master.address, begin=remember(known)) as followed:
            assert len((await followed.next()).tasks) == 25
            assert followed.seen.guarded == 1
            assert len((await followed.next()).tasks) == 5

    running(test)


def test_a_scheduler_whose_host_has_a_name_is_found_by_its_pid() -> None:
    async def test(master: OperatorDouble) -> None:
        master.v0 = json.dumps(
            {
                "frameworks": [{"id": F, "name": "marathon", "pid": "scheduler(1)@10.0.0.7:80"}],
            }
        ).encode()
        async with Followed(master.address) as followed:
            assert (await followed.next()).frameworks[F].address == "10.0.0.7"
            assert master.asked == ["SUBSCRIBE", "GET_MASTER", "state-summary"]

    running(test, STATE.replace(b'"hostname":"127.0.0.1","webui', b'"hostname":"node1","webui'))


def test_a_stream_is_followed_over_tls_by_who_shows_a_certificate(certificates: Any) -> None:
    context = certificates.serving(client=True)
    certificate, key = certificates.client
    tls = Tls(enabled=True, ca=certificates.ca, certificate=certificate, key=key)

    async def test() -> None:
        async with OperatorDouble(STATE, ssl=context) as master:
            async with Followed(master.address, access=Access(tls, Auth())) as followed:
                assert len((await followed.next()).tasks) == 5
                assert followed.seen.mode == "stream"
            async with Followed(master.address, access=Access(Tls(True), Auth())) as refused:
                await refused.until(lambda: refused.seen.failures)
                assert refused.published.empty()

    asyncio.run(test())

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pointsman.discovery.errors import Transient
from pointsman.discovery.model import Change, Cluster
from pointsman.discovery.seen import Seen
from pointsman.discovery.statefile import StateFile, read

STATE = Path(__file__).parents[1] / "data/mesos/running-state.json"

Next = Callable[[], Awaitable[tuple[Cluster, Change]]]


def following(path: Path, test: Callable[[Next, Seen], Awaitable[None]]) -> None:
    async def run() -> None:
        published: asyncio.Queue[tuple[Cluster, Change]] = asyncio.Queue()
        seen = Seen()

        async def next_() -> tuple[Cluster, Change]:
            async with asyncio.timeout(5):
                return await published.get()

        put = lambda cluster, change: published.put_nowait((cluster, change))  # noqa: E731
        task = asyncio.create_task(StateFile(path, None, put, seen, 0.001).run())
        await test(next_, seen)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(STATE.read_bytes())

    async def test(next_: Next, seen: Seen) -> None:
        cluster, _ = await next_()
        assert len(cluster.tasks) == 5
        assert seen.mode == "file"
        path.write_bytes(STATE.read_bytes().replace(b'"id":"web.1"', b'"id":"web.30"'))
        after, change = await next_()
        assert {key[1] for key in change.tasks} == {"web.1", "web.30"}
        assert len(after.tasks) == 5

    following(path, test)


def test_a_view_that_was_only_remembered_is_confirmed_once(tmp_path: Path) -> None:
    # Until then the kernel is believed to know better than the view, and keeps what it has.
    path = tmp_path / "state.json"
    path.write_bytes(STATE.read_bytes())
    published: list[tuple[Cluster, Change]] = []

    async def run() -> None:
        seen = Seen()
        put = lambda cluster, change: published.append((cluster, change))  # noqa: E731
        task = asyncio.create_task(StateFile(path, read(path), put, seen, 0.001).run())
        async with asyncio.timeout(5):
            while not published:
                await asyncio.sleep(0.001)
            path.write_bytes(STATE.read_bytes() + b"\n")  # the same, written again
            while seen.readings["file"] < 2:
                await asyncio.sleep(0.001)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert published == [(read(path), Change())]


def test_what_can_not_be_read_leaves_the_last_view(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(STATE.read_bytes())

    async def test(next_: Next, seen: Seen) -> None:
        await next_()
        path.write_bytes(STATE.read_bytes()[:-9])
        async with asyncio.timeout(5):
            while not seen.failures:
                await asyncio.sleep(0.001)
        assert seen.mode == ""
        path.write_bytes(STATE.read_bytes().replace(b'"id":"web.1"', b'"id":"web.30"'))
        assert len((await next_())[1].tasks) == 2

    following(path, test)
    assert "the last good view stands" in caplog.text


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Transient, match="nowhere: No such file"):
        read(tmp_path / "nowhere")
    (tmp_path / "bad").write_text("{")
    with pytest.raises(Transient, match=r"bad: the state of 1 bytes can't be read"):
        read(tmp_path / "bad")

import asyncio
import socket
from pathlib import Path

import pytest

from pointsman.watchdog import beat, interval


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 15.0),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "1"}, 0.0000005),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),  # meant for another process
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_life_is_shown_twice_in_the_time_that_is_borne(
    environ: dict[str, str], seconds: float | None
) -> None:
    assert interval(environ, 7) == seconds


def test_a_loop_that_turns_tells_so_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))

    async def heard() -> list[bytes]:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(tmp_path / "n"))
            manager.setblocking(False)
            beating = asyncio.create_task(beat(0.001))
            told = [await loop.sock_recv(manager, 100) for _ in range(3)]
            beating.cancel()
            return told

    assert asyncio.run(heard()) == [b"WATCHDOG=1"] * 3


def test_without_anyone_who_waits_it_ends_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    asyncio.run(beat(None))

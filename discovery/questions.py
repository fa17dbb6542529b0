"""Questions about single tasks that events leave unclear: when to ask, and when again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from pointsman.discovery.model import TaskKey

FIRST, MOST = 0.2, 30.0
"""Seconds until a question is asked: the first time, and at most."""

Ask: TypeAlias = Callable[[TaskKey], Awaitable[bool]]


class Questions:
    """Asks each question when it is due, and later again while the answer leaves it open."""

    def __init__(self, ask: Ask) -> None:
        """``ask`` tells whether to ask again."""
        self._ask = ask
        self._timers: dict[TaskKey, asyncio.TimerHandle] = {}
        self._due: asyncio.Queue[tuple[TaskKey, float]] = asyncio.Queue()

    def put(self, key: TaskKey, after: float = FIRST) -> None:
        """Ask about a task after so many seconds, and at no other time that was set before."""
        if key in self._timers:
            self._timers[key].cancel()
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(after, self._now, key, after)

    def _now(self, key: TaskKey, waited: float) -> None:
        del self._timers[key]
        self._due.put_nowait((key, waited))

    async def run(self) -> None:
        """Ask, one after the other, until cancelled."""
        try:
            while True:
                key, waited = await self._due.get()
                if await self._ask(key) and key not in self._timers:
                    self.put(key, min(2 * waited, MOST))
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

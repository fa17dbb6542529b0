"""The paths from a query to its answer, for tests that want the same of each.

``python`` works everything out, ``native`` asks a taught table first, and ``threads`` has both
behind a socket that a native thread reads.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from pointsman.dns import wire
from pointsman.dns.answer import Responder, Settings, flags
from pointsman.dns.counts import Counts
from pointsman.dns.query import Answer
from pointsman.dns.teacher import Teacher
from pointsman.dns.udp import UdpListener
from pointsman.dns.zone import Zones

PATHS = ("python", "native", "threads")

PATIENCE = 20
"""Seconds after which an answer that must come is missed."""

Result = TypeVar("Result")


def answering(
    path: str,
    zones: Zones,
    counts: Counts | None = None,
    settings: Settings = Settings(),  # noqa: B008 # is frozen
    **options: Any,
) -> Responder:
    """Return a responder; it has a teacher on all paths but ``python``."""
    counts = counts or Counts()
    teacher = None
    if path != "python":
        common = flags(options.get("elsewhere")) | wire.AA
        teacher = Teacher(zones, counts, common, settings.udp_size)
    return Responder(zones, counts, settings, teacher=teacher, **options)


class Loop:
    """An event loop in a thread of its own, as long as a ``with`` lasts."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> "Loop":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Return what a function returns there."""

        async def called() -> Result:
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(PATIENCE)


class Asked:
    """A responder as its clients see it: by calls, or over UDP where a listener has it."""

    def __init__(self, responder: Responder, loop: Loop, client: socket.socket | None) -> None:
        self._responder = responder
        self._loop = loop
        self._client = client

    def udp(self, data: bytes, host: str) -> Answer:
        """Ask over UDP; over a socket the client is 127.0.0.1 whatever it is called here."""
        if self._client is None:
            return self._responder.udp(data, host)
        # What is not implemented is passed up, and answered after all that was passed before.
        mark = bytes([data[0] ^ 0xFF if data else 0, 7, 0x78]) + bytes(9)
        self._client.send(data)
        self._client.send(mark)
        found = []
        while (answer := self._client.recv(65_535))[:2] != mark[:2]:
            found.append(answer)
        assert len(found) < 2
        return found[0] if found else None

    def tcp(self, data: bytes, host: str) -> Answer:
        """Ask over TCP."""
        return self._loop.call(self._responder.tcp, data, host)


@contextmanager
def served(responder: Responder, path: str, threads: int = 1) -> Iterator[Asked]:
    """Have a responder of a path asked."""
    with Loop() as loop:
        if path != "threads":
            yield Asked(responder, loop, None)
            return
        assert responder.teacher is not None
        listener = UdpListener("127.0.0.1", 0, responder.udp, responder.counts)
        try:
            loop.call(listener.start)
            loop.call(listener.serve, responder.teacher.table, threads)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(PATIENCE)
                client.connect(listener.address)
                yield Asked(responder, loop, client)
        finally:
            loop.call(listener.close)

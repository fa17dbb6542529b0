"""A load of which every request is known: its start, its end, who answered, how it failed."""

import threading
import time

import msgspec

from pointlab import netns


class Request(msgspec.Struct, frozen=True):
    """One request; times are those of ``time.monotonic``."""

    start: float
    end: float
    server: str
    """What answered, as it names itself; "" when none did."""
    error: str = ""


class Load:
    """Threads in a namespace, each of which asks, waits for the answer, pauses, and asks again."""

    def __init__(
        self, netns_: str, host: str, *, threads: int = 4, pause: float = 0.03, most: int = 100_000
    ) -> None:
        """Ask ``HOST:PORT``; stops by itself after so many requests."""
        self.requests: list[Request] = []
        self._netns = netns_
        self._host = host
        self._pause = pause
        self._most = most
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let the last requests end."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._pause) and len(self.requests) < self._most:
            self.requests.append(request(self._netns, self._host))


def request(netns_: str, host: str) -> Request:
    """Make one request on a connection of its own."""
    start = time.monotonic()
    try:
        status, body = netns.request(netns_, host, "/", timeout=2.0)
        error = "" if status == 200 else f"status {status}"
        server = body.decode(errors="replace").strip()
    except Exception as failure:  # noqa: BLE001 - whatever goes wrong is the request's result
        error, server = f"{type(failure).__name__}: {failure}", ""
    return Request(start, time.monotonic(), server, error)

"""A load of which every request is known: its start, its end, who answered, how it failed."""

import http.client
import threading
import time

import msgspec

from pointlab.site import netns
from pointlab.watch.recording import Request, endpoint

CLOSE = {"Connection": "close"}


class Load:
    """Threads in a namespace, each of which asks, waits for the answer, pauses, and asks again."""

    def __init__(
        self,
        netns_: str,
        host: str,
        *,
        threads: int = 4,
        pause: float = 0.03,
        most: int = 100_000,
        path: str = "/",
        keep: bool = False,
        timeout: float = 2.0,
    ) -> None:
        """Ask ``HOST:PORT``; stops by itself after so many requests.

        A connection is of one request, or kept for as long as the server keeps it.
        """
        self.requests: list[Request] = []
        self._client = Client(netns_, host, path, keep=keep, timeout=timeout)
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
        kept: http.client.HTTPConnection | None = None
        while not self._stopping.wait(self._pause) and len(self.requests) < self._most:
            request, kept = self._client.request(kept)
            self.requests.append(request)
        if kept:
            kept.close()


class Client(msgspec.Struct, frozen=True):
    """Asks ``HOST:PORT`` for a path, from inside a namespace."""

    netns: str
    host: str
    path: str = "/"
    keep: bool = False
    """Use a connection for as long as the server keeps it."""
    timeout: float = 2.0
    """Seconds without a sign of life."""

    def request(
        self, kept: http.client.HTTPConnection | None = None
    ) -> tuple[Request, http.client.HTTPConnection | None]:
        """Make one request; return it, and its connection if there is to be another on it."""
        start = time.monotonic()
        connection = kept
        try:
            connection = connection or self._connected()
            connection.request("GET", self.path, headers={} if self.keep else CLOSE)
            reply = connection.getresponse()
            body = reply.read().decode(errors="replace").strip()
            error = "" if reply.status == 200 else f"status {reply.status}"
            again = self.keep and connection.sock is not None
        except Exception as failure:  # noqa: BLE001 - whatever goes wrong is the request's result
            error, body, again = f"{type(failure).__name__}: {failure}", "", False
        if connection and not again:
            connection.close()
        found = Request(start, time.monotonic(), body, error)
        return found, connection if again else None

    def _connected(self) -> http.client.HTTPConnection:
        address, port = endpoint(self.host)
        connection = http.client.HTTPConnection(address, port, timeout=self.timeout)
        connection.auto_open = 0  # a kept connection that ended is a failure, not a new one
        connection.sock = netns.connect(self.netns, address, port, self.timeout)
        return connection

"""A load that does not wait for answers: so many requests a second, however long each takes."""

import asyncio
import socket
import threading
import time

from pointlab.site import netns
from pointlab.watch.recording import Request, endpoint

ASK = b"GET / HTTP/1.0\r\nConnection: close\r\n\r\n"


class Stream:
    """A thread that asks ``HOST:PORT`` from a namespace, each time on a new connection.

    It steps inside for each, so that a namespace may go (a host that crashes) and come again.
    """

    def __init__(self, netns_: str, host: str, rate: float, patience: float) -> None:
        """``rate`` is of requests a second, ``patience`` the seconds that each may take."""
        self.requests: list[Request] = []
        """All that have ended."""
        self._netns = netns_
        self._where = endpoint(host)
        self._pause = 1 / rate
        self._patience = patience
        self._stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Let the last requests end."""
        self._stopping = True
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._ask())

    async def _ask(self) -> None:
        due = time.monotonic()
        async with asyncio.TaskGroup() as under_way:
            while not self._stopping:
                under_way.create_task(self._request())
                # What was missed is not made up for: that would be a burst.
                due = max(due + self._pause, time.monotonic())
                await asyncio.sleep(due - time.monotonic())

    async def _request(self) -> None:
        start = time.monotonic()
        server = ""
        try:
            async with asyncio.timeout(self._patience):
                status, server = await self._answer()
            error = "" if status == 200 else f"status {status}"
        except (OSError, ValueError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        self.requests.append(Request(start, time.monotonic(), server, error))

    async def _answer(self) -> tuple[int, str]:
        """Return the status and the body; ValueError when it is no answer."""
        loop = asyncio.get_running_loop()
        reply = b""
        with self._socket() as asking:
            asking.setblocking(False)
            await loop.sock_connect(asking, self._where)
            await loop.sock_sendall(asking, ASK)
            while part := await loop.sock_recv(asking, 4096):
                reply += part
        head, _, body = reply.decode().partition("\r\n\r\n")
        if not head:
            raise ValueError("no answer")
        return int(head.split(maxsplit=2)[1]), body.strip()

    def _socket(self) -> socket.socket:
        with netns.inside(self._netns):
            return socket.socket(socket.AF_INET6 if ":" in self._where[0] else socket.AF_INET)

"""A small HTTP server that breaks when it is told to: `health_server.py NAME ADDRESS DISK`.

Each answer begins with a write to DISK, and is 500 where that fails; its body is NAME. ``/slow``,
``/silent``, ``/deaf`` and ``/well`` on the loopback address say how it behaves from then on.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

PORT, CONTROL = 8080, 9000
SLOW = 5.0
"""Seconds that an answer takes when it is slow."""
BACKLOG = 128


class Server:
    """Answers, or not."""

    def __init__(self, name: str, address: str, disk: Path) -> None:
        self._name = name
        self._disk = disk
        self._listening = listening(address, PORT)
        self._behaviour = ""
        self._well = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until killed."""
        self._well.set()
        await asyncio.gather(
            self._accept(self._listening, self._serve),
            self._accept(listening("127.0.0.1", CONTROL), self._obey),
        )

    async def _accept(
        self, at: socket.socket, handle: Callable[[socket.socket], Awaitable[None]]
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if at is self._listening and self._behaviour == "deaf":
                await self._well.wait()
            connection, _ = await loop.sock_accept(at)
            task = asyncio.create_task(self._handle(connection, handle))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _handle(
        self, connection: socket.socket, handle: Callable[[socket.socket], Awaitable[None]]
    ) -> None:
        with connection:
            connection.setblocking(False)
            try:
                await handle(connection)
            except OSError as error:
                print(error, flush=True)

    async def _serve(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_recv(connection, 4096)
        if self._behaviour == "silent":
            await self._well.wait()
        elif self._behaviour == "slow":
            await asyncio.sleep(SLOW)
        try:
            self._write()
            status = "200 OK"
        except OSError as error:
            status = f"500 {error.strerror}"
        reply = f"HTTP/1.0 {status}\r\nContent-Length: {len(self._name)}\r\n\r\n{self._name}"
        await loop.sock_sendall(connection, reply.encode())

    def _write(self) -> None:
        file = os.open(self._disk, os.O_TMPFILE | os.O_WRONLY)
        try:
            os.write(file, bytes(4096))
        finally:
            os.close(file)

    async def _obey(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        request = await loop.sock_recv(connection, 4096)
        self._behaviour = request.split()[1].decode().removeprefix("/")
        if self._behaviour == "well":
            self._well.set()
        else:
            self._well.clear()
        # What the kernel may accept by itself, while nobody takes it.
        self._listening.listen(1 if self._behaviour == "deaf" else BACKLOG)
        await loop.sock_sendall(connection, b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")


def listening(address: str, port: int) -> socket.socket:
    """Return a socket that takes connections."""
    made = socket.create_server((address, port), backlog=BACKLOG)
    made.setblocking(False)
    return made


async def main(words: Sequence[str]) -> None:
    """Run one."""
    name, address, disk = words
    await Server(name, address, Path(disk)).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))

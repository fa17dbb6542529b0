"""A TCP listener: messages behind their length, many on one connection (RFC 7766)."""

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Callable

from pointsman.dns.listening import bound

MOST_CONNECTIONS = 256
IDLE = 10.0
"""Seconds that a connection may be silent, or a client may leave its answers unread."""

TURN = 16
"""Messages answered for one client before all others have their turn."""


class TcpListener:
    """Answers on one address until it is closed."""

    def __init__(
        self,
        address: str,
        port: int,
        answer: Callable[[bytes], bytes | None],
        *,
        most: int = MOST_CONNECTIONS,
        idle: float = IDLE,
    ) -> None:
        """Bind at once; raises Fatal, which says what to do, when it can't be had."""
        self._answer = answer
        self._most = most
        self._idle = idle
        self._socket = bound(socket.SOCK_STREAM, address, port)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to answer, in the running event loop."""
        self._server = await asyncio.start_server(self._accepted, sock=self._socket)

    async def close(self) -> None:
        """Stop answering, end all connections and give the address back."""
        if self._server is None:
            self._socket.close()
            return
        self._server.close()
        for connection in tuple(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._connections) >= self._most:
            writer.transport.abort()
            return
        self._connections.add(task)
        try:
            # Whatever goes wrong on a connection ends that connection alone.
            with contextlib.suppress(OSError, EOFError, TimeoutError):
                await self._serve(reader, writer)
            await self._finish(writer)
        except asyncio.CancelledError:
            pass  # closing: the connection has no one to hand this on to
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _finish(self, writer: asyncio.StreamWriter) -> None:
        """Give a client that still reads the answers it asked for."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._idle):
                writer.close()
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in itertools.count(1):
            async with asyncio.timeout(self._idle):
                length = int.from_bytes(await reader.readexactly(2))
                query = await reader.readexactly(length)
            answer = self._answer(query)
            if answer is None:
                return
            writer.write(len(answer).to_bytes(2) + answer)
            async with asyncio.timeout(self._idle):
                await writer.drain()
            if number % TURN == 0:
                # Neither reading nor writing waits while there is something to read and room.
                await asyncio.sleep(0)

"""Doubles of who Pointsman talks to, for tests: masters that say what they are told, systemd.

And of Pointsman itself, for the commands that ask the one that runs.
"""

import asyncio
import http.server
import json
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from ssl import SSLContext
from typing import Any, Self

from aiohttp import web


class _Quiet(http.server.BaseHTTPRequestHandler):
    """Says nothing of what it is asked."""

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - its name
        pass


class _Serving:
    """An HTTP server with a thread of its own, as long as a ``with`` lasts."""

    def __init__(self, handler: type[_Quiet], address: str = "127.0.0.1") -> None:
        self._server = http.server.ThreadingHTTPServer((address, 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class MasterDouble(_Serving):
    """An HTTP server on a loopback address whose ``/state`` is ``body``."""

    def __init__(self, body: bytes, address: str = "127.0.0.1") -> None:
        self.body = body
        """Answered as it stands when asked."""
        self.status = 200
        self.asked = 0
        double = self

        class Handler(_Quiet):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                double.asked += 1
                self.send_response(double.status)
                self.send_header("Content-Length", str(len(double.body)))
                self.end_headers()
                self.wfile.write(double.body)

        super().__init__(Handler, address)


class PointsmanDouble(_Serving):
    """The HTTP side of a Pointsman on a loopback address, which tells what it is told to."""

    def __init__(
        self, answers: Mapping[str, Any], events: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Tell ``answers`` as JSON, by path, and ``events`` by `/v1/watch`, which then ends."""
        self.asked: list[str] = []
        """Paths with what follows them; of `/v1/watch` with ``Last-Event-ID`` behind a space."""
        double = self

        class Handler(_Quiet):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                last = self.headers.get("Last-Event-ID", "")
                double.asked.append(f"{self.path} {last}".strip())
                if path == "/v1/watch":
                    told = (e for e in events if e["id"] > int(last or 0))
                    self._reply(200, b": begin\n\n" + b"".join(map(double.sent, told)))
                elif path in answers:
                    self._reply(200, json.dumps(answers[path]).encode())
                else:
                    self._reply(404, b"")

            def _reply(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

        super().__init__(Handler)

    @staticmethod
    def sent(event: Mapping[str, Any]) -> bytes:
        """Return an event as a stream has it."""
        return f"id: {event['id']}\nevent: {event['kind']}\ndata: {json.dumps(event)}\n\n".encode()


class OperatorDouble:
    """A master with an operator API, in the caller's event loop, on a loopback address."""

    def __init__(
        self, state: bytes, address: str = "127.0.0.1", ssl: SSLContext | None = None
    ) -> None:
        """``state`` is what it gives when asked: a reply to ``GET_STATE``."""
        self.state = state
        self.v0 = b"{}"
        """What it gives at ``/state`` and, whatever is asked for there, at ``/tasks``."""
        self.heartbeat = 15.0
        self.elected = 1.5
        self.refused: dict[str, int] = {}
        """HTTP status by call or path, for what it does not answer: ``{"SUBSCRIBE": 405}``."""
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.address = ""
        """``HOST:PORT``."""
        self._host = address
        self._ssl = ssl
        self._streams: set[asyncio.Queue[bytes]] = set()
        application = web.Application()
        application.router.add_post("/api/v1", self._call)
        application.router.add_get("/{path:state|tasks|state-summary}", self._get)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)

    @property
    def streams(self) -> int:
        """How many are subscribed."""
        return len(self._streams)

    def say(self, type_: str, **members: Any) -> None:
        """Send an event to all that are subscribed."""
        self.say_bytes(framed(json.dumps({"type": type_, **members}).encode()))

    def say_bytes(self, chunk: bytes) -> None:
        """Send these bytes, of any kind; none ends the streams."""
        for stream in self._streams:
            stream.put_nowait(chunk)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, 0, ssl_context=self._ssl)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.say_bytes(b"")
        await self._runner.cleanup()

    def _noted(self, what: str, request: web.Request) -> None:
        self.asked.append(what)
        self.headers.append(dict(request.headers))
        if status := self.refused.get(what):
            raise _refusal(status)

    async def _get(self, request: web.Request) -> web.Response:
        self._noted(request.match_info["path"], request)
        return web.Response(body=self.v0)

    async def _call(self, request: web.Request) -> web.StreamResponse:
        call = (await request.json())["type"]
        self._noted(call, request)
        if call == "GET_MASTER":
            info = {"pid": f"master@{self.address}"}
            said = {"master_info": info, "elected_time": self.elected}
            return web.json_response({"type": call, "get_master": said})
        if call == "GET_STATE":
            return web.Response(body=self.state)
        return await self._stream(request)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse()
        await reply.prepare(request)
        state = self.state.removeprefix(b'{"type":"GET_STATE","get_state":')[:-1]
        first = (
            b'{"type":"SUBSCRIBED","subscribed":{"get_state":%b,"heartbeat_interval_seconds":%g}}'
        )
        await reply.write(framed(first % (state, self.heartbeat)))
        events: asyncio.Queue[bytes] = asyncio.Queue()
        self._streams.add(events)
        try:
            while chunk := await events.get():
                await reply.write(chunk)
        finally:
            self._streams.discard(events)
        return reply


def framed(record: bytes) -> bytes:
    """Return a record in RecordIO."""
    return b"%d\n%b" % (len(record), record)


def _refusal(status: int) -> web.HTTPException:
    class Refusal(web.HTTPException):
        status_code = status

    return Refusal(text="refused", headers={"WWW-Authenticate": "Basic"})


_HAND_OVER = """
import fcntl, os, sys
names, numbers, *command = sys.argv[1:]
given = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 100) for number in numbers.split()]
for at, one in enumerate(given):
    os.dup2(one, 3 + at)
os.environ |= {
    "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(given)), "LISTEN_FDNAMES": names
}
os.execvp(command[0], command)
"""


def activated(command: Sequence[str], sockets: Mapping[str, int]) -> list[str]:
    """Return the command that has another one begin with descriptors, by name, as systemd does.

    It is to be run with these descriptors left open (``pass_fds``).
    """
    numbers = " ".join(map(str, sockets.values()))
    return [sys.executable, "-c", _HAND_OVER, ":".join(sockets), numbers, *command]


@asynccontextmanager
async def serving(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    context: SSLContext | None = None,
) -> AsyncIterator[str]:
    """Have every request on a loopback address handled by this; give its URL."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        port = runner.addresses[0][1]
        yield f"{'https' if context else 'http'}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def answering(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    context: SSLContext | None = None,
    address: str = "127.0.0.1",
) -> AsyncIterator[int]:
    """Have each TCP connection to an address treated by this, and then closed; give the port."""
    under_way = set[asyncio.Task[None]]()

    async def treat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await answer(reader, writer)
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        finally:
            writer.transport.abort()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way.add(asyncio.create_task(treat(reader, writer)))

    server = await asyncio.start_server(begin, address, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way)

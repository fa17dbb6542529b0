"""The HTTP listener: opened, kept or moved as the configuration asks."""

import asyncio
import logging
import socket

from aiohttp import web

from pointsman.api import Served, application
from pointsman.connections import IDLE, Connection, Connections
from pointsman.discovery import text
from pointsman.discovery.errors import Fatal
from pointsman.dns.endpoints import parse
from pointsman.dns.listening import Bind, absent, bound
from pointsman.metrics import Metrics

log = logging.getLogger("pointsman")


PATIENCE = 2.0
"""Seconds for answers that are under way when a listener ends."""


class HttpServer:
    """Serves the API on one address, or on none."""

    def __init__(self, served: Served, metrics: Metrics, bind: Bind = bound) -> None:
        self._served = served
        self._metrics = metrics
        self._bind = bind
        self._address = ""
        self._listener: asyncio.Server | None = None
        self._runner: web.AppRunner | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def listen(self, address: str) -> None:
        """Listen on this ``ADDRESS:PORT`` alone; "" for none.

        Answers that are under way elsewhere come to their end meanwhile: one of them may be what
        asks for this. Raises Fatal, having changed nothing, when the address can't be had.
        """
        if address == self._address:
            return
        listener, runner = await self._open(address) if address else (None, None)
        if self._listener is not None and self._runner is not None:
            self._listener.close()
            ending = asyncio.create_task(self._runner.cleanup())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
        self._address, self._listener, self._runner = address, listener, runner

    async def close(self) -> None:
        """End all, and wait for it."""
        await self.listen("")
        await asyncio.gather(*self._ending)

    async def _open(self, address: str) -> tuple[asyncio.Server, web.AppRunner]:
        # Bound here, so that an address that can't be had is explained as for DNS.
        host, port = text.endpoint(address)
        try:
            listening = self._bind(socket.SOCK_STREAM, text.ip(host), port)
        except Fatal as error:
            raise Fatal(f"http.listen: {error}") from error
        if why := absent(parse(address)):
            log.warning("http.listen: %s", why)
        served = self._served
        connections = Connections(
            lambda: served.config.http.connections, lambda: served.config.http.timeout
        )
        runner = web.AppRunner(
            application(served, self._metrics, connections),
            access_log=None,
            keepalive_timeout=2 * IDLE,  # the connections see to it themselves
            lingering_time=1.0,
            shutdown_timeout=PATIENCE,
        )
        await runner.setup()
        http = runner.server
        assert http is not None
        listener = await asyncio.get_running_loop().create_server(
            lambda: Connection(http(), connections), sock=listening
        )
        return listener, runner

"""The HTTP listener: opened, kept or moved as the configuration asks."""

import logging
import socket

from aiohttp import web

from pointsman.api import Served, application
from pointsman.discovery import text
from pointsman.discovery.errors import Fatal
from pointsman.dns.endpoints import parse
from pointsman.dns.listening import Bind, absent, bound
from pointsman.metrics import Metrics

log = logging.getLogger("pointsman")


class HttpServer:
    """Serves the API on one address, or on none."""

    def __init__(self, served: Served, metrics: Metrics, bind: Bind = bound) -> None:
        self._served = served
        self._metrics = metrics
        self._bind = bind
        self._address = ""
        self._runner: web.AppRunner | None = None

    async def listen(self, address: str) -> None:
        """Listen on this ``ADDRESS:PORT`` alone; "" for none.

        Raises Fatal, having changed nothing, when it can't be had.
        """
        if address == self._address:
            return
        runner = None
        if address:
            # Bound here, so that an address that can't be had is explained as for DNS.
            host, port = text.endpoint(address)
            try:
                listening = self._bind(socket.SOCK_STREAM, text.ip(host), port)
            except Fatal as error:
                raise Fatal(f"http.listen: {error}") from error
            if why := absent(parse(address)):
                log.warning("http.listen: %s", why)
            runner = web.AppRunner(application(self._served, self._metrics), access_log=None)
            await runner.setup()
            await web.SockSite(runner, listening).start()
        if self._runner is not None:
            await self._runner.cleanup()
        self._address, self._runner = address, runner

"""The HTTP side: health, metrics, and what is served, read-only."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import msgspec
from aiohttp import web

from pointsman.config import Config
from pointsman.discovery import text
from pointsman.discovery.model import Note
from pointsman.dns.zone import Zones
from pointsman.metrics import Metrics
from pointsman.pipeline import Views
from pointsman.vip.model import Protocol as IpProtocol
from pointsman.vip.wanted import Wanted


class Served(Protocol):
    """What the API tells of."""

    @property
    def wanted(self) -> Wanted:
        """Virtual servers and who stands behind them."""
        ...

    @property
    def vip_zone(self) -> str:
        """Zone of the VIPs' names, without the last dot."""
        ...

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was left out, and why."""
        ...

    @property
    def views(self) -> Views:
        """All that is derived from the cluster as it is known now."""
        ...

    @property
    def zones(self) -> Zones:
        """The zones that are answered from."""
        ...

    @property
    def config(self) -> Config:
        """The configuration that counts."""
        ...

    @property
    def not_ready(self) -> str:
        """Why this node does not serve yet; empty when it does."""
        ...


def application(served: Served, metrics: Metrics) -> web.Application:
    """Return the application: GET only, no state of its own."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        reason = served.not_ready
        return web.Response(text=f"{reason or 'ready'}\n", status=503 if reason else 200)

    async def metrics_(_: web.Request) -> web.Response:
        return web.Response(
            body=metrics.text(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def vips(_: web.Request) -> web.Response:
        return _json(list(vips_view(served.wanted, served.vip_zone)))

    async def notes(_: web.Request) -> web.Response:
        return _json([{"where": note.where, "why": note.why} for note in served.notes])

    app = web.Application()
    handlers: dict[str, Callable[[web.Request], Any]] = {
        "/healthz": healthz,
        "/readyz": readyz,
        "/metrics": metrics_,
        "/v1/vips": vips,
        "/v1/notes": notes,
    }
    for path, handler in handlers.items():
        app.router.add_get(path, handler)
    return app


def vips_view(wanted: Wanted, domain: str) -> Iterator[dict[str, Any]]:
    """Yield each virtual server as dcos-net's ``/v1/vips`` tells it."""
    names = {address: name for name, addresses in wanted.names.items() for address in addresses}
    for key, server in wanted.table.items():
        host = f"{names[key.address]}.{domain}" if key.address in names else key.address
        yield {
            "vip": text.joined(host, key.port),
            "protocol": str(IpProtocol(key.protocol)),
            "backend": [
                {"ip": endpoint.address, "port": endpoint.port, "weight": real.weight}
                for endpoint, real in server.real_servers.items()
            ],
        }


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")

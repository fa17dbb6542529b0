"""The HTTP side: health, metrics, and what is served, read-only."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import msgspec
from aiohttp import web

from pointsman import health_view, records_api
from pointsman.config import Config
from pointsman.discovery import text
from pointsman.discovery.model import Note
from pointsman.dns.zone import Zone, Zones
from pointsman.healthcheck.model import Status, Target
from pointsman.healthcheck.state import State
from pointsman.metrics import Metrics
from pointsman.pipeline import Views
from pointsman.rules import vip_apex
from pointsman.status import virtual_servers
from pointsman.vip.model import Protocol as IpProtocol
from pointsman.vip.parts import Look
from pointsman.vip.wanted import Wanted
from pointsman.web_page import add_page


class Served(Protocol):
    """What the API tells of."""

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

    @property
    def mode(self) -> str:
        """How the cluster is followed, and whom."""
        ...

    @property
    def complaints(self) -> tuple[str, ...]:
        """What VIPs need around them and do not have."""
        ...

    @property
    def health(self) -> tuple[Mapping[Target, Status], Mapping[Target, State]]:
        """What is believed of each target, and what is known of it besides."""
        ...

    async def count(self) -> None:
        """Have metrics tell what goes through VIPs now."""
        ...

    async def look(self) -> Look:
        """Return what the kernel has of ours, and what goes through it."""
        ...


def application(served: Served, metrics: Metrics) -> web.Application:
    """Return the application: GET only, no state of its own."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        reason = served.not_ready
        return web.Response(text=f"{reason or 'ready'}\n", status=503 if reason else 200)

    async def metrics_(_: web.Request) -> web.Response:
        await served.count()
        return web.Response(
            body=metrics.text(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    last = _LastVips()

    async def vips(request: web.Request) -> web.Response:
        wanted, zone = served.views.wanted, vip_apex(served.config).rstrip(".")
        body = await asyncio.to_thread(last.body, wanted, zone)
        return _tagged(request, body)

    async def status(_: web.Request) -> web.Response:
        look, now = await served.look(), time.monotonic()
        wanted, statuses = served.views.wanted, served.health[0]
        zone = vip_apex(served.config).rstrip(".")
        found = {
            "ready": not served.not_ready,
            "not_ready": served.not_ready,
            "mode": served.mode,
            "complaints": served.complaints,
            "settings": look.settings,
        }
        body = await asyncio.to_thread(
            lambda: msgspec.json.encode(
                {**found, "virtual_servers": virtual_servers(look, wanted, statuses, zone, now)}
            )
        )
        return web.Response(body=body, content_type="application/json")

    async def health(_: web.Request) -> web.Response:
        views, (statuses, states), now = served.views, served.health, time.monotonic()
        body = await asyncio.to_thread(
            lambda: msgspec.json.encode({"targets": health_view.rows(views, statuses, states, now)})
        )
        return web.Response(body=body, content_type="application/json")

    async def version(_: web.Request) -> web.Response:
        return _json(records_api.version())

    async def config(_: web.Request) -> web.Response:
        return _json(records_api.config(served.config))

    async def hosts(request: web.Request) -> web.Response:
        return _json(records_api.hosts(served.zones, request.match_info["host"]))

    async def host_ports(_: web.Request) -> web.Response:
        return web.Response(status=501, text="not implemented\n")

    async def services(request: web.Request) -> web.Response:
        return _json(records_api.services(served.zones, request.match_info["service"]))

    async def enumerate_(request: web.Request) -> web.Response:
        views, config = served.views, served.config
        return await _large(request, lambda: records_api.enumerate_(views, config))

    async def axfr(request: web.Request) -> web.Response:
        views, config = served.views, served.config
        zone = served.zones.of(f"{config.dns.domain}.")
        if not isinstance(zone, Zone):
            return web.Response(status=503, text="not ready\n")
        head = records_api.head(config, zone)
        return await _large(request, lambda: records_api.transfer(views, config, head))

    async def records(request: web.Request) -> web.Response:
        views, config = served.views, served.config
        return await _large(request, lambda: records_api.records(views, config))

    async def notes(_: web.Request) -> web.Response:
        return _json([{"where": note.where, "why": note.why} for note in served.notes])

    app = web.Application()
    handlers: dict[str, Callable[[web.Request], Any]] = {
        "/healthz": healthz,
        "/readyz": readyz,
        "/metrics": metrics_,
        "/v1/vips": vips,
        "/v1/status": status,
        "/v1/health": health,
        "/v1/notes": notes,
        "/v1/version": version,
        "/v1/config": config,
        "/v1/hosts/{host}": hosts,
        "/v1/hosts/{host}/ports": host_ports,
        "/v1/services/{service}": services,
        "/v1/enumerate": enumerate_,
        "/v1/axfr": axfr,
        "/v1/records": records,
    }
    for path, handler in handlers.items():
        app.router.add_get(path, handler)
    add_page(app)
    return app


def vips_view(wanted: Wanted, domain: str) -> Iterator[dict[str, Any]]:
    """Yield each virtual server as dcos-net's ``/v1/vips`` tells it, and its address."""
    names = {address: name for name, addresses in wanted.names.items() for address in addresses}
    for key, server in wanted.table.items():
        host = f"{names[key.address]}.{domain}" if key.address in names else key.address
        yield {
            "vip": text.joined(host, key.port),
            "ip": key.address,
            "protocol": str(IpProtocol(key.protocol)),
            "backend": [
                {"ip": endpoint.address, "port": endpoint.port, "weight": real.weight}
                for endpoint, real in server.real_servers.items()
            ],
        }


class _LastVips:
    """The last answer of ``/v1/vips``: who asks each second mostly asks for the same."""

    def __init__(self) -> None:
        self._of: tuple[Any, Any, str] = (None, None, "")
        self._body = b""

    def body(self, wanted: Wanted, zone: str) -> bytes:
        """Return it, made anew where it is of others than the last."""
        targets, names, last = self._of
        if targets is not wanted.targets or names is not wanted.names or zone != last:
            self._body = msgspec.json.encode(list(vips_view(wanted, zone)))
            self._of = (wanted.targets, wanted.names, zone)
        return self._body


async def _large(request: web.Request, make: Callable[[], Any]) -> web.Response:
    """Answer with what is made and written in a thread, or that it is what the client has."""
    return _tagged(request, await asyncio.to_thread(lambda: msgspec.json.encode(make())))


def _tagged(request: web.Request, body: bytes) -> web.Response:
    """Answer with JSON, or that it is what the client has."""
    tag = hashlib.sha256(body).hexdigest()[:32]
    headers = {"ETag": f'"{tag}"'}
    if any(known.value in (tag, "*") for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type="application/json", headers=headers)


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")

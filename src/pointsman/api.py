"""The HTTP side: health, metrics, and what is served, read-only."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, Protocol, TypeVar

import msgspec
from aiohttp import web
from msgspec import UnsetType

from pointsman import __version__, health_view, openapi, problems, records_api
from pointsman.answers import Reloaded, Resynced, Summary
from pointsman.config import Config
from pointsman.connections import Connections
from pointsman.discovery import text
from pointsman.discovery.errors import Transient
from pointsman.discovery.model import Note
from pointsman.dns.zone import Zone, Zones
from pointsman.endpoints import (
    ENDPOINTS,
    BadParameter,
    EventsQuery,
    NoQuery,
    Q,
    ResolveQuery,
    StatusQuery,
    WatchQuery,
    read,
)
from pointsman.events import Ring
from pointsman.gate import gate, may_change, secure
from pointsman.healthcheck.model import Status, Target
from pointsman.healthcheck.state import State
from pointsman.metrics import Metrics
from pointsman.pipeline import Views
from pointsman.resolve import explain_by
from pointsman.rules import vip_apex
from pointsman.status import matching, virtual_servers
from pointsman.summary import sizes
from pointsman.tagged import tagged
from pointsman.vip.model import Protocol as IpProtocol
from pointsman.vip.parts import Look, Report
from pointsman.vip.wanted import Wanted
from pointsman.watching import Watchers
from pointsman.web_page import add_page

T = TypeVar("T")


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

    @property
    def events(self) -> Ring:
        """What happened lately."""
        ...

    async def reload(self) -> tuple[str, ...]:
        """Read the configuration again; return what was wrong with it."""
        ...

    async def resync(self) -> Report:
        """Read the whole kernel, make it right, and return what that took; raises Transient."""
        ...

    async def count(self) -> None:
        """Have metrics tell what goes through VIPs now."""
        ...

    async def look(self) -> Look:
        """Return what the kernel has of ours, and what goes through it."""
        ...


def application(served: Served, metrics: Metrics, connections: Connections) -> web.Application:
    """Return the application: what ``ENDPOINTS`` declare, and the page."""

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
        return tagged(request, body)

    async def status(request: web.Request) -> web.Response:
        asked = _asked(request, StatusQuery)
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

        def make() -> bytes:
            keys = matching(look, wanted, zone, asked.search)
            end = asked.offset + asked.limit if asked.limit else None
            rows = virtual_servers(keys[asked.offset : end], look, wanted, statuses, zone, now)
            return msgspec.json.encode({**found, "total": len(keys), "virtual_servers": rows})

        body = await asyncio.to_thread(make)
        return web.Response(body=body, content_type="application/json")

    async def events(request: web.Request) -> web.Response:
        asked = _asked(request, EventsQuery)
        return _json(served.events.page(_given(asked.since), asked.limit, _given(asked.kind)))

    async def watch(request: web.Request) -> web.StreamResponse:
        # What a client that comes back had last is later than where it began.
        last = request.headers.get("Last-Event-ID")
        asked = _asked(request, WatchQuery, {"since": last} if last else {})
        if watchers.full:
            why = "as many watch already as http.watchers allows"
            raise problems.error(web.HTTPServiceUnavailable, why, {"Retry-After": "5"})
        watching = asyncio.current_task()
        assert watching is not None
        connections.when_lost(request.transport, watching.cancel)
        return await watchers.serve(request, _given(asked.since))

    async def resolve(request: web.Request) -> web.Response:
        asked = _asked(request, ResolveQuery)
        views, config, type_ = served.views, served.config, asked.type.upper()
        async with resolving:  # it looks at every task
            found = await asyncio.to_thread(explain_by, asked.name, type_, views, config)
        return _json(found)

    async def summary(request: web.Request) -> web.Response:
        _asked(request, NoQuery)
        views, names = served.views, sum(zone.names for zone in served.zones)
        notes = len(served.notes)
        virtual, real = await asyncio.to_thread(sizes, views)
        leader = views.cluster.leader
        return _json(
            Summary(
                __version__, os.uname().nodename, not served.not_ready, served.not_ready,
                served.mode, str(leader) if leader else None, len(views.cluster.agents),
                len(views.cluster.frameworks), len(views.cluster.tasks), virtual, real, names,
                notes, served.complaints, served.events.last,
            )
        )  # fmt: skip

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

    watchers = Watchers(
        served.events, lambda: served.config.http.watchers, lambda: served.config.http.timeout
    )
    resolving = asyncio.Lock()
    changing = set[asyncio.Task[Any]]()

    async def change(request: web.Request, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do it to its end, even if the client goes: it may be this listener that ends."""
        _asked(request, NoQuery)
        await may_change(request, served.config.http.token_file)
        task = asyncio.create_task(work())
        changing.add(task)
        task.add_done_callback(changing.discard)
        return await asyncio.shield(task)

    async def reload(request: web.Request) -> web.Response:
        found = await change(request, served.reload)
        return _json(Reloaded(found), status=409 if found else 200)

    async def resync(request: web.Request) -> web.Response:
        try:
            done = await change(request, served.resync)
        except Transient as error:
            raise problems.error(web.HTTPServiceUnavailable, str(error)) from error
        changes, failures = (tuple(map(str, some)) for some in (done.changes, done.failures))
        return _json(Resynced(done.repaired, changes, failures, done.complaints))

    described = msgspec.json.encode(openapi.document(ENDPOINTS))

    async def openapi_(request: web.Request) -> web.Response:
        return tagged(request, described)

    app = web.Application(middlewares=gate(lambda: served.config, connections))
    app.on_response_prepare.append(secure)
    app.on_shutdown.append(watchers.close)
    handlers: dict[str, Callable[[web.Request], Any]] = {
        "/healthz": healthz,
        "/readyz": readyz,
        "/metrics": metrics_,
        "/v1/vips": vips,
        "/v1/status": status,
        "/v1/summary": summary,
        "/v1/events": events,
        "/v1/watch": watch,
        "/v1/resolve": resolve,
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
        "/v1/openapi.json": openapi_,
        "/v1/reload": reload,
        "/v1/resync": resync,
    }
    for endpoint in ENDPOINTS:
        handler = handlers.pop(endpoint.path)
        if endpoint.method == "POST":
            app.router.add_post(endpoint.path, handler)
        else:
            app.router.add_get(endpoint.path, handler, allow_head=endpoint.path != "/v1/watch")
    assert not handlers
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


def _asked(request: web.Request, kind: type[Q], said: Mapping[str, str] = {}) -> Q:
    """Return the parameters of a request; what headers said of them counts more."""
    given = ((name, value) for name, value in request.query.items() if name not in said)
    try:
        return read((*given, *said.items()), kind)
    except BadParameter as error:
        raise problems.error(web.HTTPBadRequest, str(error), parameter=error.name) from error


def _given(value: T | UnsetType) -> T | None:
    return None if isinstance(value, UnsetType) else value


async def _large(request: web.Request, make: Callable[[], Any]) -> web.Response:
    """Answer with what is made and written in a thread, or that it is what the client has."""
    return tagged(request, await asyncio.to_thread(lambda: msgspec.json.encode(make())))


def _json(value: Any, status: int = 200) -> web.Response:
    body = msgspec.json.encode(value)
    return web.Response(body=body, status=status, content_type="application/json")

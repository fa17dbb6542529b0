"""What every request meets before it is answered, and every answer before it is sent."""

import asyncio
import os
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from pointsman import token
from pointsman.config import Config
from pointsman.connections import Connections
from pointsman.discovery.errors import Fatal
from pointsman.hosts import admitted, names
from pointsman.problems import error, telling

PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""What a page of ours may load, and who may show it: nothing of others, and nobody."""


def gate(config: Callable[[], Config], connections: Connections) -> list[Middleware]:
    """Return what admits requests, by the configuration that counts."""

    @web.middleware
    async def waiting(request: web.Request, handler: Handler) -> web.StreamResponse:
        async with connections.handling(request.transport) as there:
            return await handler(request) if there else web.Response(status=408)

    @web.middleware
    async def admitting(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not admitted(request.headers.get("Host"), names(config(), os.uname().nodename)):
            why = (
                f"this is not {request.headers['Host']}: ask by its address, or add the name to "
                "http.hosts; so no page of another site can ask here"
            )
            raise error(web.HTTPMisdirectedRequest, why)
        if request.body_exists:
            size = request.content_length or 0
            raise web.HTTPRequestEntityTooLarge(0, size, text="no request here has a body")
        return await handler(request)

    return [waiting, telling, admitting]


async def secure(_: web.Request, answer: web.StreamResponse) -> None:
    """Have browsers take an answer for nothing else than it is, and keep none that changes."""
    answer.headers.setdefault("X-Content-Type-Options", "nosniff")
    answer.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    kept = "no-cache" if "ETag" in answer.headers else "no-store"
    answer.headers.setdefault("Cache-Control", kept)
    if answer.content_type == "text/html":
        answer.headers.setdefault("Content-Security-Policy", PAGE)
        answer.headers.setdefault("Referrer-Policy", "no-referrer")


async def may_change(request: web.Request, file: str) -> None:
    """Let only those go on that show the token in this file; raises what to answer the others."""
    try:
        expected = await asyncio.to_thread(token.read, file)
    except Fatal as problem:
        raise error(web.HTTPForbidden, str(problem)) from problem
    if not expected:
        why = "http.token_file is not set, and so nothing can be changed over HTTP"
        raise error(web.HTTPForbidden, why)
    given = request.headers.get("Authorization", "")
    if not token.shown(given, expected):
        reason = ', error="invalid_token"' if given else ""
        headers = {"WWW-Authenticate": f'Bearer realm="pointsman"{reason}'}
        raise error(web.HTTPUnauthorized, "the token of http.token_file is needed", headers)

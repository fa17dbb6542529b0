"""What can't be answered, told as JSON (RFC 9457)."""

from collections.abc import Mapping

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from pointsman.answers import PROBLEM, Problem


def error(
    kind: type[web.HTTPError],
    detail: str,
    headers: Mapping[str, str] | None = None,
    parameter: str = "",
) -> web.HTTPError:
    """Return what a handler raises for a request that it can't answer."""
    told = Problem(kind.status_code, kind().reason, detail, parameter)
    return kind(text=msgspec.json.encode(told).decode(), content_type=PROBLEM, headers=headers)


@web.middleware
async def telling(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Have what aiohttp refuses by itself, as an unknown path, told as JSON too."""
    try:
        return await handler(request)
    except web.HTTPError as refused:
        if refused.content_type != PROBLEM:
            detail = refused.text if isinstance(refused, web.HTTPRequestEntityTooLarge) else ""
            told = Problem(refused.status, refused.reason, detail or "")
            refused.text = msgspec.json.encode(told).decode()
            refused.content_type = PROBLEM
        raise

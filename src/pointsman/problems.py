"""What can't be answered, told as JSON (RFC 9457)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import msgspec
from aiohttp import web

MEDIA = "application/problem+json"

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a request was not answered."""

    status: int
    """Of HTTP."""
    title: str
    """What that status means."""
    detail: str = ""
    """What was wrong here."""
    parameter: str = ""
    """Which parameter of the request that was."""


def error(
    kind: type[web.HTTPError],
    detail: str,
    headers: Mapping[str, str] | None = None,
    parameter: str = "",
) -> web.HTTPError:
    """Return what a handler raises for a request that it can't answer."""
    told = Problem(kind.status_code, kind().reason, detail, parameter)
    return kind(text=msgspec.json.encode(told).decode(), content_type=MEDIA, headers=headers)


@web.middleware
async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Have what aiohttp refuses by itself, as an unknown path, told as JSON too."""
    try:
        return await handler(request)
    except web.HTTPError as refused:
        if refused.content_type != MEDIA:
            refused.text = msgspec.json.encode(Problem(refused.status, refused.reason)).decode()
            refused.content_type = MEDIA
        raise

"""The page at ``/``: files of the package, which may load nothing from elsewhere."""

import hashlib
from collections.abc import Awaitable, Callable
from importlib.resources import files

from aiohttp import web

TYPES = {
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}
"""By how a file's name ends."""

HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; connect-src 'self'; img-src 'self'; script-src 'self'; "
        "style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of each file: no script or style but those of the package, no frame around, nothing sent out."""


def add_page(app: web.Application) -> None:
    """Have the application serve the page at ``/``, and what it is made of below ``/page/``."""
    found = {file.name: file.read_bytes() for file in files("pointsman").joinpath("page").iterdir()}
    app.router.add_get("/", _file("index.html", found.pop("index.html")))
    for name, body in found.items():
        app.router.add_get(f"/page/{name}", _file(name, body))


def _file(name: str, body: bytes) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return what answers with a file, or that it is what the browser has."""
    tag = hashlib.sha256(body).hexdigest()[:32]
    headers = {**HEADERS, "ETag": f'"{tag}"'}
    kind = TYPES[name.rpartition(".")[2]]

    async def answer(request: web.Request) -> web.Response:
        if any(known.value == tag for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)

    return answer

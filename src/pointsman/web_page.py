"""The page at ``/``: files of the package; what they may load is said in ``gate.PAGE``."""

from importlib.resources import files

from aiohttp import web
from aiohttp.typedefs import Handler

from pointsman.tagged import tagged

TYPES = {
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}
"""By how a file's name ends. All are in UTF-8, as the page itself says."""


def add_page(app: web.Application) -> None:
    """Have the application serve the page at ``/``, and what it is made of below ``/page/``."""
    found = {file.name: file.read_bytes() for file in files("pointsman").joinpath("page").iterdir()}
    app.router.add_get("/", _file("index.html", found.pop("index.html")))
    for name, body in found.items():
        app.router.add_get(f"/page/{name}", _file(name, body))


def _file(name: str, body: bytes) -> Handler:
    kind = TYPES[name.rpartition(".")[2]]

    async def answer(request: web.Request) -> web.StreamResponse:
        return tagged(request, body, kind)

    return answer

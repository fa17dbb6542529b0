import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from pointsman import web_page
from pointsman.gate import secure

FILES = Path(web_page.__file__).parent / "page"


def get(path: str, **headers: str) -> tuple[int, str, Mapping[str, str], str]:
    async def run() -> tuple[int, str, Mapping[str, str], str]:
        app = web.Application()
        web_page.add_page(app)
        app.on_response_prepare.append(secure)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
            async with ClientSession() as session, session.get(url, headers=headers) as reply:
                text = await reply.text()
                return reply.status, reply.content_type, reply.headers, text
        finally:
            await runner.cleanup()

    return asyncio.run(run())


def test_the_page_is_at_the_root_and_its_parts_below_it() -> None:
    status, kind, _, text = get("/")
    assert (status, kind) == (200, "text/html")
    parts = re.findall(r'(?:href|src)="(page/[^"]+)"', text)
    assert "page/main.js" in parts
    kinds = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    for part in parts:
        assert get(f"/{part}")[:2] == (200, kinds[part.rpartition(".")[2]])


def test_what_a_browser_has_is_not_sent_again() -> None:
    _, _, headers, _ = get("/page/main.js")
    status, _, _, text = get("/page/main.js", **{"If-None-Match": headers["ETag"]})
    assert (status, text) == (304, "")


@pytest.mark.parametrize(
    "path", ["/page/", "/page/nope.js", "/page/../api.py", "/page/%2e%2e/api.py"]
)
def test_nothing_else_is_there(path: str) -> None:
    assert get(path)[0] == 404


def test_only_what_is_served_here_may_be_loaded_and_run() -> None:
    _, _, headers, text = get("/")
    allowed = dict(
        one.strip().split(" ", 1) for one in headers["Content-Security-Policy"].split(";")
    )
    assert allowed["default-src"] == "'none'"
    assert {allowed[f"{what}-src"] for what in ("script", "style", "connect", "img")} == {"'self'"}
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert not re.search(r"<style|<script>| style=| on\w+=|https?://", text)


@pytest.mark.parametrize("file", sorted(FILES.glob("*.js")), ids=lambda path: path.name)
def test_a_part_of_the_page_loads_only_parts_that_are_there(file: Path) -> None:
    for part in re.findall(r'from "\./([^"]+)"', file.read_text()):
        assert (FILES / part).exists()

"""A real Chromium that looks at the real HTTP side of a made-up cluster of 10,000 tasks."""

import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from pointlab.shows.page import MadeUp, Serving

CHROMIUM = "/usr/bin/chromium"
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def made() -> MadeUp:
    return MadeUp()


@pytest.fixture(scope="module")
def serving(made: MadeUp) -> Iterator[Serving]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with Serving(made, address) as serving:
        yield serving


# As long as Playwright runs, no other test can run an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    words = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=words)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, serving: Serving) -> Iterator[Open]:
    """Give what opens the page in a browser of its own; what complains there fails the test."""
    complaints: list[str] = []
    contexts = []

    def heard(message: ConsoleMessage) -> None:
        # That a node is away is no fault of the page, which tells it, too.
        if message.type in ("error", "warning") and "net::ERR_" not in message.text:
            complaints.append(message.text)

    def open_(
        query: str = "", width: int = 1440, height: int = 900, script: str = "", **how: Any
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, reduced_motion="reduce", **how
        )
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(script)
        page.set_default_timeout(60_000)
        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda r: complaints.append(r.url) if not r.url.startswith(serving.url) else None,
        )
        page.goto(f"{serving.url}{query}")
        page.locator("#link[data-is=good]").wait_for()
        page.locator("#servers > tbody").first.wait_for()
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []

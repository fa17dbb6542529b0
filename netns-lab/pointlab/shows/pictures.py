"""Makes the pictures of the page that the documents show, in a real Chromium."""

import os
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from pointlab.shows.page import MadeUp, Serving

CHROMIUM = "/usr/bin/chromium"
WIDE, NARROW = (1440, 900), (390, 844)
PAGE = 25
"""Virtual servers on one page."""


def main(folder: Path) -> None:
    """Write all of them into a folder."""
    words = ["--no-sandbox"] if os.getuid() == 0 else []
    with Serving(MadeUp(), "127.0.0.1:8399") as serving, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=words)
        for name, scheme, size in (
            ("page-light", "light", WIDE),
            ("page-dark", "dark", WIDE),
            ("page-narrow", "light", NARROW),
        ):
            _picture(browser, serving, folder / f"{name}.png", scheme, size)
        browser.close()


def _picture(
    browser: Browser, serving: Serving, file: Path, scheme: Any, size: tuple[int, int]
) -> None:
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    at, vip = _telling(page.request.get(f"{serving.url}v1/status").json()["virtual_servers"])
    if not serving.served.events.last:
        _story(serving, vip)
    name = vip["name"].partition(".")[0]
    page.goto(f"{serving.url}?page={at // PAGE + 1}&name=_{name}._tcp.marathon.mesos&type=SRV")
    page.locator("#link[data-is=good]").wait_for()
    page.locator("#answer table").first.wait_for()
    page.locator("#timeline li").first.wait_for()
    opens = page.get_by_role("button", name=vip["name"])
    opens.click()
    page.locator(".detail:not([hidden]) tbody tr").first.wait_for()
    opens.evaluate("node => node.blur()")
    page.mouse.move(0, 0)
    page.evaluate("scrollTo(0, 0)")
    _drawn(page)
    page.screenshot(path=file)
    context.close()


def _drawn(page: Page) -> None:
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def _telling(vips: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
    """Return the virtual server highest on its page that has a real server with a reason."""
    found = (
        (at, vip)
        for at, vip in enumerate(vips)
        if 3 <= len(vip["real_servers"]) <= 6 and any(real["why"] for real in vip["real_servers"])
    )
    return min(found, key=lambda one: one[0] % PAGE)


def _story(serving: Serving, vip: dict[str, Any]) -> None:
    """Have happened what led to how this virtual server is."""
    key = f"tcp {vip['address']}:{vip['port']}"
    sick = next(real for real in vip["real_servers"] if real["why"])
    where = f"{sick['address']}:{sick['port']}"
    reason = sick["why"].partition(": ")[2]
    name = vip["name"].removesuffix(".l4lb.thisdcos.directory")
    other = vip["real_servers"][-1]
    last = f"{other['address']}:{other['port']}"
    happen = serving.served.happen
    happen("leader", "master", "10.0.0.2:5050", "10.0.0.1:5050", "elected", ago=900)
    happen("config", "/etc/pointsman/pointsman.toml", "", "reloaded", ago=640)
    happen("task", other["task_id"], "", "TASK_RUNNING, healthy", f"on {other['agent']}", ago=402)
    why = f"task {other['task_id']} started, live"
    happen("kernel", f"{key} -> {last}", "", "weight 1", why, ago=401.9)
    happen(
        "name", name, "", vip["address"], f"the kernel serves it for {other['task_id']}", ago=401
    )
    happen("health", f"http {where}", "up", "sick", f"{reason}, for {sick['task_id']}", ago=24)
    why = f"task {sick['task_id']}: live -> unhealthy: {reason}"
    happen("kernel", f"{key} -> {where}", "weight 1", "weight 0", why, ago=23.9)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

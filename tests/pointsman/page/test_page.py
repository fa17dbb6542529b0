"""The page in a browser: what it shows of 10,000 tasks, and how it is used without a mouse."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from pointlab.shows.page import MadeUp, Serving

expect.set_options(timeout=60_000)
Open = Callable[..., Page]
DOCUMENT = Path(__file__).parents[3] / "docs/page.md"
MOST_ELEMENTS = 4_000
MOST_EVENTS = 200


def vips(page: Page) -> Any:
    return page.locator("#servers > tbody")


def unhealthy(page: Page, serving: Serving) -> tuple[str, str]:
    """Return the name of a VIP with a real server that a check says something of, and what."""
    found = page.request.get(f"{serving.url}v1/status").json()["virtual_servers"]
    return next(
        (vip["name"], real["why"]) for vip in found for real in vip["real_servers"] if real["why"]
    )


def test_the_cluster_is_seen_at_a_glance(open_page: Open, made: MadeUp) -> None:
    page = open_page()
    expect(page.locator("#standing")).to_have_text("ready")
    figures = page.locator("#figures > div")
    expect(figures.nth(0)).to_contain_text("10.0.0.1:5050")
    expect(figures.nth(1)).to_have_text("Tasks10,000")
    expect(figures.nth(4)).to_have_text("Virtual servers2,000")
    page.locator("#notes summary").click()
    expect(page.locator("#notes-list li")).to_have_count(len(made.notes))


def test_why_a_node_is_not_ready_and_what_it_lacks_is_told_as_it_happens(
    open_page: Open, made: MadeUp
) -> None:
    page = open_page()
    try:
        made.not_ready, made.complaints = (
            "no master answers",
            ("no masquerading: install iptables",),
        )
        expect(page.locator("#unready")).to_have_text("Not ready: no master answers")
        expect(page.locator("#complaints li")).to_have_text(["no masquerading: install iptables"])
        expect(page.locator("#said")).to_have_text("no master answers")
    finally:
        made.not_ready, made.complaints = "", ()
    expect(page.locator("#unready")).to_be_hidden()
    expect(page.locator("#lacking")).to_be_hidden()


def test_virtual_servers_come_a_page_at_a_time_so_that_the_document_stays_small(
    open_page: Open,
) -> None:
    page = open_page()
    expect(vips(page)).to_have_count(25)
    expect(page.locator("#range")).to_have_text("1 to 25 of 2,000")
    first = vips(page).first.inner_text()
    page.get_by_role("button", name="Next page").click()
    expect(page.locator("#range")).to_have_text("26 to 50 of 2,000")
    expect(vips(page).first).not_to_have_text(first)
    assert page.locator("*").count() < MOST_ELEMENTS
    page.reload()
    expect(page.locator("#range")).to_have_text("26 to 50 of 2,000")
    assert page.locator("*").count() < MOST_ELEMENTS


def test_many_real_servers_come_in_parts_too(open_page: Open, serving: Serving) -> None:
    page = open_page()
    found = page.request.get(f"{serving.url}v1/status").json()["virtual_servers"]
    largest = max(found, key=lambda vip: len(vip["real_servers"]))
    there = len(largest["real_servers"])
    page.get_by_role("searchbox").fill(largest["name"])
    expect(page.locator("#range")).to_have_text("1 to 1 of 1")
    vips(page).first.locator("button.opens").click()
    rows = page.locator(".detail tbody tr")
    expect(rows).to_have_count(50)
    page.get_by_role("button", name=f"Show more ({there - 50} left)").click()
    expect(rows).to_have_count(100)


def test_a_search_narrows_by_name_address_and_task(open_page: Open) -> None:
    page = open_page()
    search = page.get_by_role("searchbox")
    search.fill("ledger-api")
    expect(page.locator("#range")).to_have_text("1 to 1 of 1")
    expect(page.locator("#said")).to_have_text("1 virtual server")
    row = vips(page).first
    expect(row).to_contain_text("ledger-api.marathon.l4lb.thisdcos.directory")
    address = row.locator(".where").inner_text().split()[1]
    row.locator("button.opens").click()
    task = row.locator(".detail tbody tr td span").first.inner_text()
    for word in (address, task):
        search.fill(word)
        expect(page.locator("#range")).to_have_text("1 to 1 of 1")
        expect(vips(page).first).to_contain_text("ledger-api.")
    search.fill("nobody")
    expect(page.locator("#nothing")).to_contain_text('has "nobody" in its name')
    expect(vips(page)).to_have_count(0)
    page.reload()
    expect(search).to_have_value("nobody")


def test_a_real_server_that_gets_no_connections_says_why(open_page: Open, serving: Serving) -> None:
    page = open_page()
    name, why = unhealthy(page, serving)
    reason = why.partition(": ")[2]
    page.get_by_role("searchbox").fill(name)
    row = vips(page).first
    expect(row).to_contain_text(name)
    expect(row.locator(".complaint")).to_contain_text(reason)
    opens = row.locator("button.opens")
    expect(opens).to_have_attribute("aria-expanded", "false")
    opens.click()
    expect(opens).to_have_attribute("aria-expanded", "true")
    real = row.locator(".detail tbody tr").first
    expect(real).to_contain_text(reason)
    expect(real.locator(".state")).to_have_text(re.compile("draining|used|out"))


def test_an_event_is_there_as_it_happens_and_is_nothing_but_text(
    open_page: Open, serving: Serving
) -> None:
    page = open_page()
    words = ("web.<img src=x>", "TASK_RUNNING", "TASK_FAILED", "it was <b>killed</b>")
    serving.do(lambda: serving.served.happen("task", *words))
    first = page.locator("#timeline li").first
    expect(first).to_contain_text(
        "web.<img src=x>TASK_RUNNING →  became TASK_FAILEDit was <b>killed</b>"
    )
    expect(page.locator("#said")).to_contain_text("was TASK_RUNNING, now TASK_FAILED")
    assert first.locator("img").count() == 0


def test_an_event_leads_to_the_virtual_server_that_it_is_about(
    open_page: Open, serving: Serving
) -> None:
    page = open_page()
    address = vips(page).nth(3).locator(".where").inner_text().split()[1]
    what = f"tcp {address} -> 10.0.0.1:31000"
    serving.do(lambda: serving.served.happen("kernel", what, "weight 1", "weight 0"))
    page.get_by_role("button", name=what).click()
    expect(page.locator("#range")).to_have_text("1 to 1 of 1")
    expect(vips(page).first).to_contain_text(address)


def test_many_events_are_kept_by_kind_and_no_more_than_can_be_read(
    open_page: Open, serving: Serving
) -> None:
    def much() -> None:
        serving.served.happen("leader", "leading master", "10.0.0.1:5050", "10.0.0.2:5050")
        for number in range(1_500):
            serving.served.happen("task", f"many.{number}", "", "TASK_RUNNING")

    page = open_page()
    serving.do(much)
    expect(page.locator("#timeline li").first).to_contain_text("many.1499")
    expect(page.locator("#timeline li")).to_have_count(MOST_EVENTS)
    page.get_by_label("Kind of event").select_option("leader")
    expect(page.locator("#timeline li").first).to_contain_text(
        "10.0.0.1:5050 →  became 10.0.0.2:5050"
    )


def test_events_can_be_paused(open_page: Open, serving: Serving) -> None:
    page = open_page()
    serving.do(lambda: serving.served.happen("name", "before.marathon", "", "11.0.0.1"))
    first = page.locator("#timeline li").first
    expect(first).to_contain_text("before.marathon")
    page.get_by_role("button", name="Pause").click()
    page.get_by_label("Kind of event").select_option("name")
    expect(page.locator("#timeline li[data-kind=task]")).to_have_count(0)
    serving.do(lambda: serving.served.happen("name", "after.marathon", "", "11.0.0.2"))
    expect(page.locator("#waiting")).to_have_text("Paused: 1 event since.")
    expect(first).to_contain_text("before.marathon")
    page.get_by_role("button", name="Go on").click()
    expect(first).to_contain_text("after.marathon")


def test_a_node_that_is_away_is_told_and_what_happened_meanwhile_is_caught_up_with(
    open_page: Open, serving: Serving
) -> None:
    page = open_page()
    serving.close()
    expect(page.locator("#link")).to_contain_text("no connection")
    expect(page.locator("#stale")).to_contain_text("has not answered since")
    serving.served.happen("node", "vm", "", "meanwhile")
    serving.open()
    expect(page.locator("#link")).to_have_text("live updates")
    expect(page.locator("#stale")).to_be_hidden()
    expect(page.locator("#timeline li").first).to_contain_text("meanwhile")


def test_a_name_is_resolved_and_explained(open_page: Open) -> None:
    page = open_page()
    name, answer = page.get_by_role("textbox", name="Name"), page.locator("#answer")
    name.fill("ledger-api.marathon.mesos")
    page.get_by_label("Type", exact=True).select_option("A")
    expect(answer.locator(".verdict")).to_contain_text("from zone mesos.")
    expect(answer.locator("tbody tr").first).to_contain_text(
        re.compile("A.*10\\.0\\.1\\.\\d+task ledger-api\\.")
    )
    page.reload()
    expect(answer.locator(".verdict")).to_contain_text("from zone mesos.")
    name.fill("nobody.marathon.mesos")
    name.press("Enter")
    expect(answer).to_have_text("Not there (NXDOMAIN) in zone mesos.")
    name.fill("example.org")
    name.press("Enter")
    expect(answer).to_have_text("In none of this node's zones: the answer is REFUSED.")
    page.get_by_label("Type", exact=True).select_option("ANY")
    vips(page).first.locator("button.opens").click()
    page.get_by_role("button", name="Resolve its name").click()
    expect(answer.locator("tbody tr").first).to_contain_text("VIP of ")


def test_it_is_as_dark_as_the_system_or_as_was_chosen(open_page: Open) -> None:
    page = open_page(color_scheme="dark")
    back = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(back) == "rgb(20, 23, 27)"
    page.get_by_role("button", name="Theme: auto").click()
    assert page.evaluate(back) == "rgb(255, 255, 255)"
    page.reload()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    assert page.evaluate(back) == "rgb(255, 255, 255)"


def test_a_browser_that_keeps_nothing_shows_it_too(open_page: Open) -> None:
    refused = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no') }})"
    page = open_page(script=refused)
    page.get_by_role("button", name="Theme: auto").click()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()


def test_everything_is_reached_by_keys(open_page: Open) -> None:
    page = open_page()
    keys = page.keyboard
    keys.press("Tab")
    expect(page.get_by_role("link", name="Skip to the virtual servers")).to_be_focused()
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    keys.press("Enter")
    keys.press("Tab")
    expect(page.get_by_role("searchbox")).to_be_focused()
    keys.press("Escape")
    keys.press("n")
    expect(page.locator("#range")).to_have_text("26 to 50 of 2,000")
    keys.press("p")
    expect(page.locator("#range")).to_have_text("1 to 25 of 2,000")
    keys.press("j")
    keys.press("j")
    second = vips(page).nth(1)
    expect(second.locator("button.opens")).to_be_focused()
    keys.press("Enter")
    expect(second.locator(".detail")).to_be_visible()
    keys.press("k")
    expect(vips(page).first.locator("button.opens")).to_be_focused()
    keys.press("r")
    expect(page.get_by_role("textbox", name="Name")).to_be_focused()
    keys.type("/?")
    expect(page.get_by_role("textbox", name="Name")).to_have_value("/?")
    keys.press("Escape")
    keys.press("e")
    expect(page.locator("#timeline")).to_be_focused()
    keys.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_the_keys_are_listed_and_can_be_turned_off(open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("?")
    box = page.get_by_role("dialog", name="Keys")
    documented = re.findall(r"^\| `(.)` \| (.+) \|$", DOCUMENT.read_text(), re.MULTILINE)
    expect(box.locator("#keys-list > div")).to_have_text([key + does for key, does in documented])
    box.get_by_role("checkbox").uncheck()
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    page.reload()
    page.keyboard.press("?")
    page.get_by_role("button", name="Keys").click()
    expect(box.get_by_role("checkbox")).not_to_be_checked()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 360])
def test_nothing_stands_in_the_way_of_people_who_see_or_hear_it_otherwise(
    open_page: Open, serving: Serving, width: int, scheme: str
) -> None:
    page = open_page("?name=ledger-api.marathon.mesos", width=width, color_scheme=scheme)
    name, _ = unhealthy(page, serving)
    serving.do(lambda: serving.served.happen("name", name, "", "11.0.0.1", "it is served"))
    page.get_by_role("searchbox").fill(name)
    expect(vips(page)).to_have_count(1)
    vips(page).first.locator("button.opens").click()
    expect(page.locator("#answer table").first).to_be_visible()
    expect(page.locator("#timeline li").first).to_be_visible()
    found = Axe().run(page).response
    assert found["violations"] == []
    assert "color-contrast" in {rule["id"] for rule in found["passes"]}
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    page.get_by_role("button", name="Keys").click()
    assert Axe().run(page).response["violations"] == []


def test_nothing_moves_for_those_who_asked_for_that(open_page: Open, serving: Serving) -> None:
    page = open_page()
    serving.do(lambda: serving.served.happen("node", "vm", "", "ready"))
    first = page.locator("#timeline li").first
    assert first.evaluate("node => getComputedStyle(node).animationName") == "none"
    page.emulate_media(reduced_motion="no-preference")
    assert first.evaluate("node => getComputedStyle(node).animationName") == "come"

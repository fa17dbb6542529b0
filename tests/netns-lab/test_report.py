import html.parser
import re
import xml.etree.ElementTree as ET
from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointlab.judge.judge import verdict
from pointlab.report.report import headline, report
from pointlab.report.simulated import Simulation
from pointlab.report.svg import GUTTER, WIDTH, Scale, packed
from pointlab.watch.recording import Load, Recording, Request

VOID = {"meta", "rect", "line", "br"}
ONE = Simulation(1, rate=20).recording("A <walk> & more")


class Reader(html.parser.HTMLParser):
    """Checks that all that begins ends, and keeps ids, classes, and words."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags = Counter[str]()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.kinds = Counter[str]()
        self.feed(document)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags[tag] += 1
        self.ids += filter(None, [named.get("id")])
        self.links += filter(None, [named.get("href"), named.get("src")])
        self.kinds.update((named.get("class") or "").split())
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def late(recording: Recording) -> Recording:
    """Return one with a request that failed at 7 s for no reason."""
    at = recording.began + 7
    bad = Request(at, at + 0.01, "", "Reset: <script>alert(1)</script>")
    load = recording.loads[0]
    loads = (msgspec.structs.replace(load, requests=(*load.requests, bad)), *recording.loads[1:])
    return msgspec.structs.replace(recording, title="With a problem", loads=loads)


def test_report_needs_nothing_beside_itself() -> None:
    document = report([ONE])
    found = Reader(document)
    assert not found.links
    assert not re.search(r"https?:|<script|@import", document)
    assert "A &lt;walk&gt; &amp; more" in document
    assert "<walk>" not in document


def test_report_says_first_how_it_went() -> None:
    assert "All as it should be. Of" in report([ONE])
    document = report([late(ONE)])
    assert "1 failed without excuse; 1 problem in all." in document
    assert "alert(1)" in document
    assert "<script" not in document
    assert Reader(document).kinds["late-requests"] == 2  # one in the legend


def test_headlines() -> None:
    calm = Simulation(1, seconds=5, rate=20).recording()
    found = verdict(calm)
    assert re.fullmatch(r"All as it should be: none of \d+ requests failed\.", headline(found))
    other = msgspec.structs.replace(found, problems=("one",))
    assert headline(other).endswith("but there is a problem.")
    other = msgspec.structs.replace(found, problems=("one", "two"))
    assert headline(other).endswith("but there is more: 2 problems.")


def test_several_scenarios_begin_with_a_table_of_links() -> None:
    found = Reader(report([ONE, late(ONE)]))
    assert found.links == ["#scenario-1", "#scenario-2"]
    assert {"scenario-1", "scenario-2"} <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))
    assert (found.tags["h1"], found.tags["h2"]) == (1, 2)


def test_chart_is_named_and_described_for_those_who_do_not_see_it() -> None:
    document = report([ONE])
    chart = next(s for s in re.findall(r"<svg.*?</svg>", document, re.DOTALL) if 'role="img"' in s)
    parsed = ET.fromstring(chart)
    title, described = parsed[0], parsed[1]
    assert parsed.attrib["aria-labelledby"] == f"{title.attrib['id']} {described.attrib['id']}"
    assert title.text == ONE.title
    assert "5 nodes" in str(described.text)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.floats(1, 120), st.integers(3, 6))
def test_any_recording_can_be_reported(seed: int, seconds: float, agents: int) -> None:
    Reader(report([Simulation(seed, seconds=seconds, agents=agents, rate=3).recording()]))


def test_nothing_seen_can_be_reported() -> None:
    bare = msgspec.structs.replace(ONE, tasks=(), faults=(), notes=(), loads=(), views=())
    Reader(report([bare]))
    empty = msgspec.structs.replace(bare, loads=(Load("web from client", "master", ()),))
    Reader(report([empty]))


def test_long_walk_is_less_than_2_megabytes() -> None:
    walk = Simulation(1, seconds=1800, rate=28).recording()
    assert sum(len(load.requests) for load in walk.loads) > 95_000
    assert len(report([walk])) < 2_000_000


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "0.1 s"), (60, "5 s"), (90, "10 s"), (1800, "5 min"), (7200, "10 min")],
)
def test_ticks_are_of_round_times(seconds: float, words: str) -> None:
    ticks = Scale(100, 100 + seconds).ticks()
    assert ticks[0] == (GUTTER, "0 s")
    assert ticks[1][1] == words
    assert 5 < len(ticks) <= 14
    assert all(x <= GUTTER + WIDTH + 0.1 for x, _ in ticks)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20))))
def test_packed_items_of_a_row_do_not_meet(drawn: list[tuple[int, int]]) -> None:
    items = sorted((since, since + lasts, n) for n, (since, lasts) in enumerate(drawn))
    rows: dict[int, float] = {}
    where = {n: (since, until) for since, until, n in items}
    for row, n in packed([(float(a), float(b), n) for a, b, n in items]):
        since, until = where.pop(n)
        assert rows.get(row, 0) <= since
        rows[row] = until
    assert not where

"""What is told is told once, over all configurations."""

import pytest

from pointsman.dns.records import NameRules
from pointsman.events import Happening, Ring
from pointsman.pipeline import NOTHING, Rules, Views, derive
from pointsman.telling import Telling
from pointsman.testing import cluster, task
from pointsman.vip.parts import Report


def views(*ids: str) -> Views:
    return derive(cluster(*(task(one) for one in ids)), Rules(NameRules()))


def follow(telling: Telling, before: Views, after: Views) -> None:
    telling.cluster(after, telling.differences(before, after, None))


def lines(telling: Telling) -> list[str]:
    page = telling.ring.page(None, 100)
    return [str(Happening(e.kind, e.what, e.before, e.after, e.why)) for e in page.events]


def test_each_event_is_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    telling = Telling(Ring())
    follow(telling, NOTHING, views("web.1"))
    assert [r.getMessage() for r in caplog.records] == lines(telling)
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("DEBUG", "web.1: none -> TASK_RUNNING"),
        ("INFO", "master: none -> 10.0.0.1:5050; the masters elected it"),
    ]


def test_a_reload_that_derives_all_anew_tells_only_what_differs() -> None:
    telling = Telling(Ring())
    follow(telling, NOTHING, views("web.1"))
    follow(telling, NOTHING, views("web.1", "web.2"))
    assert lines(telling)[2:] == ["web.2: none -> TASK_RUNNING"]


def test_names_that_a_reload_publishes_again_or_no_more() -> None:
    telling = Telling(Ring())
    telling.names({}, {"a.x": ("11.0.0.1",), "b.x": ("11.0.0.2",)})
    telling.names({}, {"a.x": ("11.0.0.1",)})
    telling.only({"a.x": ("11.0.0.1",)})
    assert [line.partition(";")[0] for line in lines(telling)] == [
        "a.x: none -> 11.0.0.1",
        "b.x: none -> 11.0.0.2",
        "b.x: 11.0.0.2 -> none",
    ]
    telling.names({"a.x": ("11.0.0.1",)}, {"a.x": ()})
    telling.names({}, {"a.x": ("11.0.0.1",)})
    assert [line.partition(";")[0] for line in lines(telling)[3:]] == [
        "a.x: 11.0.0.1 -> none",
        "a.x: none -> 11.0.0.1",
    ]


def test_repairs_and_complaints_are_warnings(caplog: pytest.LogCaptureFixture) -> None:
    telling = Telling(Ring())
    telling.kernel(Report(repaired=2), views(), {}, dry=False, renewed=False)
    telling.kernel(Report(repaired=2), views(), {}, dry=True, renewed=False)
    telling.complaints(frozenset({"no iptables"}))
    telling.complaints(frozenset({"no iptables"}))
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
        "the kernel: none -> 2 things set right; somebody else had changed them",
        "surroundings: no iptables; VIPs go on without it",
    ]
    telling.complaints(frozenset())
    assert lines(telling)[-1] == "surroundings: no iptables -> none; it is there now"


def test_a_reload_is_told_with_what_was_wrong(caplog: pytest.LogCaptureFixture) -> None:
    telling = Telling(Ring())
    telling.reloaded("p.toml", ())
    telling.reloaded("p.toml", ("http.listen: is taken",))
    assert lines(telling) == ["p.toml: reloaded", "p.toml: reload refused; http.listen: is taken"]
    assert [r.levelname for r in caplog.records] == ["ERROR"]

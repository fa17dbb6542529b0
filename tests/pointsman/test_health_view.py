from immutables import Map

from pointsman.dns.records import NameRules
from pointsman.health_view import COLUMNS, rows, text, why
from pointsman.healthcheck.asking import CheckRules
from pointsman.healthcheck.model import (
    Check,
    Health,
    Outcome,
    Result,
    Standing,
    Status,
    Target,
    Tcp,
    Timing,
)
from pointsman.healthcheck.state import begin, step
from pointsman.healthcheck.verdict import Verdict
from pointsman.pipeline import Rules, derive
from pointsman.testing import cluster, discovery, port, task
from pointsman.vip.checks import Checks

RULES = Rules(NameRules(), checks=Checks(CheckRules(tcp=True)))
TARGET = Target("10.0.0.11", 31000, Check(Tcp()))
SICK = Status(Standing.SICK, 100, "HTTP 503, expected 200-399")
VIEWS = derive(
    cluster(*(
        task(f"web.{n}", discovery=discovery("web", port(31000 - n // 3, VIP_0="/web:80")))
        for n in (2, 1, 3)
    )),
    RULES,
)  # fmt: skip


def test_each_target_is_told_with_whom_it_is_probed_for() -> None:
    other, found = rows(VIEWS, {TARGET: SICK}, {}, 112.34)
    assert other["port"] == 30999
    assert found == {
        "target": "tcp 10.0.0.11:31000",
        "address": "10.0.0.11",
        "port": 31000,
        "check": "tcp",
        "via": None,
        "interval": 5.0,
        "state": "sick",
        "since": 12.3,
        "reason": "HTTP 503, expected 200-399",
        "last": None,
        "good": 0,
        "bad": 0,
        "falls": 0.0,
        "held": 0.0,
        "tasks": ["web.1", "web.2"],
    }


def test_what_its_last_probes_found_is_told_and_how_long_it_is_held() -> None:
    state = begin(100, Status(Standing.UP))
    timing = Timing(rise=1, fall=1)
    for at, outcome in enumerate((Outcome.BAD, Outcome.GOOD, Outcome.BAD, Outcome.GOOD), 100):
        state = step(state, Result(outcome, "x"), timing, 60, at)
    _, found = rows(VIEWS, {TARGET: state.status}, {TARGET: state}, 110)
    assert found["last"] == {"outcome": "good", "reason": "x"}
    assert (found["good"], found["bad"], found["falls"]) == (1, 0, 2.0)
    assert found["state"] == "sick"
    assert 45 < found["held"] < 60
    assert rows(VIEWS, {}, {TARGET: state}, 999)[1]["held"] == 0


def test_one_that_is_not_followed_yet_has_no_state() -> None:
    _, found = rows(VIEWS, {}, {}, 100)
    assert (found["state"], found["since"], found["reason"]) == (None, None, "")


def test_people_are_shown_the_columns_that_fit() -> None:
    assert [tuple(row) for row in text(rows(VIEWS, {}, {}, 100))] == [COLUMNS, COLUMNS]


def test_why_a_real_server_is_not_live_is_said_in_words() -> None:
    assert why(Verdict.UNHEALTHY, SICK, 112.4) == "unhealthy 12 s: HTTP 503, expected 200-399"
    assert why(Verdict.LOST, SICK, 99) == "lost 0 s: HTTP 503, expected 200-399"
    assert why(Verdict.UNHEALTHY, None, 112) == ""
    assert why(Verdict.UNHEALTHY, Status(Standing.UP, 100, ""), 112) == ""
    assert why(Verdict.STARTING, Status(), 112) == ""


def test_views_from_nothing_have_no_rows() -> None:
    nothing = derive(cluster(), RULES, health=Health(Map({TARGET: SICK})))
    assert rows(nothing, {}, {}, 0) == []

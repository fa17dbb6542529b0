from typing import Any

import pytest

from pointsman.discovery.model import HealthCheck, Task
from pointsman.healthcheck.asking import CheckRules, Choice, Rule, choose, repeated
from pointsman.healthcheck.model import Check, Exec, Http, Target, Tcp, Timing, Tls
from pointsman.testing import labels, task

TIMING = Timing()
ALL = CheckRules(mesos=True, tcp=True)
NOTHING = CheckRules()
BY_MESOS = HealthCheck("HTTP", 8080, "/mesos")


def chosen(
    one: Task, said: str = "", rules: CheckRules = NOTHING, *, balanced: bool = True
) -> Choice:
    return choose(one, said, rules, balanced=balanced)


def path(choice: Choice) -> str | None:
    """Return the path that is asked for, by which these tests tell checks from each other."""
    if choice.check is None:
        return None
    assert isinstance(choice.check.probe, Http)
    return choice.check.probe.path


def test_nothing_is_checked_that_was_not_asked_for() -> None:
    assert chosen(task(health_check=BY_MESOS)) == Choice()


def test_of_what_is_said_that_counts_which_is_closest_to_the_port() -> None:
    rules = CheckRules(rules=(Rule("http /rule"),), mesos=True, tcp=True)
    labelled = task(labels=labels(HEALTHCHECK="http /task"), health_check=BY_MESOS)
    plain = task(health_check=BY_MESOS)
    assert path(chosen(labelled, "http /vip", rules)) == "/vip"
    assert path(chosen(labelled, "", rules)) == "/task"
    assert path(chosen(plain, "", rules)) == "/rule"
    assert path(chosen(plain, "", ALL)) == "/mesos"
    assert chosen(task(), "", ALL).check == Check(Tcp())
    assert chosen(task(), "", ALL, balanced=False).check is None


def test_what_makes_no_sense_is_told_and_the_next_counts() -> None:
    one = task(labels=labels(healthcheck="http health", HEALTHCHECK="http /task"))
    found = chosen(one, "ping", ALL)
    assert path(found) == "/task"
    assert [problem.partition(":")[0] for problem in found.problems] == [
        "label",
        "label healthcheck",
    ]
    found = chosen(task(), "exec rm", CheckRules(rules=(Rule("exec rm"),), tcp=True))
    assert found.check == Check(Tcp())
    assert found.problems[1].startswith("health.checks[0]: command 'rm' is not in health.commands")


def test_none_ends_the_search() -> None:
    assert chosen(task(health_check=BY_MESOS), "none", ALL) == Choice()
    found = chosen(task(labels=labels(HEALTHCHECK="NONE")), "ping", ALL)
    assert (found.check, len(found.problems)) == (None, 1)


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        (Rule("tcp"), True),
        (Rule("tcp", framework="marathon"), True),
        (Rule("tcp", framework="MARATHON"), False),
        (Rule("tcp", name="web*", framework="mara?hon"), True),
        (Rule("tcp", name="web"), False),
    ],
)
def test_a_rule_is_for_those_whose_names_fit(rule: Rule, fits: bool) -> None:
    assert rule.fits(task(name="web-1")) is fits


def test_the_first_rule_that_fits_counts_alone() -> None:
    rules = (Rule("http /db", name="db"), Rule("ping", name="w*"), Rule("http /any"))
    found = chosen(task(name="web"), "", CheckRules(rules=rules))
    assert (found.check, len(found.problems)) == (None, 1)
    assert path(chosen(task(name="x"), "", CheckRules(rules=rules))) == "/any"


def test_commands_are_those_of_the_configuration() -> None:
    rules = CheckRules(commands=(("db", ("/bin/check", "{port}")),))
    assert chosen(task(), "exec db", rules).check == Check(Exec("db", ("/bin/check", "{port}")))


def test_a_label_may_ask_for_what_mesos_checks() -> None:
    found = chosen(task(health_check=BY_MESOS), "mesos")
    assert (path(found), found.port) == ("/mesos", 8080)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (None, "label: Mesos checks nothing of it"),
        (HealthCheck("COMMAND"), "label: Mesos's check is a COMMAND, which can't be repeated"),
        (HealthCheck(), "label: Mesos's check is a command, which can't be repeated"),
    ],
)
def test_what_mesos_checks_and_nobody_else_can_is_told_to_who_asked_for_it(
    asked: HealthCheck | None, why: str
) -> None:
    assert chosen(task(health_check=asked), "mesos", ALL) == Choice(Check(Tcp()), (why,))
    assert chosen(task(health_check=asked), "", ALL) == Choice(Check(Tcp()))


def test_what_mesos_asks_is_asked_as_it_does() -> None:
    plain = repeated(HealthCheck("HTTP"), TIMING)
    assert plain == Check(Http("/"), TIMING)
    secure = repeated(HealthCheck("HTTP", 443, "/up", "https"), TIMING)
    assert secure == Check(Http("/up", tls=Tls(verify=False)), TIMING)
    assert repeated(HealthCheck("TCP", 80), TIMING) == Check(Tcp(), TIMING)


def test_its_times_are_those_of_the_task() -> None:
    asked = HealthCheck("TCP", 80, delay=15, grace=300, interval=10, timeout=20, failures=5)
    found = repeated(asked, TIMING)
    assert found
    assert found.timing == Timing(interval=10, timeout=20, edge=1, rise=2, fall=5, grace=315)
    short = repeated(HealthCheck("TCP", 80, interval=0.001, grace=1), TIMING)
    assert short
    assert (short.timing.interval, short.timing.grace) == (0.1, 10)


@pytest.mark.parametrize(
    "asked", [HealthCheck("HTTP", 80, "/a\r\nb: c"), HealthCheck("HTTP", 80, "x"),
              HealthCheck("TCP", 70_000)]
)  # fmt: skip
def test_what_could_not_be_asked_is_not(asked: HealthCheck) -> None:
    assert repeated(asked, TIMING) is None


def target(number: int, **more: Any) -> Target:
    return Target(f"10.0.{number // 250}.{number % 250}", 80, Check(Tcp()))


def test_a_node_probes_all_that_is_on_it_and_its_share_of_the_rest() -> None:
    some, none = CheckRules(share=20, node="10.0.0.1"), CheckRules(share=0, node="10.0.0.1")
    mine = {n for n in range(5000) if some.here(target(n), own=False)}
    assert 900 < len(mine) < 1100
    assert all(some.here(target(n), own=True) for n in range(100))
    assert none.here(target(1), own=True)
    assert not any(none.here(target(n), own=False) for n in range(100))
    assert all(ALL.here(target(n), own=False) for n in range(100))
    other = CheckRules(share=20, node="10.0.0.2")
    both = {n for n in mine if other.here(target(n), own=False)}
    assert 100 < len(both) < 300  # each for itself

"""What happened, and why, in words."""

import errno
from typing import Any

import pytest
from immutables import Map

from pointsman import reasons
from pointsman.discovery.model import Agent, Cluster, Master, Task, difference
from pointsman.dns.records import NameRules
from pointsman.healthcheck.asking import CheckRules
from pointsman.healthcheck.model import Health, Standing, Status, Target, Timing
from pointsman.pipeline import NOTHING, Rules, Views, VipRules, derive
from pointsman.testing import cluster, discovery, port, task
from pointsman.vip import policy
from pointsman.vip.addresses import Range
from pointsman.vip.checks import Checks
from pointsman.vip.diff import diff
from pointsman.vip.model import AddReal, Failure, Settings, Table, VirtualServer
from pointsman.vip.parts import Report
from pointsman.vip.policy import Defaults

RANGES = (Range("11.0.0.0", "11.255.255.255"),)
VIP = "tcp 11.225.36.193:80"
OTHER = Agent("S2", "10.0.0.12", 5051)
ONE, TWO = f"{VIP} -> 10.0.0.11:31000", f"{VIP} -> 10.0.0.12:31000"


def web(id_: str = "web.1", **changes: Any) -> Task:
    return task(id_, discovery=discovery("web", port(31000, VIP_0="/web:80")), **changes)


def balanced(scheduler: str) -> Defaults:
    return policy.apply(Defaults(), policy.read("scheduler", scheduler))


def views(*tasks: Task, health: Health | None = None, defaults: Defaults | None = None) -> Views:
    checks = Checks(CheckRules(Timing(), tcp=health is not None))
    rules = Rules(
        NameRules(), VipRules(ranges=RANGES, defaults=defaults or Defaults()), None, checks
    )
    return derive(cluster(*tasks), rules, health=health or Health())


def table(of: Views) -> Table:
    return {key: target.server for key, target in of.wanted.targets.items()}


def told(before: Views, after: Views, **further: Any) -> list[str]:
    report = Report(diff(table(before), table(after), lambda _: True))
    return [str(one) for one in reasons.kernel(report, before, after, {}, **further)]


def of_tasks(before: Cluster, after: Cluster) -> list[str]:
    return [str(one) for one in reasons.tasks(before, after, difference(before, after))]


def test_tasks_come_change_and_go() -> None:
    none, staging, running = cluster(), cluster(task(state="TASK_STAGING")), cluster(task())
    ill = cluster(task(healthy=False))
    assert of_tasks(none, staging) == ["web.1: none -> TASK_STAGING"]
    assert of_tasks(staging, running) == ["web.1: TASK_STAGING -> TASK_RUNNING"]
    assert of_tasks(running, ill) == ["web.1: TASK_RUNNING -> TASK_RUNNING, unhealthy"]
    assert of_tasks(ill, none) == [
        "web.1: TASK_RUNNING, unhealthy -> none; its master no longer has it"
    ]
    assert of_tasks(running, cluster(task(labels=(("A", "B"),)))) == []


def test_of_many_at_once_some_are_told_and_the_number_of_the_others() -> None:
    many = cluster(*(task(f"job.{n:05}") for n in range(10_000)))
    found = of_tasks(cluster(), many)
    assert found[0] == "job.00000: none -> TASK_RUNNING"
    assert found[reasons.MOST :] == ["and 9980 changes more"]


def test_a_leader_that_changes() -> None:
    led, other = cluster(), cluster(leader=Master("10.0.0.2", 5050))
    assert [str(one) for one in reasons.leader(led, other)] == [
        "master: 10.0.0.1:5050 -> 10.0.0.2:5050; the masters elected it"
    ]
    (gone,) = reasons.leader(led, cluster(leader=None))
    assert str(gone) == "master: 10.0.0.1:5050 -> none; no master leads"
    assert list(reasons.leader(led, led)) == []


def test_the_kernel_follows_tasks_that_start_and_end() -> None:
    none, one, two = views(), views(web()), views(web(), web("web.2", agent=OTHER))
    assert told(NOTHING, one) == [
        f"{VIP}: none -> wlc; for web.1",
        f"{ONE}: none -> weight 1; task web.1 started, live",
    ]
    assert told(one, two) == [f"{TWO}: none -> weight 1; task web.2 started, live"]
    assert told(two, one) == [f"{TWO}: weight 1 -> none; task web.2 ended"]
    assert told(one, none) == [
        f"{VIP}: wlc, 1 real servers -> none; nothing stands behind it since task web.1 ended"
    ]


def test_a_task_that_is_being_killed_drains() -> None:
    live = views(web(), web("web.2", agent=OTHER))
    ending = views(web(), web("web.2", agent=OTHER, state="TASK_KILLING"))
    assert told(live, ending) == [f"{TWO}: weight 1 -> weight 0; task web.2: live -> killing"]
    ((key, standing),) = table(ending).items()
    over = VirtualServer(real_servers={e: r for e, r in standing.real_servers.items() if r.weight})
    report = Report(diff({key: standing}, {key: over}, lambda _: True))
    (found,) = reasons.kernel(report, ending, ending, {})
    assert str(found) == f"{TWO}: weight 0 -> none; drain over: task web.2 is killing"


def test_a_check_that_fails_gives_its_reason() -> None:
    up = views(web(), web("web.2", agent=OTHER), health=Health(trusting=True))
    (bad,) = (t for t in up.watched if t.address == "10.0.0.12")
    statuses = {bad: Status(Standing.SICK, 5.0, "HTTP 503, expected 200-399")}
    sick = views(web(), web("web.2", agent=OTHER), health=Health(Map(statuses), trusting=True))
    report = Report(diff(table(up), table(sick), lambda _: True))
    assert [str(one) for one in reasons.kernel(report, up, sick, statuses)] == [
        f"{TWO}: weight 1 -> weight 0; task web.2: live -> unhealthy: HTTP 503, expected 200-399"
    ]


def test_a_repair_a_dry_run_and_a_configuration_are_told_as_such() -> None:
    one = views(web())
    (key,) = table(one)
    report = Report(diff({}, table(one), lambda _: True), foreign=frozenset({key}))
    first, _ = reasons.kernel(report, one, one, {})
    assert first.why == "repair: somebody else had changed it"
    line, _ = told(NOTHING, one, dry=True)
    assert line == f"{VIP}: none -> wlc; dry run, nothing is changed: for web.1"
    other = views(web(), defaults=balanced("rr"))
    assert told(one, other, renewed=True) == [f"{VIP}: wlc -> rr; the configuration, for web.1"]


def test_under_mh_what_is_added_again_is_so_for_its_place() -> None:
    one, two = (
        views(*some, defaults=balanced("mh"))
        for some in ([web("web.2", agent=OTHER)], [web(), web("web.2", agent=OTHER)])
    )
    assert told(one, two) == [
        f"{ONE}: none -> weight 1; task web.1 started, live",
        f"{TWO}: weight 1 -> none; for its place in the order",
        f"{TWO}: none -> weight 1; for its place in the order",
    ]


def test_what_the_kernel_refused_is_told_once_and_not_as_done() -> None:
    one = views(web())
    changes = diff({}, table(one), lambda _: True)
    assert isinstance(changes[1], AddReal)
    report = Report(changes, (Failure(changes[1], errno.EPERM),))
    assert [str(e) for e in reasons.kernel(report, NOTHING, one, {})] == [
        f"{VIP}: none -> wlc; for web.1"
    ]
    (refused,) = reasons.refusals(report, frozenset())
    assert (refused.before, refused.after) == ("", "")
    assert refused.why == f"the kernel refused to add {ONE} weight 1: EPERM, no right to"
    assert list(reasons.refusals(report, frozenset(report.failures))) == []


def test_names_are_published_and_withdrawn_with_those_they_are_for() -> None:
    one = views(web())
    (new,) = reasons.names({}, {"web.marathon": ("11.225.36.193",)}, one)
    assert str(new) == "web.marathon: none -> 11.225.36.193; the kernel serves it for web.1"
    (gone,) = reasons.names({"web.marathon": ("11.225.36.193",)}, {}, views())
    assert str(gone) == "web.marathon: 11.225.36.193 -> none; no task has it"


def test_what_became_of_a_target_has_its_reason_and_whom_it_is_for() -> None:
    up = views(web(), health=Health(trusting=True))
    (target,) = up.watched
    assert isinstance(target, Target)
    judged = {target: (Status(Standing.UP, 5.0), Status(Standing.LOST, 68.0, "refused"))}
    (found,) = reasons.health(judged, up.watched)
    assert str(found) == "tcp 10.0.0.11:31000: up -> lost; refused; after 63 s; for web.1"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings("mh", 16), "mh, flags 16"),
        (Settings("wlc", 1, 300), "wlc, flags 1, persistent 300 s"),
    ],
)
def test_settings_are_told_in_words(settings: Settings, words: str) -> None:
    one = views(web())
    (key,) = table(one)
    changes = diff({}, {key: VirtualServer(settings)}, lambda _: True)
    (found,) = reasons.kernel(Report(changes), one, one, {})
    assert found.after == words

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from immutables import Map

from pointsman.discovery.model import (
    Agent,
    Change,
    Cluster,
    HealthCheck,
    Note,
    Task,
    difference,
)
from pointsman.dns.dcos import DcosRules
from pointsman.dns.records import NameRules
from pointsman.dns.reverse import Reverse
from pointsman.dns.zone import Soa, Zone
from pointsman.healthcheck.asking import CheckRules
from pointsman.healthcheck.model import Check, Health, Standing, Status, Target, Tcp
from pointsman.healthcheck.verdict import Verdict
from pointsman.pipeline import Rules, VipRules, derive
from pointsman.testing import cluster, discovery, labels, port, task
from pointsman.vip.addresses import Range
from pointsman.vip.checks import Checks

RULES = Rules(NameRules(), VipRules(ranges=(Range("11.0.0.0", "11.255.255.255"),)))
OTHER = Agent("S2", "10.0.0.12", 5051)


def web(id_: str, vip: str = "/web:80", **changes: Any) -> Task:
    return task(id_, discovery=discovery("web", port(31000, VIP_0=vip)), **changes)


def test_a_change_of_one_task_touches_its_records_alone() -> None:
    one, two = web("web.1"), task("job.1")
    before = derive(cluster(one, two), RULES)
    after = derive(cluster(one, task("job.1", state="TASK_KILLED")), RULES, before)
    assert after.added == ()
    assert {r.name.split(".")[0].split("-")[0].lstrip("_") for r in after.removed} == {"job"}
    assert after.derived[one.key] is before.derived[one.key]
    assert after.wanted.targets == before.wanted.targets
    assert not after.wanted.changed


def test_no_change_gives_the_same_views() -> None:
    before = derive(cluster(web("web.1")), RULES)
    again = derive(cluster(web("web.1")), RULES, before)
    assert (again.removed, again.added) == ((), ())
    assert again.wanted.targets == before.wanted.targets
    assert not again.wanted.changed


def test_what_is_left_out_is_noted() -> None:
    views = derive(cluster(web("web.1", vip="nonsense"), task("é")), RULES)
    assert [note.where for note in views.notes] == ["task web.1 of marathon", "task é of marathon"]
    noted = Note("agent S9", "no address")
    assert noted in derive(cluster(notes=(noted,)), RULES).notes


def test_without_balancing_there_are_names_and_no_virtual_servers() -> None:
    views = derive(cluster(web("web.1")), Rules(NameRules(), VipRules(enabled=False)))
    assert views.wanted.table == {}
    assert views.added


tasks = st.builds(
    web,
    st.sampled_from(["web.1", "web.2", "job.1"]),
    st.sampled_from(["/web:80", "/api:80", "10.1.1.1:80", "bad"]),
    state=st.sampled_from(["TASK_RUNNING", "TASK_KILLING", "TASK_FAILED"]),
    healthy=st.sampled_from([None, True, False]),
    addresses=st.sampled_from([("10.0.0.11",), ("9.0.0.5", "fd00::5")]),
    labels=st.sampled_from(
        [(), labels(DNS_NAMES="api", DNS_TTL="5"), labels(DNS_NAMES="web.marathon")]
    ),
)
clusters = st.builds(
    lambda found, agents: cluster(*found, agents=agents),
    st.lists(tasks, max_size=3),
    st.sampled_from([(OTHER,), (OTHER, Agent("S3", "10.0.0.13", 5051)), ()]),
)


ALL = Rules(RULES.names, RULES.vips, dcos=DcosRules(), reverse=Reverse(("9.0.0.0/8",)))


@given(st.lists(clusters, min_size=1, max_size=6), st.sampled_from([RULES, ALL]))
def test_views_kept_up_to_date_equal_views_from_nothing(steps: list[Cluster], rules: Rules) -> None:
    views = derive(Cluster(), rules)
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60)
    for step in steps:
        views = derive(step, rules, views)
        zone.update(views.removed, views.added)
    fresh = derive(steps[-1], rules)
    assert views.derived == fresh.derived
    assert (views.wanted.table, views.wanted.names) == (fresh.wanted.table, fresh.wanted.names)
    assert views.notes == fresh.notes
    from_nothing = Zone("mesos.", zone.soa, 60)
    from_nothing.update((), fresh.added)
    assert [r for r in zone.rrsets() if r.type != "SOA"] == [
        r for r in from_nothing.rrsets() if r.type != "SOA"
    ]


def test_dcos_oss_4963_a_vip_goes_with_its_agent_and_with_its_framework() -> None:
    whole = cluster(web("web.1"))
    before = derive(whole, RULES)
    assert before.wanted.targets
    for gone in (cluster(web("web.1"), agents=()), cluster(web("web.1"), frameworks=Map())):
        after = derive(gone, RULES, before)
        assert not after.wanted.targets
        assert not after.wanted.names


CHECKS = Rules(
    RULES.names, RULES.vips, DcosRules(), Checks(CheckRules(tcp=True)), Reverse(("9.0.0.0/8",))
)
FIRST = Target("10.0.0.11", 31000, Check(Tcp()))
SECOND = Target("10.0.0.11", 31001, Check(Tcp()))


def two_ports(**changes: Any) -> Task:
    listed = (port(31000, VIP_0="/web:80"), port(31001, VIP_0="/admin:80"))
    return task("web.1", discovery=discovery("web", *listed), **changes)


def believed(**standings: Standing) -> Health:
    targets = {"first": FIRST, "second": SECOND}
    return Health(Map({targets[name]: Status(s, 5.0) for name, s in standings.items()}))


def test_targets_are_those_of_real_servers_and_are_probed_once_for_all() -> None:
    views = derive(cluster(web("web.1"), web("web.2"), two_ports()), CHECKS)
    assert dict(views.watched) == {
        FIRST: frozenset({("F1", "web.1"), ("F1", "web.2")}),
        SECOND: frozenset({("F1", "web.1")}),
    }
    assert (views.new, views.unwatched) == (frozenset({FIRST, SECOND}), frozenset())


def test_what_nobody_asks_for_any_more_is_no_longer_watched() -> None:
    both = derive(cluster(web("web.1"), two_ports(id="web.2")), CHECKS)
    one = derive(cluster(web("web.1")), CHECKS, both)
    assert (one.new, one.unwatched) == (frozenset(), frozenset({SECOND}))
    assert dict(one.watched) == {FIRST: frozenset({("F1", "web.1")})}
    none = derive(cluster(), CHECKS, one)
    assert (dict(none.watched), none.unwatched) == ({}, frozenset({FIRST}))


def test_who_takes_over_a_port_takes_over_its_target() -> None:
    before = derive(cluster(web("web.1")), CHECKS)
    after = derive(cluster(web("web.2")), CHECKS, before)
    assert (after.new, after.unwatched) == (frozenset(), frozenset())
    assert dict(after.watched) == {FIRST: frozenset({("F1", "web.2")})}


@pytest.mark.parametrize("state", ["TASK_KILLING", "TASK_STAGING"])
def test_only_what_runs_is_probed(state: str) -> None:
    before = derive(cluster(web("web.1")), CHECKS)
    after = derive(cluster(web("web.1", state=state)), CHECKS, before)
    assert (dict(after.watched), after.unwatched) == ({}, frozenset({FIRST}))


def test_a_task_without_vips_is_probed_for_its_name() -> None:
    of = task("job.1", ports=(31000,), labels=labels(HEALTHCHECK="tcp"))
    for rules in (CHECKS, Rules(RULES.names, VipRules(enabled=False))):
        assert set(derive(cluster(of), rules).watched) == {FIRST}
    lost = derive(cluster(of), CHECKS, health=believed(first=Standing.LOST))
    named = [r for r in lost.added if r.name == "job.marathon.mesos."]
    assert [r.preferred for r in named] == [False]


def test_a_check_that_makes_no_sense_is_noted() -> None:
    bad = labels(HEALTHCHECK="ping")
    views = derive(cluster(task("job.1", labels=bad), web("web.1", labels=bad)), RULES)
    assert len(views.notes) == 2
    assert all("label HEALTHCHECK: 'ping' is no check" in note.why for note in views.notes)


def test_a_sick_port_leaves_the_other_vip_alone_and_makes_the_name_come_last() -> None:
    health = believed(first=Standing.UP, second=Standing.SICK)
    views = derive(cluster(two_ports()), CHECKS, health=health)
    (key,) = (k for k in views.wanted.targets if views.wanted.behind(k)[0].target == FIRST)
    (behind,) = views.wanted.behind(key)
    assert behind.verdict is Verdict.LIVE
    named = [r for r in views.added if r.name == "web.marathon.mesos."]
    assert [r.preferred for r in named] == [False]


def test_what_is_believed_changes_the_tasks_that_it_is_about() -> None:
    whole = cluster(web("web.1"), web("web.2", "/api:80"), task("job.1"))
    before = derive(whole, CHECKS, health=believed(first=Standing.UP))
    change = Change(tasks=before.watched[FIRST])
    after = derive(whole, CHECKS, before, change, health=believed(first=Standing.LOST))
    judged = {one.verdict for key in after.wanted.targets for one in after.wanted.behind(key)}
    assert judged == {Verdict.LOST}
    assert len(after.wanted.changed) == 2
    assert after.derived[task("job.1").key] is before.derived[task("job.1").key]


checked = st.builds(
    lambda id_, vips, **changes: task(
        id_,
        discovery=discovery("x", *(port(n, **({"VIP_0": v} if v else {})) for n, v in vips)),
        **changes,
    ),
    st.sampled_from(["web.1", "web.2", "job.1"]),
    st.lists(
        st.tuples(
            st.sampled_from([31000, 31001]), st.sampled_from(["/web:80", "/api:80", "bad", ""])
        ),
        max_size=2,
    ),
    state=st.sampled_from(["TASK_RUNNING", "TASK_RUNNING", "TASK_KILLING", "TASK_STAGING"]),
    healthy=st.sampled_from([None, True, False]),
    health_check=st.sampled_from([None, HealthCheck("HTTP", 31001, "/up"), HealthCheck("COMMAND")]),
    labels=st.sampled_from([
        (), labels(HEALTHCHECK="tcp port=31001"), labels(HEALTHCHECK="mesos"),
        labels(HEALTHCHECK="none"),
    ]),
)  # fmt: skip
standings = st.dictionaries(st.sampled_from(["first", "second"]), st.sampled_from(list(Standing)))


@given(st.lists(st.tuples(st.lists(checked, max_size=3), standings), min_size=1, max_size=5))
def test_what_is_watched_step_by_step_is_what_would_be_from_nothing(
    steps: list[tuple[list[Task], dict[str, Standing]]],
) -> None:
    views, health = derive(Cluster(), CHECKS), Health()
    probed = set[Target]()
    for tasks_, said in steps:
        whole, before = cluster(*tasks_), health
        health = believed(**said)
        others = {
            key
            for target, keys in views.watched.items()
            if health.of(target) != before.of(target)
            for key in keys
        }
        change = difference(views.cluster, whole) | Change(tasks=frozenset(others))
        views = derive(whole, CHECKS, views, change, health=health)
        assert not views.unwatched - probed
        assert not views.new & probed
        probed = probed - views.unwatched | views.new
        assert probed == set(views.watched)
    fresh = derive(views.cluster, CHECKS, health=health)
    assert views.derived == fresh.derived
    assert views.watched == fresh.watched
    assert views.notes == fresh.notes
    assert set(views.wanted.members) == set(fresh.wanted.members)
    for key in {*views.wanted.targets, *fresh.wanted.targets}:
        assert set(views.wanted.behind(key)) == set(fresh.wanted.behind(key))
    for key, target in fresh.wanted.targets.items():
        if not views.wanted.targets[key].open:  # which ends later than it would not have begun
            assert views.wanted.targets[key] == target

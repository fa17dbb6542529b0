from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from immutables import Map

from pointsman.discovery.model import Agent, Cluster, Note, Task
from pointsman.dns.dcos import DcosRules
from pointsman.dns.records import NameRules
from pointsman.dns.reverse import Reverse
from pointsman.dns.zone import Soa, Zone
from pointsman.pipeline import Rules, VipRules, derive
from pointsman.testing import cluster, discovery, labels, port, task
from pointsman.vip.addresses import Range

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

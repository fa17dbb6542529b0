"""What `pointsman check` learns of real masters and a real ZooKeeper."""

import asyncio

from pointlab.site import mesos
from pointlab.site.cluster import Cluster
from pointlab.site.process import wait_for
from pointsman.cluster_facts import ask_masters, ask_zookeeper
from pointsman.config import DiscoveryConfig
from pointsman.discovery.leader import Url
from pointsman.preflight_cluster import cluster


def masters_of(elected: Cluster) -> tuple[str, ...]:
    return ask_zookeeper(Url(elected.zookeeper, "/mesos")).masters


def test_who_leads_and_who_follows(elected: Cluster) -> None:
    host = wait_for(elected.leader, "a leader", 30)
    wait_for(lambda: masters_of(elected), "ZooKeeper")
    quorum = ask_zookeeper(Url(elected.zookeeper, "/mesos"))
    leader = f"{host.address}:{mesos.MASTER_PORT}"
    assert quorum.masters[0] == leader
    asked = asyncio.run(ask_masters(DiscoveryConfig(), quorum.masters))
    first, *others = asked
    assert (first.address, first.outcome) == (leader, "leads")
    assert {(one.outcome, one.said) for one in others} == {("follows", leader)}
    assert all(one.date is not None for one in asked)
    findings = cluster(asked, quorum, first.date or 0.0)
    assert {one.level for one in findings} == {"ok"}


def test_a_path_that_there_is_not(elected: Cluster) -> None:
    assert ask_zookeeper(Url(elected.zookeeper, "/none")).problem == "no path"


def test_a_master_that_does_not_know_us(guarded: Cluster) -> None:
    (asked,) = asyncio.run(ask_masters(DiscoveryConfig(), guarded.masters))
    assert (asked.address, asked.outcome) == (guarded.masters[0], "unauthorised")

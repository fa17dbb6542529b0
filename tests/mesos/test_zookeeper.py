"""The masters by a real ZooKeeper: elected, killed, paused; ZooKeeper away and back."""

from pointlab.site import mesos
from pointlab.site.cluster import Cluster
from pointlab.site.process import wait_for
from pointsman.discovery.leader import Url
from pointsman.discovery.model import Master
from pointsman.discovery.zookeeper import ZooKeeper


def test_the_leader_is_followed_through_elections_and_outages(elected: Cluster) -> None:
    seen: list[tuple[Master, ...]] = []
    hosts = elected.zookeeper
    watching = ZooKeeper(Url(hosts, "/mesos"), seen.append)
    watching.start()
    try:
        first = elected.leader()
        wait_for(lambda: len(seen[-1]) == 3, "three masters")
        assert seen[-1][0] == Master(first.address, mesos.MASTER_PORT)

        elected.crash(first.name)
        wait_for(lambda: seen[-1][0].address != first.address, "the next leader", 30)
        assert seen[-1][0] == Master(wait_for(elected.leader, "it").address, mesos.MASTER_PORT)

        elected.start(first.name)
        wait_for(lambda: len(seen[-1]) == 3, "the one that came back", 30)
        assert seen[-1][-1] == Master(first.address, mesos.MASTER_PORT)

        before = len(seen)
        elected.pause("zookeeper")
        elected.resume("zookeeper")
        assert all(masters for masters in seen[before:])
    finally:
        watching.close()

"""No running task is ever missing from what is published, whatever happens to a real cluster."""

import contextlib
import itertools
import random
import time
from typing import Any

import msgspec
import pytest

from pointlab.site.cluster import Cluster
from pointlab.site.process import wait_for
from pointlab.watch.following import Follower, following
from pointsman.discovery import details, model, v1
from pointsman.discovery.access import Auth
from pointsman.discovery.listing import gather

SLEEP = "exec sleep 1000"
IDS = ("web.1", "web.2", "job.1", "job.2")


def launch(lab: Cluster, *ids: str, **spec: Any) -> None:
    for id_ in ids:
        lab.launch(id_, name=id_.partition(".")[0], cmd=SLEEP, **spec)


def end(lab: Cluster, id_: str) -> None:
    """Kill a task, as soon as the framework has a leader to say so to."""

    def killed() -> bool:
        with contextlib.suppress(OSError):
            lab.kill(id_)
            return True
        return False

    wait_for(killed, f"the framework to kill {id_}", 60)


def known(follower: Follower, *ids: str) -> None:
    wait_for(lambda: set(ids) <= follower.running(), f"{ids} to be known", 30)


def asked(lab: Cluster) -> model.Cluster:
    """Return what the leading master says when it is asked at this moment."""
    return gather([v1.read(msgspec.json.encode(lab.operator("GET_STATE")))])


def agrees(follower: Follower, lab: Cluster) -> bool:
    """Tell whether what the stream told is what the master says when asked."""
    try:
        both = follower.source.trust.told, asked(lab)
    except (LookupError, OSError):
        return False
    tasks = [{task.key: task for task in details.tasks(one)} for one in both]
    return tasks[0] == tasks[1]


def always(follower: Follower, *ids: str, since: int = 0) -> None:
    """Want each of these in all that was published since."""
    for id_ in ids:
        assert follower.missing(id_, since) == []


def leads_another(lab: Cluster, than: str) -> bool:
    try:
        return lab.leader().name != than
    except (LookupError, OSError):
        return False


def follows_another(follower: Follower, than: str) -> bool:
    leader = follower.cluster.leader
    return leader is not None and leader.address != than


def at_rest(follower: Follower) -> bool:
    """Tell whether a leader is followed that has heard of all its agents."""
    trust = follower.source.trust
    return follower.seen.mode == "stream" and not trust.waiting and not trust.told.recovering


def test_every_change_is_followed_and_the_stream_tells_what_the_state_does(
    cluster: Cluster,
) -> None:
    with following(cluster) as follower:
        launch(cluster, "web.1", "web.2")
        known(follower, "web.1", "web.2")
        assert follower.seen.mode == "stream"
        cluster.health("web.1", False)
        wait_for(lambda: follower.tasks()["web.1"].healthy is False, "its illness")
        wait_for(lambda: agrees(follower, cluster), "both to agree")
        begun = len(follower.all)
        cluster.kill("web.1")
        wait_for(lambda: "web.1" not in follower.tasks(), "its end")
        always(follower, "web.2", since=begun)
        assert follower.seen.readings["stream"] == 1
        cluster.kill("web.2")
        wait_for(lambda: agrees(follower, cluster), "both to agree")


def test_the_stream_tells_what_the_state_does_after_hundreds_of_random_changes(
    cluster: Cluster,
) -> None:
    chance = random.Random(7)
    alive: list[str] = []
    numbers = itertools.count(1)
    with following(cluster) as follower:
        for _ in range(30):
            new = [f"any.{next(numbers)}" for _ in range(chance.randint(0, 12))]
            specs = [
                {"id": id_, "name": "any", "executor": "shared", "cpus": 0.01, "mem": 1, "ports": 1}
                for id_ in new
            ]
            cluster.launch_many(specs)
            alive += new
            for id_ in chance.sample(alive, min(len(alive), chance.randint(0, 6))):
                match chance.choice(("kill", "ill", "well")):
                    case "kill":
                        alive.remove(id_)
                        cluster.kill(id_)
                    case "ill":
                        cluster.health(id_, False)
                    case "well":
                        cluster.health(id_, True)
        wait_for(lambda: set(alive) <= follower.running(), "all that is left to run", 60)
        wait_for(lambda: agrees(follower, cluster), "both to agree", 30)
        assert follower.seen.readings["stream"] == 1
        assert follower.seen.failures == 0
        assert sum(follower.seen.events.values()) > 300
        # A kill that overtook its task's launch was in vain.
        for id_ in {t.id for t in follower.tasks().values() if t.name == "any"}:
            cluster.kill(id_)
        wait_for(lambda: "any" not in {t.name for t in follower.tasks().values()}, "their end", 60)


def test_a_task_that_runs_is_known_though_its_framework_acknowledges_nothing(
    cluster: Cluster,
) -> None:
    with following(cluster) as follower:
        cluster.acknowledge(False)
        try:
            launch(cluster, "slow.1", labels={"LAB_ADDRESSES": "10.9.0.5"})
            # Until the first update is acknowledged, the agent repeats it, with the latest state.
            wait_for(lambda: "slow.1" in follower.running(), "its state", 60)
        finally:
            cluster.acknowledge(True)
        wait_for(lambda: follower.tasks()["slow.1"].addresses == ("10.9.0.5",), "its address", 30)
        assert agrees(follower, cluster)
        assert follower.seen.readings["stream"] == 1
        cluster.kill("slow.1")


def test_a_standalone_master_is_restarted(cluster: Cluster) -> None:
    launch(cluster, *IDS)
    with following(cluster) as follower:
        known(follower, *IDS)
        begun = len(follower.all)
        before = follower.cluster.elected
        cluster.crash("master1")
        cluster.start("master1")
        wait_for(lambda: follower.source.trust.told.elected > before, "the master", 60)
        wait_for(lambda: at_rest(follower), "its agents", 60)
        always(follower, *IDS, since=begun)
        wait_for(lambda: agrees(follower, cluster), "both to agree")
        end(cluster, "web.1")
        wait_for(lambda: "web.1" not in follower.tasks(), "an end after that", 30)
    for id_ in IDS[1:]:
        end(cluster, id_)


def test_an_agent_that_can_not_be_reached_takes_its_tasks_along_and_brings_them_back(
    cluster: Cluster,
) -> None:
    one, two = (agent.address for agent in cluster.agents)
    launch(cluster, "web.11", agent=one)
    launch(cluster, "web.12", agent=two)
    with following(cluster) as follower:
        known(follower, "web.11", "web.12")
        begun = len(follower.all)
        cluster.pause("agent1")
        wait_for(lambda: "web.11" not in follower.tasks(), "its tasks to go", 30)
        gone = time.monotonic()
        said = cluster.tasks()["web.11"]
        assert said["state"] == "TASK_UNREACHABLE"
        assert gone - said["since"] < 2
        assert one not in {agent.address for agent in follower.cluster.agents.values()}
        cluster.resume("agent1")
        known(follower, "web.11")
        always(follower, "web.12", since=begun)
        wait_for(lambda: agrees(follower, cluster), "both to agree")
    end(cluster, "web.11")
    end(cluster, "web.12")


def test_a_master_that_stops_and_goes_on_is_followed_again(cluster: Cluster) -> None:
    launch(cluster, "web.21")
    with following(cluster, timeout=2.0) as follower:
        known(follower, "web.21")
        begun = len(follower.all)
        cluster.pause("master1")
        time.sleep(3)  # the fault itself
        cluster.resume("master1")
        launch(cluster, "web.22")
        known(follower, "web.22")
        always(follower, "web.21", since=begun)
    end(cluster, "web.21")
    end(cluster, "web.22")


def test_a_leader_is_killed(elected: Cluster) -> None:
    launch(elected, *IDS)
    with following(elected) as follower:
        known(follower, *IDS)
        begun = len(follower.all)
        leader = elected.leader()
        killed = time.monotonic()
        elected.crash(leader.name)
        wait_for(lambda: follows_another(follower, leader.address), "a new leader's view", 60)
        print(f"followed the new leader {time.monotonic() - killed:.1f} s after the kill")
        wait_for(lambda: at_rest(follower), "its agents", 60)
        always(follower, *IDS, since=begun)
        wait_for(lambda: agrees(follower, elected), "both to agree")
        # What dies from now on goes as fast as ever.
        end(elected, "web.1")
        wait_for(lambda: "web.1" not in follower.tasks(), "an end after that", 30)
        always(follower, *IDS[1:], since=begun)


def test_a_leader_is_stopped_and_goes_on_as_no_leader(elected: Cluster) -> None:
    launch(elected, *IDS)
    with following(elected) as follower:
        known(follower, *IDS)
        begun = len(follower.all)
        leader = elected.leader()
        elected.pause(leader.name)
        wait_for(lambda: follows_another(follower, leader.address), "a new leader's view", 60)
        elected.resume(leader.name)
        wait_for(lambda: at_rest(follower), "its agents", 60)
        wait_for(lambda: not elected.processes.alive(leader.name), "the old leader's end", 60)
        always(follower, *IDS, since=begun)
        wait_for(lambda: agrees(follower, elected), "both to agree")


def test_zookeeper_goes_away_and_comes_back(elected: Cluster) -> None:
    launch(elected, *IDS)
    with following(elected) as follower:
        known(follower, *IDS)
        begun = len(follower.all)
        leader = elected.leader()
        elected.crash("zookeeper")
        # A leader without ZooKeeper ends itself; the followers know of none until it is back.
        wait_for(lambda: not elected.processes.alive(leader.name), "the leader's end", 60)
        elected.start("zookeeper")
        wait_for(lambda: leads_another(elected, leader.name), "a leader", 90)
        wait_for(lambda: follower.seen.mode == "stream", "it to be followed", 60)
        wait_for(lambda: at_rest(follower), "its agents", 90)
        always(follower, *IDS, since=begun)
        wait_for(lambda: agrees(follower, elected), "both to agree", 30)


def test_a_quorum_is_lost_and_found(elected: Cluster) -> None:
    launch(elected, *IDS)
    with following(elected) as follower:
        known(follower, *IDS)
        begun = len(follower.all)
        leader = elected.leader().name
        followers = [f"master{n}" for n in (1, 2, 3) if f"master{n}" != leader]
        # The leader and one more: the third is elected, and can't read its registry.
        elected.crash(leader)
        elected.crash(followers[0])
        wait_for(lambda: leads_another(elected, leader), "the third to lead", 60)
        wait_for(lambda: follower.seen.failures > 3, "it to be asked", 30)
        assert follower.cluster.tasks
        always(follower, *IDS, since=begun)
        elected.start(followers[0])
        elected.start(leader)
        wait_for(lambda: at_rest(follower) and follower.seen.heard > 0, "it to lead truly", 90)
        always(follower, *IDS, since=begun)
        wait_for(lambda: agrees(follower, elected), "both to agree", 30)


def test_an_agent_that_leaves_takes_its_tasks_along(elected: Cluster) -> None:
    one, two = (agent.address for agent in elected.agents)
    launch(elected, "web.1", agent=one)
    launch(elected, "web.2", agent=two)
    with following(elected) as follower:
        known(follower, "web.1", "web.2")
        elected.retire("agent1")
        wait_for(lambda: "web.1" not in follower.tasks(), "its tasks to go", 30)
        wait_for(lambda: len(follower.cluster.agents) == 1, "the agent to go", 30)
        always(follower, "web.2", since=len(follower.all) - 1)
        elected.teardown()
        wait_for(lambda: not follower.cluster.tasks, "the framework's end", 30)
        wait_for(lambda: not follower.cluster.frameworks, "the framework to go", 30)


@pytest.mark.parametrize("right", [True, False])
def test_a_guarded_master_wants_a_principal(
    guarded: Cluster, right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "s3cret" if right else "wrong")
    auth = Auth(principal="ops", secret_env="SECRET")
    launch(guarded, "web.1")
    with following(guarded, auth=auth) as follower:
        if right:
            known(follower, "web.1")
            assert follower.seen.mode == "stream"
        else:
            wait_for(lambda: follower.seen.failures > 1, "refusals")
            assert follower.all == []

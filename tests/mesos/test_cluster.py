"""The lab's cluster can be broken and mended, on a real Mesos."""

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from kazoo.client import KazooClient

from pointlab.site import apps, topology
from pointlab.site.cluster import Cluster
from pointlab.site.process import wait_for, with_variable


def test_task_runs_and_is_killed(cluster: Cluster) -> None:
    cluster.launch("job.1", cmd="exec sleep 1000")
    wait_for(lambda: "job.1" in cluster.running(), "job.1")

    cluster.kill("job.1")

    wait_for(lambda: cluster.tasks()["job.1"]["state"] == "TASK_KILLED", "its end")


def test_task_runs_on_the_agent_and_the_ports_that_it_asks_for(cluster: Cluster) -> None:
    agent = cluster.agents[1].address
    cluster.launch("fixed.1", cmd="exec sleep 1000", agent=agent, ports=[31_999])

    task = wait_for(lambda: cluster.running().get("fixed.1", {}), "fixed.1")

    assert (task["agent"], task["ports"]) == (agent, [31_999])


def test_health_is_what_the_test_says(cluster: Cluster) -> None:
    cluster.launch("sick.1", cmd="exec sleep 1000")
    wait_for(lambda: "sick.1" in cluster.running(), "sick.1")

    cluster.health("sick.1", False)
    wait_for(lambda: cluster.tasks()["sick.1"]["healthy"] is False, "bad health")

    cluster.health("sick.1", True)
    wait_for(lambda: cluster.tasks()["sick.1"]["healthy"] is True, "good health")


def test_app_runs_at_its_number_on_different_agents(cluster: Cluster) -> None:
    cluster.keep("web", 2, **apps.web(topology.load("flat"), "web"))

    found = wait_for(lambda: at_number(cluster, "web", 2), "two instances")

    assert {task["agent"] for task in found.values()} == {a.address for a in cluster.agents}
    for id_, task in found.items():
        url = f"http://{task['agent']}:{task['ports'][0]}/"
        answer = wait_for(partial(fetch, url), url)
        assert answer.decode().startswith(f"{id_} on {task['agent']}")


def test_instance_that_dies_is_replaced(cluster: Cluster) -> None:
    cluster.keep("dies", 1, cmd="exec sleep 1000")
    first = next(iter(wait_for(lambda: cluster.running("dies"), "an instance")))
    (pid,) = with_variable("TASK", first)

    os.kill(pid, signal.SIGKILL)

    wait_for(lambda: cluster.running("dies").keys() - {first}, "another instance")
    assert cluster.tasks()[first]["state"] == "TASK_FAILED"


def test_app_follows_its_number_up_and_down(cluster: Cluster) -> None:
    cluster.keep("scaled", 1, cmd="exec sleep 1000")
    wait_for(lambda: at_number(cluster, "scaled", 1), "one instance")

    cluster.keep("scaled", 3)
    wait_for(lambda: at_number(cluster, "scaled", 3), "three instances")

    cluster.keep("scaled", 0)
    wait_for(lambda: not cluster.running("scaled"), "none")


def test_tasks_of_a_crashed_agent_start_elsewhere_and_are_not_too_many_when_it_is_back(
    cluster: Cluster,
) -> None:
    cluster.keep("moves", 1, cmd="exec sleep 1000")
    (task,) = wait_for(lambda: cluster.running("moves"), "an instance").values()
    name = next(a.name for a in cluster.agents if a.address == task["agent"])

    cluster.crash(name)
    elsewhere = wait_for(
        lambda: [t for t in cluster.running("moves").values() if t["agent"] != task["agent"]],
        "an instance elsewhere",
    )
    assert len(elsewhere) == 1

    cluster.start(name)
    wait_for(lambda: cluster.metrics()["master/slaves_active"] == 2, "the agent")
    wait_for(lambda: at_number(cluster, "moves", 1), "one instance")


def test_framework_and_tasks_survive_a_restart_of_the_master(cluster: Cluster) -> None:
    cluster.keep("stays", 1, cmd="exec sleep 1000")
    (task_id,) = wait_for(lambda: cluster.running("stays"), "an instance")
    id_ = cluster.ask("/framework")["id"]

    cluster.crash("master1")
    cluster.start("master1")
    cluster.wait()

    assert cluster.ask("/framework")["id"] == id_
    assert task_id in cluster.running("stays")
    wait_for(lambda: cluster.metrics()["master/tasks_running"] >= 1, "the master to know of it")


def test_tasks_are_launched_and_killed_as_soon_as_there_is_a_master(cluster: Cluster) -> None:
    cluster.launch("old.1", cmd="exec sleep 1000")
    wait_for(lambda: "old.1" in cluster.running(), "old.1")

    cluster.crash("master1")
    cluster.kill("old.1")
    cluster.launch("new.1", cmd="exec sleep 1000")
    cluster.start("master1")

    wait_for(lambda: states(cluster, ["old.1"]) == {"TASK_KILLED"}, "the end of old.1")
    wait_for(lambda: "new.1" in cluster.running(), "new.1")


def test_hundreds_of_tasks_start_and_end_at_once(cluster: Cluster) -> None:
    ids = {f"many.{n}" for n in range(500)}

    cluster.launch_many([small(id_) for id_ in ids])
    wait_for(lambda: ids <= cluster.running().keys(), "all of them", 30)
    assert cluster.metrics()["master/tasks_running"] >= len(ids)

    cluster.kill_many(ids)
    wait_for(lambda: states(cluster, ids) == {"TASK_KILLED"}, "their ends", 30)
    assert cluster.metrics()["master/slaves_unreachable"] == 0


def test_kill_of_a_task_that_only_just_starts_is_not_lost(cluster: Cluster) -> None:
    ids = {f"brief.{n}" for n in range(50)}
    agent = cluster.agents[0].address
    # The executor has to be there: while it starts, the agent keeps the tasks to itself.
    cluster.launch_many([{**small("brief.first"), "agent": agent}])
    wait_for(lambda: "brief.first" in cluster.running(), "the executor")

    cluster.launch_many([{**small(id_), "agent": agent} for id_ in ids])
    wait_for(lambda: states(cluster, ids) != {"PENDING"}, "the launch")
    cluster.kill_many(ids)

    wait_for(lambda: states(cluster, ids) == {"TASK_KILLED"}, "their ends", 30)


def test_kill_before_its_executor_is_there_takes_no_other_task_along(cluster: Cluster) -> None:
    one, two = ({**small(f"early.{n}"), "executor": "late"} for n in (1, 2))
    agent = cluster.agents[0].address

    cluster.launch_many([{**one, "agent": agent}])
    wait_for(lambda: states(cluster, ["early.1"]) != {"PENDING"}, "the launch")
    cluster.kill("early.1")
    cluster.launch_many([{**two, "agent": agent}])

    wait_for(lambda: states(cluster, ["early.1"]) == {"TASK_KILLED"}, "its end")
    wait_for(lambda: "early.2" in cluster.running(), "the other")


def test_master_has_the_latest_state_but_not_its_status_while_none_is_acknowledged(
    cluster: Cluster,
) -> None:
    cluster.acknowledge(False)
    try:
        cluster.launch("held.1", cmd="exec sleep 1000")
        # The first update is of TASK_STARTING; the agent repeats it after 10 s, and as the latest
        # state says TASK_RUNNING then.
        task = wait_for(lambda: reported(cluster, "held.1", "TASK_RUNNING"), "the latest state")
        assert task["status_update_state"] == "TASK_STARTING"
        assert [status["state"] for status in task["statuses"]] == ["TASK_STARTING"]
        assert cluster.tasks()["held.1"]["state"] == "TASK_STARTING"
    finally:
        cluster.acknowledge(True)
    wait_for(lambda: "held.1" in cluster.running(), "the next update")
    task = reported(cluster, "held.1", "TASK_RUNNING")
    assert [status["state"] for status in task["statuses"]] == ["TASK_STARTING", "TASK_RUNNING"]


def test_tasks_of_an_agent_that_can_not_be_reached_come_back_with_it(cluster: Cluster) -> None:
    agent = cluster.agents[0]
    cluster.launch("cut.1", cmd="exec sleep 1000", agent=agent.address)
    wait_for(lambda: "cut.1" in cluster.running(), "cut.1")

    cluster.pause(agent.name)
    wait_for(lambda: states(cluster, ["cut.1"]) == {"TASK_UNREACHABLE"}, "its loss")
    assert reported(cluster, "cut.1", "TASK_UNREACHABLE")
    assert cluster.metrics()["master/slaves_active"] == 1

    cluster.resume(agent.name)
    wait_for(lambda: "cut.1" in cluster.running(), "its return")
    assert reported(cluster, "cut.1", "TASK_RUNNING")


def test_agent_that_retires_takes_its_tasks_along_and_can_come_back(cluster: Cluster) -> None:
    agent = cluster.agents[0]
    cluster.launch("leaves.1", cmd="exec sleep 1000", agent=agent.address)
    wait_for(lambda: "leaves.1" in cluster.running(), "leaves.1")

    cluster.retire(agent.name)
    wait_for(lambda: states(cluster, ["leaves.1"]) == {"TASK_LOST"}, "its end")
    assert cluster.metrics()["master/slaves_active"] == 1
    wait_for(lambda: not with_variable("TASK", "leaves.1"), "the end of its process")

    cluster.start(agent.name)
    wait_for(lambda: cluster.metrics()["master/slaves_active"] == 2, "the agent")


def test_framework_that_is_torn_down_takes_its_tasks_along_and_starts_as_another(
    cluster: Cluster,
) -> None:
    cluster.launch("torn.1", cmd="exec sleep 1000")
    wait_for(lambda: "torn.1" in cluster.running(), "torn.1")
    id_ = cluster.ask("/framework")["id"]

    cluster.teardown()
    wait_for(lambda: reported(cluster, "torn.1", "TASK_KILLED"), "its end")
    assert cluster.metrics()["master/frameworks_connected"] == 0

    cluster.start("framework")
    cluster.wait()
    assert cluster.ask("/framework")["id"] != id_
    assert cluster.tasks() == {}


def test_operator_is_answered_or_told_what_was_wrong(cluster: Cluster) -> None:
    assert cluster.operator("GET_HEALTH") == cluster.operator({"type": "GET_HEALTH"})

    with pytest.raises(OSError, match="400"):
        cluster.operator("MAKE_COFFEE")


def test_guarded_master_answers_only_those_who_know_the_secret(guarded: Cluster) -> None:
    guarded.launch("job.1", cmd="exec sleep 1000")
    wait_for(lambda: "job.1" in guarded.running(), "job.1")
    assert reported(guarded, "job.1", "TASK_RUNNING")

    for path, body, realm in (
        ("/state", None, "mesos-master-readonly"),
        ("/metrics/snapshot", None, "mesos-master-readonly"),
        ("/api/v1", {"type": "GET_STATE"}, "mesos-master-readwrite"),
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            fetch(f"http://{guarded.masters[0]}{path}", body)
        with refused.value as answer:
            assert answer.code == 401
            assert answer.headers["WWW-Authenticate"] == f'Basic realm="{realm}"'


def test_zookeeper_that_crashed_starts_again_with_its_data(elected: Cluster) -> None:
    with asking(elected.zookeeper) as client:
        client.create("/kept")
    leader = elected.leader().name

    elected.crash("zookeeper")
    # A leader ends itself when its session is over.
    wait_for(lambda: not elected.processes.alive(leader), "the leader's end")

    elected.start("zookeeper")
    elected.start(leader)
    wait_for(elected.leader, "a leader")
    elected.wait()
    with asking(elected.zookeeper) as client:
        assert client.exists("/kept")


def test_zookeeper_is_paused_and_goes_on(elected: Cluster) -> None:
    leader = elected.leader().name

    elected.pause("zookeeper")
    wait_for(lambda: not elected.processes.alive(leader), "the leader's end")

    elected.resume("zookeeper")
    wait_for(elected.leader, "a leader")
    elected.wait()


def fetch(url: str, body: Any = None) -> bytes:
    sent = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, sent, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=5) as reply:
        return bytes(reply.read())


def small(task_id: str) -> dict[str, Any]:
    """Return a task that runs no process and needs next to nothing."""
    return {"id": task_id, "executor": "small", "cpus": 0.01, "mem": 1}


def states(cluster: Cluster, task_ids: Iterable[str]) -> set[str]:
    """Return the states that the framework was told of these tasks."""
    tasks = cluster.tasks()
    return {tasks[id_]["state"] for id_ in task_ids}


def reported(cluster: Cluster, task_id: str, state: str) -> dict[str, Any]:
    """Return a task as the master has it once it has this state, {} before."""
    tasks = cluster.operator("GET_TASKS")["get_tasks"]
    return next(
        (
            task
            for listed in tasks.values()
            for task in listed
            if (task["task_id"]["value"], task.get("state")) == (task_id, state)
        ),
        {},
    )


@contextmanager
def asking(zookeeper: str) -> Iterator[KazooClient]:
    client = KazooClient(zookeeper)
    client.start()
    try:
        yield client
    finally:
        client.stop()
        client.close()


def at_number(cluster: Cluster, app: str, number: int) -> dict[str, Any]:
    """Return the running tasks of an app once they are so many, {} before."""
    found = cluster.running(app)
    return found if len(found) == number else {}

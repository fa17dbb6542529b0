"""The lab's cluster can be broken and mended, on a real Mesos."""

import os
import signal
import urllib.request
from functools import partial
from typing import Any

from pointlab import mesos
from pointlab.cluster import Cluster
from pointlab.process import wait_for, with_variable


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
    cluster.keep("web", 2, **mesos.web())

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


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as reply:
        return bytes(reply.read())


def at_number(cluster: Cluster, app: str, number: int) -> dict[str, Any]:
    """Return the running tasks of an app once they are so many, {} before."""
    found = cluster.running(app)
    return found if len(found) == number else {}

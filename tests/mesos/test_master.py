"""Reading the leading master of a real Mesos: what it says, and whom to ask when it is gone."""

import asyncio
import json
import sys
import time
from functools import partial
from typing import Any

import aiohttp
import msgspec

from pointlab.site.cluster import Cluster
from pointlab.site.process import wait_for
from pointsman.discovery import details, model, v0, v1
from pointsman.discovery.access import Access, Auth, Tls
from pointsman.discovery.errors import Transient
from pointsman.discovery.listing import gather
from pointsman.discovery.master import Masters
from pointsman.discovery.trust import Trust, believe
from pointsman.dns.records import NameRules
from pointsman.healthcheck.asking import CheckRules
from pointsman.healthcheck.model import Outcome, Place, Result
from pointsman.healthcheck.probes import ask
from pointsman.pipeline import Rules, VipRules, derive
from pointsman.vip.addresses import parse_range
from pointsman.vip.checks import Checks
from pointsman.vip.policy import Defaults, Policy

REFUSE = Defaults(Policy(no_live="refuse"))
RULES = Rules(NameRules(), VipRules(ranges=(parse_range("11.0.0.0/8"),), defaults=REFUSE))


def read(*masters: str) -> model.Cluster | None:
    """Return what the leader says; None while there is none, or it can't be reached."""

    async def once() -> model.Cluster:
        async with aiohttp.ClientSession() as session:
            asked = Masters(masters, session, Access(Tls(), Auth()), 5.0)
            _, document = await asked.document("/state")
            return gather([v0.read(b"".join(document))])

    try:
        return asyncio.run(once())
    except Transient:
        return None


def tasks(cluster: Cluster) -> dict[str, model.Task]:
    found = read(*cluster.masters)
    assert found is not None
    return {task.id: task for task in details.tasks(found)}


def shop() -> dict[str, Any]:
    labels = {"labels": [{"key": "VIP_0", "value": "/shop:80"}]}
    port = {"number": "$0", "name": "http", "protocol": "tcp", "labels": labels}
    info = {"visibility": "EXTERNAL", "name": "shop", "ports": {"ports": [port]}}
    return {"name": "shop", "cmd": "exec sleep 1000", "ports": 1, "discovery": info}


def test_a_task_is_there_with_all_its_parts_until_it_is_killed(cluster: Cluster) -> None:
    cluster.launch("shop.1", **shop(), labels={"LAB_ADDRESSES": "10.9.0.5,fd00::5"})
    wait_for(lambda: tasks(cluster)["shop.1"].addresses == ("10.9.0.5", "fd00::5"), "shop.1")

    found = read(*cluster.masters)

    assert found is not None
    (shop1,) = (task for task in details.tasks(found) if task.id == "shop.1")
    assert (shop1.state, shop1.framework) == ("TASK_RUNNING", "marathon")
    assert shop1.agent in {agent.address for agent in cluster.agents}
    assert shop1.discovery is not None
    assert shop1.discovery.ports[0].number == shop1.ports[0]
    views = derive(found, RULES)
    names = {record.name for derived in views.derived.values() for record in derived.records}
    assert {"shop.marathon.mesos.", "_http._shop._tcp.marathon.mesos."} <= names
    assert "shop.marathon" in views.wanted.names
    assert views.notes == ()

    cluster.kill("shop.1")
    wait_for(lambda: "shop.1" not in tasks(cluster), "its end")


def test_health_is_that_of_mesos_own_check(cluster: Cluster) -> None:
    check = {"type": "COMMAND", "command": {"value": "true"}, "delay_seconds": 0}
    cluster.launch("shop.2", **shop(), health={**check, "interval_seconds": 1})
    wait_for(lambda: tasks(cluster)["shop.2"].healthy is True, "its health")
    assert tasks(cluster)["shop.2"].checked

    cluster.health("shop.2", False)
    wait_for(lambda: tasks(cluster)["shop.2"].healthy is False, "its illness")

    found = read(*cluster.masters)
    assert found is not None
    (server,) = derive(found, RULES).wanted.table.values()
    assert [real.weight for real in server.real_servers.values()] == [0]


def test_a_task_that_is_being_killed_says_for_how_long_it_may(cluster: Cluster) -> None:
    policy = {"kill_policy": {"grace_period": {"nanoseconds": 7_500_000_000}}}
    deaf = {**shop(), "cmd": "trap '' TERM; sleep 1000 & wait; wait"}
    cluster.launch("shop.3", **deaf, raw=policy)
    wait_for(lambda: tasks(cluster)["shop.3"].state == "TASK_RUNNING", "shop.3")
    cluster.kill("shop.3")
    wait_for(lambda: tasks(cluster)["shop.3"].state == "TASK_KILLING", "its end")
    # The operator API tells it, /state does not.
    said = v1.read(json.dumps(cluster.operator("GET_STATE")).encode())
    (shop3,) = (task for task in details.tasks(gather([said])) if task.id == "shop.3")
    assert shop3.grace == 7.5


def test_no_task_vanishes_while_a_master_is_restarted(cluster: Cluster) -> None:
    cluster.launch("stays.1", cmd="exec sleep 1000")
    wait_for(lambda: tasks(cluster)["stays.1"].state == "TASK_RUNNING", "stays.1")
    trust = Trust()
    empty = 0

    def follow() -> Trust:
        """Read once more, and want the task in what is believed."""
        nonlocal trust, empty
        reading = read(*cluster.masters)
        if reading is not None:
            empty += not reading.tasks
            trust, _ = believe(trust, reading, time.monotonic())
            assert trust.cluster is not None
            assert "stays.1" in {task.id for task in trust.cluster.tasks.values()}
        return trust

    first = follow().cluster
    assert first is not None
    cluster.crash("master1")
    cluster.start("master1")

    def settled() -> bool:
        known = follow().cluster
        return known is not None and known.elected > first.elected and not trust.waiting

    wait_for(settled, "the agents to come back")
    assert empty, "the restarted master never told of an empty cluster: this test proved nothing"


def test_any_master_leads_to_the_leader_and_a_dead_one_is_passed_over(elected: Cluster) -> None:
    elected.launch("web.1", cmd="exec sleep 1000")
    leader = elected.leader()

    def leads(asked: tuple[str, ...], *, to: str = "", away_from: str = "") -> bool:
        found = read(*asked)
        if found is None or found.leader is None or not found.tasks:
            return False
        return found.leader.address not in ("", away_from) and to in ("", found.leader.address)

    for master in elected.masters:
        wait_for(partial(leads, (master,), to=leader.address), f"{master} to lead to the leader")

    elected.crash(leader.name)

    wait_for(partial(leads, elected.masters, away_from=leader.address), "the new leader's tasks")


def test_what_mesos_checks_by_http_can_be_asked_from_here_as_well(cluster: Cluster) -> None:
    check = {
        "type": "HTTP",
        "http": {"port": "$0", "path": "/", "scheme": "http"},
        "delay_seconds": 0.5,
        "interval_seconds": 1.5,
        "timeout_seconds": 2.5,
        "grace_period_seconds": 30.0,
        "consecutive_failures": 4,
    }
    serve = {"cmd": f"exec {sys.executable} -m http.server $PORT0"}
    cluster.launch("shop.4", **(shop() | serve), health=check)
    wait_for(lambda: tasks(cluster)["shop.4"].healthy is True, "its health")
    rules = msgspec.structs.replace(RULES, checks=Checks(CheckRules(mesos=True)))
    v1_said = gather([v1.read(json.dumps(cluster.operator("GET_STATE")).encode())])
    for said in (read(*cluster.masters), v1_said):
        assert said is not None
        (found,) = (t for t in derive(said, rules).watched if t.check.timing.fall == 4)
        task = tasks(cluster)["shop.4"]
        assert (found.address, found.port) == (task.agent, task.ports[0])
        times = (found.check.timing.interval, found.check.timing.timeout, found.check.timing.grace)
        assert times == (1.5, 2.5, 30.5)
        place = Place(found.address, found.port, 5)
        assert asyncio.run(ask(found.check.probe, place)) == Result(Outcome.GOOD, "HTTP 200")
    cluster.kill("shop.4")

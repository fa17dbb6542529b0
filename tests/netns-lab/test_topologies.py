"""Every topology of the lab, up for real: names, VIPs and host ports, from everywhere.

The kernel's ip_vs is needed, so that a guest runs them where this machine has none.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pointlab.site import apps, netns, network, topology
from pointlab.site.lab import API, IN_LAB, Lab
from pointlab.site.process import wait_for, with_variable
from pointlab.site.topology import Node

pytestmark = pytest.mark.kernel

PORT = 10_080
"""Of VIPs; agents offer it to containers, too."""
ROUNDS = 8
"""Requests after which each of three real servers was asked, as they take turns."""
STARTING = 150
"""Seconds in which instances start: a container waits until its addresses are reached."""


class Site:
    """A lab that is up, and what the tests ask of it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.client = next(one for one in lab.topology.nodes.values() if "client" in one.name)

    def keep(self, app: str, instances: int, **more: Any) -> set[str]:
        """Run an app until its instances are healthy; return their ids."""
        spec = apps.web(self.lab.topology, app, port=PORT, **more)
        self.lab.cluster.keep(app, instances, **spec)
        return self.healthy(app, instances, STARTING)

    def healthy(self, app: str, instances: int, patience: float = 60) -> set[str]:
        def ids() -> set[str]:
            found = {id_ for id_, t in self.lab.cluster.running(app).items() if t["healthy"]}
            return found if len(found) == instances else set()

        return wait_for(ids, f"{instances} healthy instances of {app}", patience)

    def end(self, app: str) -> None:
        self.lab.cluster.keep(app, 0)

    def dig(self, words: str) -> list[str]:
        """Return the values of records, as the client is told them."""
        return sorted(self.lab.output(f"dig +short {words}", self.client.name).split("\n")[:-1])

    def vips(self, app: str) -> list[str]:
        """Return the addresses of an app's VIP, once it has any."""
        name = f"{app}.marathon.l4lb.thisdcos.directory"
        return wait_for(lambda: self.dig(f"{name} A {name} AAAA"), f"the VIP of {app}")

    def callers(self) -> dict[str, str]:
        """Return the namespaces of all who can reach VIPs, but routers, by name."""
        nodes = self.lab.topology.nodes.values()
        asking = [one for one in nodes if one is self.client or "pointsman" in one.runs]
        return {one.name: self.lab.netns(one.name) for one in asking}

    def reaches(self, caller: str, address: str, expected: set[str], port: int = PORT) -> None:
        """Have a namespace ask until nobody but those answer, and all of them."""

        def answers() -> bool:
            seen = {ask(caller, address, port) for _ in range(ROUNDS)}
            if seen == expected:
                return True
            raise LookupError(f"answered by {seen}; {self.ailing()}")

        wait_for(answers, f"{expected} at {address}:{port} in {caller}", 20)

    def targets(self, node: str) -> list[dict[str, Any]]:
        """Return what a node's Pointsman finds by its own checks."""
        path = "/v1/health"
        found: list[dict[str, Any]] = netns.ask(self.lab.netns(node), API, path)["targets"]
        return found

    def ailing(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the targets that are not up, with whose checks say so."""
        nodes = [one.name for one in self.lab.topology.running("pointsman")]
        return [(node, t) for node in nodes for t in self.targets(node) if t["state"] != "up"]


def ask(caller: str, address: str, port: int) -> str:
    """Return the id of the task that answers."""
    close = {"Connection": "close"}
    host = f"{address}:{port}"
    _, answer = netns.request(caller, host, "/", timeout=3.0, headers=close)
    return answer.decode().partition(" ")[0]


def within(task: str) -> str:
    """Return the namespace of a task's container."""
    return f"/proc/{with_variable('TASK', task)[0]}/ns/net"


def addresses(task: str) -> set[str]:
    """Return the addresses that a container has."""
    argv = ["nsenter", f"--net={within(task)}", "ip", "-j", "addr", "show", "scope", "global"]
    links = json.loads(subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout)
    return {one["local"] for link in links for one in link.get("addr_info", ()) if one}


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """Give a topology that is up, with an app ``web`` of three and an app ``lone`` of one."""
    lab = Lab(f"t{request.param}", topology.load(request.param))
    try:
        lab.start()
        lab.cluster.wait()
        found = Site(lab)
        wait_for(lambda: len(lab.cluster.ask("/framework")["agents"]) > 1, "offers of agents")
        found.keep("web", 3, check="http / interval=1")
        found.keep("lone", 1, check="http / interval=1 data-path=yes")
        lab.wait()
        yield found
    finally:
        lab.stop()
        for name in lab.processes.names():
            wait_for(lambda name=name: not lab.processes.alive(name), f"the end of {name}")  # type: ignore[misc]
    assert network.namespaces(f"{network.PREFIX}{lab.name}-") == []
    assert str(lab.folder) not in Path("/proc/mounts").read_text()
    assert with_variable(IN_LAB, lab.name) == []
    assert not lab.folder.exists()


CONTAINERS = ["bridge", "overlay", "routed", "ipv6", "dual"]
in_containers = pytest.mark.parametrize("site", CONTAINERS, indirect=True)
on_bridges = pytest.mark.parametrize("site", ["bridge"], indirect=True)
on_overlay = pytest.mark.parametrize("site", ["overlay"], indirect=True)
in_zones = pytest.mark.parametrize("site", ["zones"], indirect=True)


@in_containers
def test_names_lead_to_the_containers(site: Site) -> None:
    tasks = site.healthy("web", 3)
    expected = set().union(*map(addresses, tasks))

    def all_known() -> bool:
        known = site.dig("web.marathon.mesos A web.marathon.mesos AAAA")
        if set(known) == expected:
            return True
        raise LookupError(f"dig found {known}; {site.ailing()}")

    wait_for(all_known, f"the records of {expected}", 20)
    services = site.dig("_web._tcp.marathon.mesos SRV")
    assert len(services) == 3
    if site.lab.topology.containers.kind == "bridge":
        services = site.dig("_web._tcp.marathon.slave.mesos SRV")
        outer = [t["ports"][0] for t in site.lab.cluster.running("web").values()]
        assert sorted(int(one.split()[2]) for one in services) == sorted(outer)
    else:
        assert {int(one.split()[2]) for one in services} == {apps.INNER}


@in_containers
def test_vip_reaches_all_instances_from_everywhere(site: Site) -> None:
    tasks = site.healthy("web", 3)

    for vip in site.vips("web"):
        for caller in (*site.callers().values(), *map(within, tasks)):
            site.reaches(caller, vip, tasks)


@in_containers
def test_vip_is_reached_by_name(site: Site) -> None:
    tasks = site.healthy("web", 3)
    url = f"http://web.marathon.l4lb.thisdcos.directory:{PORT}/"

    answer = site.lab.output(f"curl -s -m 5 {url}", site.client.name)

    assert answer.partition(" ")[0] in tasks


@in_containers
def test_addresses_of_vips_are_of_the_containers_versions(site: Site) -> None:
    versions = {":" in subnet for subnet in site.lab.topology.containers.subnets}

    assert {":" in vip for vip in site.vips("web")} == versions


@in_containers
def test_lone_container_reaches_itself_by_its_vip(site: Site) -> None:
    (task,) = site.healthy("lone", 1)

    for vip in site.vips("lone"):
        site.reaches(within(task), vip, {task})


@in_containers
def test_checks_of_every_node_find_the_containers_well(site: Site) -> None:
    for one in site.lab.topology.running("pointsman"):
        wait_for(lambda one=one: well(site, one), f"good checks on {one.name}", 20)  # type: ignore[misc]


def well(site: Site, one: Node) -> bool:
    """Tell whether a node's Pointsman has found every instance well by its own checks."""
    found = site.targets(one.name)
    states = [(t["address"], t["port"], t["via"], t["state"], t["last"]) for t in found]
    families = len({":" in vip for vip in site.vips("web")})
    if len(states) == 4 * families and all(state[3] == "up" for state in states):
        return True
    raise LookupError(str(states))


@on_bridges
def test_host_port_of_a_container_is_reached_from_everywhere(site: Site) -> None:
    tasks = site.lab.cluster.running("web")

    for id_, task in tasks.items():
        for caller in (*site.callers().values(), *map(within, tasks)):
            site.reaches(caller, task["agent"], {id_}, task["ports"][0])


@on_bridges
def test_docker_containers_reach_themselves_and_each_other_by_vip(site: Site) -> None:
    tasks = site.keep("dock", 2, network="docker", check="http / interval=1")
    (vip,) = site.vips("dock")

    for caller in (*site.callers().values(), *map(within, tasks)):
        site.reaches(caller, vip, tasks)
    for id_, task in site.lab.cluster.running("dock").items():
        for caller in (*site.callers().values(), *map(within, tasks)):
            site.reaches(caller, task["agent"], {id_}, task["ports"][0])
    site.end("dock")


@on_bridges
@pytest.mark.parametrize("kind", ["bridge", "docker"])
def test_host_port_does_not_take_what_goes_to_a_vip_of_its_number(site: Site, kind: str) -> None:
    tasks = site.healthy("web", 3)
    (thief,) = site.keep(f"thief{kind}", 1, network=kind, host_port=PORT)
    agent = site.lab.cluster.running()[thief]["agent"]
    (vip,) = site.vips("web")
    (own,) = site.vips(f"thief{kind}")

    for caller in (*site.callers().values(), *map(within, (*tasks, thief))):
        site.reaches(caller, vip, tasks)
        site.reaches(caller, own, {thief})
        site.reaches(caller, agent, {thief}, PORT)
    site.end(f"thief{kind}")
    wait_for(lambda: not site.lab.cluster.running(f"thief{kind}"), "its end")


@on_bridges
def test_host_port_is_free_again_after_its_container(site: Site) -> None:
    agents = site.lab.topology.running("agent")

    def left() -> list[str]:
        rules = (site.lab.output("iptables-legacy-save -t nat", one.name) for one in agents)
        return [line for text in rules for line in text.splitlines() if f"dport {PORT}" in line]

    wait_for(lambda: not left(), "the end of the rules", 20)


@on_overlay
def test_containers_come_back_on_a_machine_that_lost_its_power(site: Site) -> None:
    lab, agent = site.lab, site.lab.node("agent2")
    (vip,) = site.vips("web")

    lab.crash(agent)
    wait_for(lambda: len(on(site, agent)) == 0, "the loss of the agent")
    site.reaches(site.callers()["agent1"], vip, site.healthy("web", 3))
    lab.boot(agent)
    wait_for(lambda: lab.ready(agent), "Pointsman on agent2")
    lab.cluster.keep("web", 6)

    tasks = site.healthy("web", 6)
    assert on(site, agent)
    (here,) = [within(id_) for id_ in sorted(on(site, agent))[:1]]
    for caller in (lab.netns("client"), lab.netns("agent2"), here):
        wait_for(lambda caller=caller: each(caller, vip) == tasks, "all six", 20)  # type: ignore[misc]


def on(site: Site, agent: Node) -> set[str]:
    """Return the instances of ``web`` that run on an agent."""
    running = site.lab.cluster.running("web").items()
    return {id_ for id_, task in running if task["agent"] == agent.address}


def each(caller: str, vip: str) -> set[str]:
    return {ask(caller, vip, PORT) for _ in range(3 * ROUNDS)}


@in_zones
def test_real_servers_of_the_own_zone_are_preferred(site: Site) -> None:
    (vip,) = site.vips("web")
    near = {name: on(site, site.lab.node(name)) for name in ("agent1", "agent2")}
    assert all(near.values())

    for zone, agent in (("a", "agent1"), ("b", "agent2")):
        for caller in (f"client{zone}", f"edge{zone}", agent):
            site.reaches(site.lab.netns(caller), vip, near[agent])


@in_zones
def test_real_servers_of_another_zone_take_over(site: Site) -> None:
    cluster = site.lab.cluster
    (vip,) = site.vips("lone")
    (task,) = site.healthy("lone", 1)

    for caller in ("clienta", "clientb", "agent1", "agent2"):
        site.reaches(site.lab.netns(caller), vip, {task})

    # One comes in the other zone: each zone has its own again.
    (far,) = {"10.31.0.11", "10.31.0.12"} - {cluster.running()[task]["agent"]}
    cluster.launch("lone.9", name="lone", agent=far, **lone(site))
    wait_for(lambda: cluster.running().get("lone.9", {}).get("healthy"), "lone.9")
    theirs = {"10.31.0.11": "clienta", "10.31.0.12": "clientb"}[far]
    site.reaches(site.lab.netns(theirs), vip, {"lone.9"})

    cluster.kill("lone.9")
    site.reaches(site.lab.netns(theirs), vip, {task})


def lone(site: Site) -> dict[str, Any]:
    return apps.web(site.lab.topology, "lone", port=PORT)

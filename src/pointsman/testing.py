"""Builders for tests: values that are whole, with only what matters to the test said."""

from collections.abc import Iterable
from typing import Any

import msgspec
from immutables import Map
from msgspec import Raw

from pointsman.discovery.model import (
    ENDED,
    Agent,
    Cluster,
    Discovery,
    Framework,
    Labels,
    Master,
    Port,
    Task,
    Told,
)

LEADER = Master("10.0.0.1", 5050)
AGENT = Agent("S1", "10.0.0.11", 5051, "agent1")
FRAMEWORK = Framework("F1", "marathon", "10.0.0.1")


def labels(**values: str) -> Labels:
    """Return labels in the order given."""
    return tuple(values.items())


def port(number: int, name: str = "", protocol: str = "tcp", **values: str) -> Port:
    """Return a discovery port; further words are its labels."""
    return Port(number, name, protocol, labels(**values))


def discovery(name: str = "", *ports: Port) -> Discovery:
    """Return a DiscoveryInfo."""
    return Discovery(name, ports)


def task(id_: str = "web.1", agent: Agent = AGENT, **changes: Any) -> Task:
    """Return a running task of marathon on the agent's own network; ``changes`` are fields."""
    whole: dict[str, Any] = {
        "id": id_,
        "name": id_.partition(".")[0],
        "framework_id": FRAMEWORK.id,
        "framework": FRAMEWORK.name,
        "agent_id": agent.id,
        "agent": agent.address,
        "state": "TASK_RUNNING",
        "addresses": (agent.address,),
    }
    return Task(**(whole | changes))


def told(of: Task) -> Told:
    """Return what a master tells of a task: the JSON that ``details.task`` reads it from."""
    ports = [f"{number}-{number}" for number in of.ports]
    said = {
        "Docker.NetworkSettings.IPAddress": of.docker_address,
        "MesosContainerizer.NetworkSettings.IPAddress": of.mesos_address,
    }
    status = {
        "state": of.state,
        "timestamp": 1.0,
        **({} if of.healthy is None else {"healthy": of.healthy}),
        "labels": _labels((key, value) for key, value in said.items() if value),
        "container_status": {
            "network_infos": [{"ip_addresses": [{"ip_address": a} for a in of.addresses]}],
        },
    }
    members: dict[str, Any] = {
        "resources": {"ports": f"[{', '.join(ports)}]"},
        "statuses": [status],
        "labels": _labels(of.labels),
        "discovery": _discovery(of.discovery),
        "container": _container(of),
        "health_check": _health_check(of),
        "kill_policy": {"grace_period": {"nanoseconds": int(of.grace * 1e9)}} if of.grace else None,
    }
    parts = {name: Raw(msgspec.json.encode(value)) for name, value in members.items()}
    return Told(of.id, of.name, of.framework_id, of.agent_id, of.state, **parts)


def _labels(pairs: Iterable[tuple[str, str]]) -> list[Any]:
    return [{"key": key, "value": value} for key, value in pairs]


def _health_check(of: Task) -> dict[str, Any] | None:
    check = of.health_check
    if check is None:
        return {} if of.checked else None
    at = {"port": check.port, "path": check.path, "scheme": check.scheme}
    return {
        "type": check.type,
        **({check.type.lower(): at} if check.type in ("HTTP", "TCP") else {}),
        "delay_seconds": check.delay,
        "grace_period_seconds": check.grace,
        "interval_seconds": check.interval,
        "timeout_seconds": check.timeout,
        "consecutive_failures": check.failures,
    }


def _discovery(of: Discovery | None) -> dict[str, Any] | None:
    if of is None:
        return None
    ports = [
        {"number": p.number, "name": p.name, "protocol": p.protocol, "labels": _labels(p.labels)}
        for p in of.ports
    ]
    return {"name": of.name, "ports": {"ports": ports}}


def _container(of: Task) -> dict[str, Any] | None:
    if not of.runtime and not of.mappings:
        return None
    mappings = [msgspec.to_builtins(mapping) for mapping in of.mappings]
    network = of.network if of.network in ("host", "bridge") else "user"
    infos: list[dict[str, Any]] = [{"name": name} for name in of.networks]
    if of.runtime == "DOCKER":
        docker = {"network": network.upper(), "port_mappings": mappings}
        return {"type": "DOCKER", "docker": docker, "network_infos": infos}
    if mappings:
        infos = [{**(infos or [{}])[0], "port_mappings": mappings}, *infos[1:]]
    return {"type": of.runtime, "network_infos": infos}


def cluster(*tasks: Task, agents: tuple[Agent, ...] | None = None, **changes: Any) -> Cluster:
    """Return a cluster led by ``LEADER``, with the agents and frameworks of its tasks."""
    found = {AGENT.id: AGENT, **{t.agent_id: Agent(t.agent_id, t.agent, 5051) for t in tasks}}
    found[AGENT.id] = AGENT
    frameworks = {t.framework_id: Framework(t.framework_id, t.framework) for t in tasks}
    whole: dict[str, Any] = {
        "leader": LEADER,
        "masters": (LEADER,),
        "agents": Map(found if agents is None else {a.id: a for a in agents}),
        "frameworks": Map({**frameworks, FRAMEWORK.id: FRAMEWORK}),
        "tasks": Map({t.key: told(t) for t in tasks if t.state not in ENDED}),
    }
    return Cluster(**(whole | changes))

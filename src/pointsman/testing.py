"""Builders for tests: values that are whole, with only what matters to the test said."""

from typing import Any

from pointsman.discovery.model import (
    Agent,
    Cluster,
    Discovery,
    Framework,
    Labels,
    Master,
    Port,
    Task,
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


def cluster(*tasks: Task, agents: tuple[Agent, ...] = (AGENT,), **changes: Any) -> Cluster:
    """Return a cluster led by ``LEADER``, with ``AGENT`` and ``FRAMEWORK``."""
    whole: dict[str, Any] = {
        "leader": LEADER,
        "masters": (LEADER,),
        "agents": {a.id: a for a in agents},
        "frameworks": {FRAMEWORK.id: FRAMEWORK},
        "tasks": {t.key: t for t in tasks},
    }
    return Cluster(**(whole | changes))

"""What runs on a lab right now: the tasks by their framework, the nodes that are whole."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from pointlab.site.apps import INNER
from pointlab.site.topology import Topology
from pointlab.watch.recording import Endpoint, Fault, Moment, Task, View


def tasks(history: Iterable[Mapping[str, Any]], topology: Topology, app: str) -> tuple[Task, ...]:
    """Return the tasks of an app as the framework was told of them (its ``/history``).

    All of the lab's apps have a health check.
    """
    nodes: dict[str, str] = {
        address: one.name for one in topology.nodes.values() for address in one.addresses
    }
    found: dict[str, Task] = {}
    for told in history:
        id_, agent = str(told["task"]), str(told["agent"])
        if id_.rpartition(".")[0] != app:
            continue
        before = found.get(id_)
        moments = before.moments if before else ()
        moment = Moment(told["at"], told["state"], told["healthy"])
        # What ended says no more where it was.
        where = _endpoints(told) if told["state"] == "TASK_RUNNING" or not before else ()
        found[id_] = Task(
            id=id_,
            agent=nodes.get(agent, agent),
            endpoints=where or (before.endpoints if before else ()),
            moments=(*moments, moment),
            checked=True,
            inner=_inner(told) or (before.inner if before else ()),
        )
    return tuple(found.values())


def _endpoints(told: Mapping[str, Any]) -> tuple[Endpoint, ...]:
    if told["ports"]:
        return ((told["agent"], told["ports"][0]),)
    return tuple((address, INNER) for address in told["addresses"])


def _inner(told: Mapping[str, Any]) -> tuple[Endpoint, ...]:
    """Return where a container with host ports listens; one on the host's network has none."""
    own = (a for a in told["addresses"] if told["ports"] and a != told["agent"])
    return tuple((address, INNER) for address in own)


def view(seen: View, all_: Sequence[Task]) -> View:
    """Return a view with what its node's kernel held as ``outer`` has it."""
    if seen.what != "kernel":
        return seen
    spans = (
        msgspec.structs.replace(span, endpoints=outer(span.endpoints, all_, seen.node, span.last))
        for span in seen.spans
    )
    return msgspec.structs.replace(seen, spans=tuple(spans))


def outer(
    held: frozenset[Endpoint], all_: Iterable[Task], node: str, at: float = float("inf")
) -> frozenset[Endpoint]:
    """Return what a node's kernel held at a moment, containers of its own by their host ports.

    All agents have the same subnet behind their bridges, so that only the node tells which
    container an address is; and a node that lost its power gives out the same again, so that it is
    the last that had begun.
    """
    begun = (task for task in all_ if task.agent == node and task.moments[0].at <= at)
    mapped = {one: task.endpoints[0] for task in begun for one in task.inner}
    return frozenset(mapped.get(one, one) for one in held)


def serving(all_: Iterable[Task]) -> list[Task]:
    """Return the tasks that serve now by what Mesos says."""
    last = ((task, task.moments[-1]) for task in all_ if task.moments)
    return [task for task, one in last if one.state == "TASK_RUNNING" and one.healthy]


def named(all_: Sequence[Task], target: str) -> list[Task]:
    """Return the tasks that a word means: ``web.1``, or ``web@agent2`` for all there.

    Raises LookupError, which names those that there are.
    """
    app, at, node = target.partition("@")
    found = [
        task
        for task in all_
        if (task.id == target if not at else _is_of(task, app) and task.agent == node)
    ]
    if not found:
        there = ", ".join(task.id for task in serving(all_))
        raise LookupError(f"no task {target!r}; there are {there or 'none'}")
    return found


def app_of(target: str) -> str:
    """Return the app of a task's id or of ``APP@NODE``."""
    return target.partition("@")[0] if "@" in target else target.rpartition(".")[0]


def vip_port(app: Mapping[str, Any]) -> int:
    """Return the port of an app's VIP, by the framework's ``/apps``."""
    ports = app["discovery"].get("ports", {}).get("ports", [])
    labels = [x for port in ports for x in port.get("labels", {}).get("labels", [])]
    for label in labels:
        if label["key"] == "VIP_0":
            return int(label["value"].rpartition(":")[2])
    raise LookupError("it has no label VIP_0")


def whole(topology: Topology, faults: Iterable[Fault]) -> list[str]:
    """Return the nodes whose Pointsman should be able to follow and to answer."""
    lasting = [fault for fault in faults if fault.until is None]
    hurt = {node for fault in lasting for node in fault.nodes | fault.programs}
    return [one.name for one in topology.running("pointsman") if one.name not in hurt]


def written(endpoints: Iterable[Endpoint], all_: Sequence[Task]) -> str:
    """Write endpoints as one reads them: the tasks that are there, or addresses."""
    names = {e: task.id for task in all_ for e in task.endpoints}
    words = [names.get(e, f"{e[0]} port {e[1]}") for e in sorted(endpoints)]
    return ", ".join(words) or "none"


def _is_of(task: Task, app: str) -> bool:
    return task.id.rpartition(".")[0] == app


def bracketed(address: str, port: int) -> str:
    """Return ``ADDRESS:PORT``, an IPv6 address in brackets."""
    inner = f"[{address}]" if ipaddress.ip_address(address).version == 6 else address
    return f"{inner}:{port}"

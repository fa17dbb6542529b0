"""What an offer holds and what a task takes of it, as the v1 scheduler API has them in JSON."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Json = dict[str, Any]

TERMINAL = {
    "TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED",
    "TASK_GONE", "TASK_GONE_BY_OPERATOR", "TASK_UNREACHABLE", "TASK_UNKNOWN",
}  # fmt: skip
UP = {"TASK_STARTING", "TASK_RUNNING"}
HERE = Path(__file__).resolve().parent


def free_ports(offer: Json) -> list[list[int]]:
    """Return the ranges of host ports, both ends included."""
    ports = [r for r in offer["resources"] if r["name"] == "ports"]
    return [[r["begin"], r["end"]] for x in ports for r in x["ranges"]["range"]]


def take_ports(free: list[list[int]], want: int | list[int]) -> list[int] | None:
    """Take host ports, how many or which, out of the free ranges; None if they are not there."""
    if isinstance(want, int):
        flat = [p for a, b in free for p in range(a, min(b, a + want - 1) + 1)][:want]
        if len(flat) < want:
            return None
        want = flat
    if not all(any(a <= p <= b for a, b in free) for p in want):
        return None
    for p in want:
        i = next(i for i, (a, b) in enumerate(free) if a <= p <= b)
        a, b = free.pop(i)
        free[i:i] = [r for r in ([a, p - 1], [p + 1, b]) if r[0] <= r[1]]
    return want


def scalar(offer: Json, name: str) -> float:
    """Return how much of ``cpus`` or ``mem`` (MiB) an offer holds."""
    return float(sum(x["scalar"]["value"] for x in offer["resources"] if x["name"] == name))


def suits_best(host: str, agents: Iterable[str], there: Iterable[str], avoid: str = "") -> bool:
    """Tell whether no agent but the one to avoid has fewer instances of an app than this host.

    ``there`` has the agent of each instance.
    """
    count = Counter(there)
    return host != avoid and all(count[host] <= count[a] for a in agents if a != avoid)


def task_info(spec: Json, offer: Json, ports: list[int]) -> Json:
    """Return the TaskInfo of a task as framework.py's head describes it, on an offer's agent.

    Its process finds its host and its ports in ``HOST`` and ``PORT0`` on.
    """
    variables = {"HOST": offer["hostname"]}
    variables |= {f"PORT{i}": str(p) for i, p in enumerate(ports)}
    info: Json = {
        "name": spec.get("name", spec["id"]),
        "task_id": {"value": spec["id"]},
        "agent_id": offer["agent_id"],
        "resources": [
            _resource("cpus", spec.get("cpus", 0.1)),
            _resource("mem", spec.get("mem", 32)),
        ],
    }
    if ports:
        ranges = [{"begin": p, "end": p} for p in ports]
        info["resources"].append({"name": "ports", "type": "RANGES", "ranges": {"range": ranges}})
    if spec.get("labels"):
        info["labels"] = {"labels": [{"key": k, "value": v} for k, v in spec["labels"].items()]}
    for field, given in (("health_check", "health"), ("discovery", "discovery")):
        if spec.get(given):
            info[field] = filled(spec[given], ports)
    if spec.get("executor"):
        info["executor"] = {
            "type": "CUSTOM",
            "executor_id": {"value": spec["executor"]},
            "name": spec["executor"],
            "command": {"value": f"exec python3 {HERE / 'executor.py'}"},
            "resources": [_resource("cpus", 0.1), _resource("mem", 32)],
        }
    else:
        listed = [{"name": k, "value": v} for k, v in variables.items()]
        command = spec.get("cmd", "exec sleep 1000000")
        info["command"] = {"value": command, "environment": {"variables": listed}}
    info |= filled(spec.get("raw", {}), ports)
    return {k: v for k, v in info.items() if v is not None}


def filled(value: Any, ports: list[int]) -> Any:
    """Return a value in which each "$0" is the first host port, "$1" the second, and so on."""
    if isinstance(value, dict):
        return {k: filled(v, ports) for k, v in value.items()}
    if isinstance(value, list):
        return [filled(v, ports) for v in value]
    if isinstance(value, str) and value.startswith("$") and value[1:].isdigit():
        return ports[int(value[1:])]
    return value


def moment(task_id: str, task: Json, status: Json) -> Json:
    """Return what an update says of a task, and where the task is."""
    infos = status.get("container_status", {}).get("network_infos", [])
    return {
        "task": task_id,
        "state": status["state"],
        "healthy": status.get("healthy"),
        "agent": task.get("agent", ""),
        "ports": task.get("ports", []),
        "addresses": [a["ip_address"] for i in infos for a in i.get("ip_addresses", [])],
    }


def _resource(name: str, value: float) -> Json:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}}

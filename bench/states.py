"""Writes a master's state of any size, as real ones are: scripts/bench states 10000 FILE [--v1]"""

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]

FRAMEWORKS = ("marathon", "chronos", "kafka", "spark")
NAMES = ("web", "api", "cart", "search", "users", "mail", "ledger", "images", "audit", "queue")
NETWORKS = ("host", "bridge", "overlay", "dual")
LEADER = "10.0.0.1:5050"


def agent_id(number: int) -> str:
    """Return the id of an agent."""
    return f"2f3a9c1e-5b7d-4e8f-9a0b-1c2d3e4f5a6b-S{number}"


def framework_id(name: str) -> str:
    """Return the id of a framework."""
    return f"2f3a9c1e-5b7d-4e8f-9a0b-1c2d3e4f5a6b-{FRAMEWORKS.index(name):04}"


def agent_address(number: int) -> str:
    """Return the address of an agent."""
    return f"10.{1 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}"


def tasks(count: int, agents: int, seed: int = 1) -> Iterator[Json]:
    """Yield tasks in the form of the operator API."""
    chance = random.Random(seed)
    for number in range(count):
        yield task(number, chance.randrange(agents), chance)


def task(number: int, agent: int, chance: random.Random) -> Json:
    """Return one task with all that a running one of Marathon has."""
    app = f"{NAMES[number // 20 % len(NAMES)]}-{number // 20}"
    framework = FRAMEWORKS[min(number % 7, 3)]
    network = chance.choice(NETWORKS)
    port = 31000 + number % 1000
    addresses = {
        "host": [agent_address(agent)],
        "bridge": [f"172.17.{number // 250 % 250}.{number % 250 + 2}"],
        "overlay": [f"9.{number // 62500}.{number // 250 % 250}.{number % 250 + 2}"],
        "dual": [f"9.200.{number // 250 % 250}.{number % 250 + 2}", f"fd01:b::{number:x}"],
    }[network]
    mapping = {"host_port": port, "container_port": 8080, "protocol": "tcp"}
    info: Json = {"ip_addresses": [{"protocol": "IPv4", "ip_address": a} for a in addresses]}
    if network == "bridge":
        info["port_mappings"] = [mapping]
    id_ = f"{app}.instance-{chance.getrandbits(128):032x}._app.1"
    labels = {"labels": [{"key": "VIP_0", "value": f"/{app}:80"}, {"key": "team", "value": "x"}]}
    return {
        "name": f"{app}.prod",
        "task_id": {"value": id_},
        "framework_id": {"value": framework_id(framework)},
        "agent_id": {"value": agent_id(agent)},
        "state": "TASK_RUNNING",
        "resources": [
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}},
            {"name": "mem", "type": "SCALAR", "scalar": {"value": 128.0}},
            {
                "name": "ports",
                "type": "RANGES",
                "ranges": {"range": [{"begin": port, "end": port}]},
            },
        ],
        "statuses": [
            _status(id_, "TASK_STARTING", 1_700_000_000.0 + number, info),
            _status(id_, "TASK_RUNNING", 1_700_000_002.5 + number, info, healthy=True),
        ],
        "labels": {"labels": [{"key": "app", "value": app}, {"key": "owner", "value": "ops"}]},
        "discovery": {
            "visibility": "FRAMEWORK",
            "name": f"{app}.prod",
            "ports": {"ports": [_port(port, labels)]},
        },
        "container": {
            "type": "DOCKER",
            "network_infos": [],
            "docker": {
                "image": f"registry.example/{app}:1.4.2",
                "network": "BRIDGE" if network == "bridge" else "HOST",
                "port_mappings": [mapping] if network == "bridge" else [],
                "privileged": False,
            },
        },
        "health_check": {
            "delay_seconds": 15.0, "interval_seconds": 10.0, "timeout_seconds": 20.0,
            "consecutive_failures": 3, "grace_period_seconds": 300.0, "type": "HTTP",
            "http": {"port": port, "path": "/health", "scheme": "http"},
        },
    }  # fmt: skip


def _port(number: int, labels: Json) -> Json:
    return {"number": number, "name": "http", "protocol": "tcp", "labels": labels}


def _status(id_: str, state: str, timestamp: float, info: Json, **more: Any) -> Json:
    return {
        "task_id": {"value": id_},
        "state": state,
        "source": "SOURCE_EXECUTOR",
        "timestamp": timestamp,
        "container_status": {
            "container_id": {"value": f"c-{id_[-40:]}"},
            "network_infos": [info],
            "executor_pid": 4711,
        },
        **more,
    }


def old_form(task: Json) -> Json:
    """Return the task as ``/state`` has it."""
    ranges = task["resources"][2]["ranges"]["range"][0]
    keep = ("state", "timestamp", "container_status", "healthy")
    return {
        "id": task["task_id"]["value"],
        "name": task["name"],
        "framework_id": task["framework_id"]["value"],
        "executor_id": "",
        "slave_id": task["agent_id"]["value"],
        "state": task["state"],
        "resources": {
            "disk": 0.0, "mem": 128.0, "gpus": 0.0, "cpus": 0.1,
            "ports": f"[{ranges['begin']}-{ranges['end']}]",
        },
        "role": "slave_public",
        "statuses": [{k: s[k] for k in keep if k in s} for s in task["statuses"]],
        "labels": task["labels"]["labels"],
        **{key: task[key] for key in ("discovery", "container", "health_check")},
    }  # fmt: skip


def v0(count: int, agents: int) -> bytes:
    """Return the body of a master's ``/state``."""
    by_framework: dict[str, list[Json]] = {framework_id(name): [] for name in FRAMEWORKS}
    for one in map(old_form, tasks(count, agents)):
        by_framework[one["framework_id"]].append(one)
    state = {
        "version": "1.11.0",
        "elected_time": 1_700_000_000.5,
        "leader": f"master@{LEADER}",
        "slaves": [
            {
                "id": agent_id(n),
                "hostname": agent_address(n),
                "port": 5051,
                "pid": f"slave(1)@{agent_address(n)}:5051",
                "attributes": {"rack": f"r{n % 20}"},
                "resources": {"cpus": 16.0, "mem": 63488.0, "ports": "[31000-32000]"},
            }
            for n in range(agents)
        ],
        "recovered_slaves": [],
        "frameworks": [
            {
                "id": framework_id(name),
                "name": name,
                "hostname": "10.0.0.5",
                "active": True,
                "tasks": by_framework[framework_id(name)],
                "unreachable_tasks": [],
                "completed_tasks": by_framework[framework_id(name)][: count // 40],
            }
            for name in FRAMEWORKS
        ],
    }
    return json.dumps(state, separators=(",", ":")).encode()


def v1(count: int, agents: int) -> bytes:
    """Return a master's reply to ``GET_STATE``."""
    infos = [
        {
            "agent_info": {
                "id": {"value": agent_id(n)},
                "hostname": agent_address(n),
                "port": 5051,
                "attributes": [{"name": "rack", "type": "TEXT", "text": {"value": f"r{n % 20}"}}],
            },
            "pid": f"slave(1)@{agent_address(n)}:5051",
            "active": True,
        }
        for n in range(agents)
    ]
    frameworks = [
        {
            "framework_info": {
                "id": {"value": framework_id(name)}, "name": name, "hostname": "10.0.0.5",
            },
            "active": True,
        }
        for name in FRAMEWORKS
    ]  # fmt: skip
    listed = list(tasks(count, agents))
    state = {
        "get_tasks": {"tasks": listed, "unreachable_tasks": [], "completed_tasks": []},
        "get_frameworks": {"frameworks": frameworks},
        "get_agents": {"agents": infos, "recovered_agents": []},
    }
    return json.dumps({"type": "GET_STATE", "get_state": state}, separators=(",", ":")).encode()


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--agents", type=int, default=500)
    parser.add_argument("--v1", action="store_true", help="a reply to GET_STATE, not a /state")
    options = parser.parse_args()
    body = (v1 if options.v1 else v0)(options.tasks, options.agents)
    options.file.write_bytes(body)
    print(f"{options.file}: {len(body) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

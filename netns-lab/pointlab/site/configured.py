"""The configuration of what runs on a node."""

import json
from typing import Any

from pointlab.site.mesos import MASTER_PORT, ZOOKEEPER_PORT
from pointlab.site.topology import Node, Topology

CHECK_INTERVAL = 10.0
"""Seconds between two looks of a Pointsman at its kernel, where the topology does not say."""


def pointsman(topology: Topology, one: Node, state: str) -> str:
    """Return the configuration of a node's Pointsman, in TOML; ``state`` is its folder."""
    tables: dict[str, dict[str, Any]] = {
        "discovery": _masters(topology) | {"poll_interval": 0.5, "retry_max": 1.0},
        "dns": {"listen": [_endpoint(address) for address in one.addresses], "ttl": 5},
        "vip": {"node_address": one.address, "check_interval": CHECK_INTERVAL},
    }
    for further in (topology.pointsman, one.pointsman):
        for table, values in further.items():
            tables[table] = tables.get(table, {}) | values
    text = f"state_dir = {json.dumps(state)}\n"
    for table, values in tables.items():
        lines = (f"{key} = {_toml(value)}\n" for key, value in values.items())
        text += f"\n[{table}]\n" + "".join(lines)
    return text


def _masters(topology: Topology) -> dict[str, Any]:
    for zookeeper in topology.running("zookeeper"):
        return {"zookeeper": f"zk://{zookeeper.address_of(4)}:{ZOOKEEPER_PORT}/mesos"}
    return {"masters": [f"{m.address_of(4)}:{MASTER_PORT}" for m in topology.running("master")]}


def _toml(value: Any) -> str:
    """Write a value; strings, numbers and booleans of JSON are those of TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def _endpoint(address: str) -> str:
    return f"[{address}]:53" if ":" in address else f"{address}:53"

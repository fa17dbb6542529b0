"""Apps for the framework: web servers behind a VIP, written as Marathon writes each network."""

from collections.abc import Mapping
from typing import Any

from pointlab.site.mesos import SOURCES, python
from pointlab.site.topology import Topology

INNER = 8080
"""The port in a container: neither its host port nor the VIP's, so that each mistake shows."""
NETWORKS = {"bridge": "mesos-bridge", "overlay": "dcos", "routed": "routed"}
"""How networks of containers are called, by kind."""


def web(
    topology: Topology,
    name: str,
    *,
    check: str = "",
    grace: float = 3.0,
    port: int = 80,
    network: str = "",
    host_port: int = 0,
) -> dict[str, Any]:
    """Return an app of small HTTP servers behind the VIP ``/NAME:PORT``, without its number.

    ``check`` is how each Pointsman checks them (``http /health``); ``grace`` how many seconds
    ending may take; ``network`` the kind, that of the topology's containers if not said, or
    ``docker`` where there are bridges; ``host_port`` which one it has, any if not said.
    """
    kind = network or topology.containers.kind
    labels = {"VIP_0": f"/{name}:{port}"} | ({"VIP_0_HEALTHCHECK": check} if check else {})
    ports: int | list[int] = [host_port] if host_port else 1
    number: int | str = "$0"
    command = f"exec {python()} -IS {SOURCES / 'web.py'} $HOST $PORT0"
    raw: dict[str, Any] = {"kill_policy": {"grace_period": {"nanoseconds": int(grace * 1e9)}}}
    if kind in ("bridge", "docker"):
        labels["network-scope"] = "host"
        mapping = {"host_port": "$0", "container_port": INNER, "protocol": "tcp"}
        raw["container"] = _docker(mapping) if kind == "docker" else _mesos(kind, mapping)
    elif kind != "host":
        labels |= {"network-scope": "container", "network-name": NETWORKS[kind]}
        ports, number = 0, INNER
        raw["container"] = _mesos(kind)
    spec = {
        "cmd": command,
        "ports": ports,
        "health": _health(number if kind == "host" else INNER, _version(topology, kind)),
        "discovery": _discovery(name, number, labels),
        "raw": raw,
    }
    if kind == "host":
        return spec
    # The agent's own containerizer has no such networks. It does not ask what container a task is
    # in whose executor others share; Mesos gives such a task no command, so a label does.
    return spec | {
        "labels": {"LAB_NETWORK": kind, "LAB_COMMAND": command},
        "executor": "containers",
    }


def _version(topology: Topology, kind: str) -> int:
    """Return the IP version of checks: 6 where containers have no IPv4 address."""
    subnets = topology.containers.subnets if kind != "host" else ()
    return 6 if subnets and all(":" in subnet for subnet in subnets) else 4


def _health(number: int | str, version: int) -> dict[str, Any]:
    http = {"port": number, "path": "/"} | ({"protocol": "IPv6"} if version == 6 else {})
    # Without it a task counts as soon as its process starts, and would be asked too early.
    return {
        "type": "HTTP",
        "http": http,
        "delay_seconds": 0,
        "interval_seconds": 1,
        "timeout_seconds": 2,
        "consecutive_failures": 3,
    }


def _discovery(name: str, number: int | str, labels: Mapping[str, str]) -> dict[str, Any]:
    listed = [{"key": key, "value": value} for key, value in labels.items()]
    port = {
        "number": number,
        "name": "http",
        "protocol": "tcp",
        "labels": {"labels": listed},
    }
    return {"visibility": "EXTERNAL", "name": name, "ports": {"ports": [port]}}


def _mesos(kind: str, *mappings: Mapping[str, Any]) -> dict[str, Any]:
    info: dict[str, Any] = {"name": NETWORKS[kind]}
    if mappings:
        info["port_mappings"] = list(mappings)
    return {"type": "MESOS", "network_infos": [info]}


def _docker(mapping: Mapping[str, Any]) -> dict[str, Any]:
    docker = {"image": "web", "network": "BRIDGE", "port_mappings": [mapping]}
    return {"type": "DOCKER", "docker": docker}

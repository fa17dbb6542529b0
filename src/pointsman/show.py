"""Prints the views of a state without serving them: the dry run, and what golden tests compare."""

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from pointsman import health_view, terminal
from pointsman.config import Config
from pointsman.discovery import details
from pointsman.discovery.model import Cluster, Task
from pointsman.dns.records import Record, address_records
from pointsman.generation import own_records, zones
from pointsman.healthcheck.model import TRUSTING
from pointsman.pipeline import Views, derive
from pointsman.rules import rules, vip_apex
from pointsman.terminal import Cell
from pointsman.vip.elect import order
from pointsman.vip.kernel import Kernel
from pointsman.vip.model import Protocol

IN_TABLE = {
    "targets": ("target", "check", "interval", "tasks"),
    "agents": ("id", "address", "hostname", "attributes", "region", "zone"),
    "tasks": ("id", "framework", "state", "healthy", "agent", "network", "addresses", "ports"),
}
"""Columns for people, where JSON has more than fits."""


def show(what: str, of: Cluster, config: Config, *, as_json: bool, colours: bool = False) -> str:
    """Return the text of one view of a cluster: ``zone``, ``vips``, ``health`` and so on.

    What nobody has probed yet is taken to be up.
    """
    views = derive(of, rules(config), health=TRUSTING)
    value = VIEWS[what](views, config)
    if as_json:
        return _json(value)
    tables = {name: rows for name, rows in value.items() if isinstance(rows, list)}
    if len(tables) == 1:
        ((name, rows),) = tables.items()
        return table(_columns(name, rows), colours=colours)
    return "\n".join(_section(*each, colours=colours) for each in value.items())


def changes(
    of: Cluster, config: Config, own: Iterable[str], kernel: Kernel, *, as_json: bool
) -> str:
    """Return the text of what would be changed of a kernel's virtual servers, in order."""
    targets = derive(of, rules(config, own), health=TRUSTING).wanted.targets
    found = [str(change) for change in kernel.sync(targets, (), 0.0).changes]
    if as_json:
        return _json({"changes": found})
    return "".join(f"{line}\n" for line in found or ["nothing"])


def health(found: dict[str, Any], *, as_json: bool, colours: bool = False) -> str:
    """Return the text of what a running Pointsman tells of its checks (``/v1/health``)."""
    if as_json:
        return _json(found)
    return table(health_view.text(found["targets"]), colours=colours)


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def _section(name: str, content: Any, *, colours: bool) -> str:
    if not content or not isinstance(content, list) or not isinstance(content[0], dict):
        return f"{name}: {_text(content)}\n"
    return f"{name}:\n{table(_columns(name, content), colours=colours)}"


def _columns(name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what of each row is for people."""
    if name not in IN_TABLE:
        return rows
    return [{column: row[column] for column in IN_TABLE[name]} for row in rows]


def zone(views: Views, config: Config) -> dict[str, Any]:
    """Return all records that are answered, sorted; without those of the zones themselves."""
    served = zones(config, (), 1)
    served.update((), (r for derived in views.derived.values() for r in derived.records))
    served.update((), [*vip_records(views.wanted.names, config), *own_records(config, ())])
    records = [
        {"name": found.name, "type": found.type, "ttl": found.ttl, "data": data}
        for each in served
        for found in each.rrsets()
        if found.type not in ("SOA", "NS")
        for data in found.data
    ]
    return {"records": sorted(records, key=_order)}


def vip_records(names: Mapping[str, tuple[str, ...]], config: Config) -> list[Record]:
    """Return the records of VIPs, by their names: these, and those of their addresses."""
    found: list[Record] = []
    for name, addresses in names.items():
        found += address_records(f"{name}.{vip_apex(config)}", addresses, config.vip.ttl)
    return [*found, *rules(config).reverse.of(found)]


def vips(views: Views, config: Config) -> dict[str, Any]:
    """Return all virtual servers, sorted, with their real servers and the tasks behind them."""
    names = {a: name for name, addresses in views.wanted.names.items() for a in addresses}
    servers = []
    for key, server in views.wanted.table.items():
        tasks = {b.endpoint: b for b in sorted(views.wanted.behind(key), key=order, reverse=True)}
        name = names.get(key.address)
        servers.append(
            {
                "name": f"{name}.{vip_apex(config).rstrip('.')}" if name else None,
                "protocol": str(Protocol(key.protocol)),
                "address": key.address,
                "port": key.port,
                "scheduler": server.settings.scheduler,
                "real_servers": [
                    {
                        "address": endpoint.address,
                        "port": endpoint.port,
                        "weight": real.weight,
                        "agent": tasks[endpoint].agent,
                        "framework_id": tasks[endpoint].framework_id,
                        "task_id": tasks[endpoint].task_id,
                    }
                    for endpoint, real in server.real_servers.items()
                ],
            }
        )
    return {"virtual_servers": servers}


def cluster(views: Views, _: Config) -> dict[str, Any]:
    """Return what is known of the cluster: leader, agents, frameworks and tasks, sorted."""
    known = views.cluster
    return {
        "leader": str(known.leader) if known.leader else None,
        "masters": [str(master) for master in known.masters],
        "agents": [
            {
                "id": a.id,
                "address": a.address,
                "port": a.port,
                "hostname": a.hostname,
                "attributes": dict(a.attributes),
                "region": a.region,
                "zone": a.zone,
            }
            for _, a in sorted(known.agents.items())
        ],
        "frameworks": [
            {"id": f.id, "name": f.name, "address": f.address, "active": f.active}
            for _, f in sorted(known.frameworks.items())
        ],
        "tasks": [_task(t) for t in sorted(details.tasks(known), key=lambda t: t.key)],
    }


def _task(task: Task) -> dict[str, Any]:
    info = task.discovery
    return {
        "id": task.id,
        "name": task.name,
        "framework": task.framework,
        "framework_id": task.framework_id,
        "agent": task.agent,
        "state": task.state,
        "healthy": task.healthy,
        "health_checked": task.checked,
        "network": task.network,
        "networks": task.networks,
        "addresses": task.addresses,
        "ports": task.ports,
        "port_mappings": [msgspec.to_builtins(mapping) for mapping in task.mappings],
        "labels": [list(label) for label in task.labels],
        "discovery": None if info is None else msgspec.to_builtins(info),
    }


def targets(views: Views, _: Config) -> dict[str, Any]:
    """Return what would be probed."""
    return {"targets": health_view.rows(views, {}, {}, 0.0)}


def notes(views: Views, _: Config) -> dict[str, Any]:
    """Return what was left out, and why."""
    return {"notes": [{"where": n.where, "why": n.why} for n in views.notes]}


VIEWS: dict[str, Callable[[Views, Config], dict[str, Any]]] = {
    "zone": zone,
    "vips": vips,
    "health": targets,
    "cluster": cluster,
    "notes": notes,
}


def _order(record: dict[str, Any]) -> tuple[object, ...]:
    """Sort by name and type, and addresses by their number."""
    name, type_, data = record["name"], record["type"], record["data"]
    return name, type_, int(ipaddress.ip_address(data)) if type_ in ("A", "AAAA") else 0, data


def table(rows: Sequence[Mapping[str, Any]], *, colours: bool = False) -> str:
    """Return rows as aligned columns under their names; nested values a line each below."""
    if not rows:
        return "nothing\n"
    names = [name for name in rows[0] if name != "real_servers"]
    heads = [Cell(name.upper(), "heading") for name in names]
    cells = [heads, *([Cell(_text(row[name])) for name in names] for row in rows)]
    head, *lines = terminal.table(cells, colours=colours)
    found = [head]
    for line, whole in zip(lines, rows, strict=True):
        found.append(line)
        found += (
            f"  -> {real['address']}:{real['port']} weight {real['weight']}"
            f" (task {real['task_id']} on {real['agent']})"
            for real in whole.get("real_servers", ())
        )
    return "\n".join(found) + "\n"


def _text(value: Any) -> str:
    if value in (None, "", (), []):
        return "-"
    if isinstance(value, dict):
        return ",".join(f"{k}={v}" for k, v in value.items()) or "-"
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

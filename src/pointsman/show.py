"""Prints the views of a state without serving them: the dry run, and what golden tests compare."""

import ipaddress
from typing import Any

import msgspec

from pointsman.config import Config
from pointsman.discovery import state
from pointsman.dns.records import Record, address_records
from pointsman.pipeline import Views, derive
from pointsman.rules import rules, vip_apex
from pointsman.vip.model import Protocol


def show(what: str, body: bytes, config: Config, *, as_json: bool) -> str:
    """Return the text of one view (``zone``, ``vips``, ``cluster``, ``notes``) of a state's body.

    Raises Transient when the body is no state.
    """
    views = derive(state.read(body), rules(config))
    value = {"zone": zone, "vips": vips, "cluster": cluster, "notes": notes}[what](views, config)
    if as_json:
        return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
    (rows,) = value.values()
    return _table(rows)


def zone(views: Views, config: Config) -> dict[str, Any]:
    """Return all records, sorted, of the cluster's zone and of its VIPs."""
    records = {r for derived in views.derived.values() for r in derived.records}
    for name, addresses in views.wanted.names.items():
        records.update(address_records(f"{name}.{vip_apex(config)}", addresses, config.vip.ttl))
    return {
        "records": [
            {"name": r.name, "type": r.type, "ttl": r.ttl, "data": r.data}
            for r in sorted(records, key=_order)
        ]
    }


def vips(views: Views, config: Config) -> dict[str, Any]:
    """Return all virtual servers, sorted, with their real servers and the tasks behind them."""
    names = {a: name for name, addresses in views.wanted.names.items() for a in addresses}
    servers = []
    for key, server in views.wanted.table.items():
        tasks = {b.endpoint: b for b in views.wanted.backends[key]}
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
    """Return all tasks, sorted by framework and id."""
    return {
        "tasks": [
            {
                "id": t.id,
                "framework": t.framework,
                "state": t.state,
                "healthy": t.healthy,
                "agent": t.agent,
                "addresses": t.addresses,
                "ports": t.ports,
            }
            for _, t in sorted(views.cluster.tasks.items())
        ]
    }


def notes(views: Views, _: Config) -> dict[str, Any]:
    """Return what was left out, and why."""
    return {"notes": [{"where": n.where, "why": n.why} for n in views.notes]}


def _order(record: Record) -> tuple[object, ...]:
    """Sort by name and type, and addresses by their number."""
    address = int(ipaddress.ip_address(record.data)) if record.type in ("A", "AAAA") else 0
    return record.name, record.type, address, record.data


def _table(rows: list[dict[str, Any]]) -> str:
    """Return rows as aligned columns under their names; nested values a line each below."""
    if not rows:
        return "nothing\n"
    flat = [{k: _text(v) for k, v in row.items() if k != "real_servers"} for row in rows]
    widths = {k: max(len(k), *(len(row[k]) for row in flat)) for k in flat[0]}
    lines = ["  ".join(k.upper().ljust(w) for k, w in widths.items()).rstrip()]
    for row, whole in zip(flat, rows, strict=True):
        lines.append("  ".join(row[k].ljust(w) for k, w in widths.items()).rstrip())
        lines += (
            f"  -> {real['address']}:{real['port']} weight {real['weight']}"
            f" (task {real['task_id']} on {real['agent']})"
            for real in whole.get("real_servers", ())
        )
    return "\n".join(lines) + "\n"


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

"""What goes on here, for people: each VIP with its real servers, their state and their traffic."""

import http.client
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pointsman.config import Config
from pointsman.discovery import text
from pointsman.discovery.errors import Fatal, Transient
from pointsman.health_view import why
from pointsman.healthcheck.model import Status, Target
from pointsman.vip.backends import Backend
from pointsman.vip.elect import order
from pointsman.vip.model import Activity, Endpoint, Forwarding, Key, Protocol, RealServer
from pointsman.vip.parts import Look
from pointsman.vip.wanted import Wanted

PATIENCE = 10.0
"""Seconds for an answer of the process that runs here."""


def matching(look: Look, wanted: Wanted, domain: str, search: str = "") -> list[Key]:
    """Return the virtual servers that are wanted or there, sorted.

    With a word to search for, those of which it is in the name, the address with its port, or the
    id of a task behind it.
    """
    word, names = search.lower(), _names(wanted, domain)

    def matches(key: Key) -> bool:
        said = (names.get(key.address, ""), text.joined(key.address, key.port))
        return any(word in one for one in said) or any(
            word in one.task_id.lower() for one in wanted.behind(key)
        )

    keys = (key for key in sorted({*wanted.targets, *look.table}) if not key.fwmark)
    return [key for key in keys if not word or matches(key)]


def virtual_servers(
    keys: Iterable[Key],
    look: Look,
    wanted: Wanted,
    health: Mapping[Target, Status],
    domain: str,
    now: float,
) -> list[dict[str, Any]]:
    """Return what is told of these; ``now`` is of the clock of ``look.deadlines``."""
    names = _names(wanted, domain)
    return [
        {
            "name": names.get(key.address),
            "protocol": str(Protocol(key.protocol)),
            "address": key.address,
            "port": key.port,
            "scheduler": _scheduler(key, look, wanted),
            "in_kernel": key in look.table,
            **_counted(look.traffic.get(key, Activity())),
            "real_servers": list(_real_servers(key, look, wanted, health, now)),
        }
        for key in keys
    ]


def _names(wanted: Wanted, domain: str) -> dict[str, str]:
    """Return the full name of each address that has one."""
    return {
        address: f"{name}.{domain}"
        for name, addresses in wanted.names.items()
        for address in addresses
    }


def _scheduler(key: Key, look: Look, wanted: Wanted) -> str:
    there = look.table.get(key) or wanted.targets[key].server
    return there.settings.scheduler


def _real_servers(
    key: Key, look: Look, wanted: Wanted, health: Mapping[Target, Status], now: float
) -> Iterator[dict[str, Any]]:
    tasks: dict[Endpoint, Backend] = {}
    for one in sorted(wanted.behind(key), key=order, reverse=True):
        tasks[one.local] = tasks[one.endpoint] = one
    target = wanted.targets.get(key)
    expected = target.server.real_servers if target else {}
    there = look.table[key].real_servers if key in look.table else {}
    activity = look.activity.get(key, {})
    for endpoint in sorted(expected.keys() | there.keys()):
        task = tasks.get(endpoint)
        real = there.get(endpoint)
        found = activity.get(endpoint, Activity())
        yield {
            "address": endpoint.address,
            "port": endpoint.port,
            "state": _state(real, task),
            "why": why(task.verdict, health.get(task.target), now) if task and task.target else "",
            "left": _left(look.deadlines.get((key, endpoint)), now),
            "weight": real.weight if real else 0,
            "forwarding": Forwarding(real.forwarding).name.lower() if real else None,
            "active": found.active,
            "inactive": found.inactive,
            **_counted(found),
            "task_id": task.task_id if task else None,
            "agent": task.agent if task else None,
        }


def _state(real: RealServer | None, task: Backend | None) -> str:
    """Return what a real server is: live, or why not, and whether it keeps connections."""
    verdict = str(task.verdict) if task else "unknown"
    if real is None:
        return f"{verdict}, out" if verdict != "live" else "out"
    if real.weight:
        return "live" if verdict == "live" else f"{verdict}, used"
    return f"{verdict}, draining" if verdict != "live" else "draining"


def _left(deadline: float | None, now: float) -> float | None:
    return None if deadline is None else max(round(deadline - now, 1), 0.0)


def _counted(found: Activity) -> dict[str, int]:
    return {
        "connections": found.connections,
        "bytes_in": found.bytes_in,
        "bytes_out": found.bytes_out,
        "connection_rate": found.connection_rate,
        "bytes_in_rate": found.bytes_in_rate,
        "bytes_out_rate": found.bytes_out_rate,
    }


def fetch(config: Config, path: str = "/v1/status") -> dict[str, Any]:
    """Ask the process that runs here.

    Raises Fatal when the configuration gives it no place to be asked at, and Transient when it
    does not answer there.
    """
    if not config.http.listen:
        raise Fatal("http.listen is empty: there is nobody to ask")
    host, port = text.endpoint(config.http.listen)
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        body = reply.read()
        if reply.status != 200:
            raise Transient(f"http://{config.http.listen}{path} answers {reply.status}")
        found: dict[str, Any] = json.loads(body)
    except (OSError, http.client.HTTPException, ValueError) as error:
        problem = f"no Pointsman answers at http://{config.http.listen}: {error}; is it running?"
        raise Transient(problem) from error
    finally:
        connection.close()
    return found


def page(status: Mapping[str, Any]) -> str:
    """Return it as lines for a terminal."""
    return "\n".join([*_head(status), *_table(status["virtual_servers"])]) + "\n"


def _head(status: Mapping[str, Any]) -> Iterator[str]:
    servers = status["virtual_servers"]
    reals = [real for server in servers for real in server["real_servers"]]
    yield f"{'ready' if status['ready'] else status['not_ready']}; {status['mode']}"
    yield (
        f"{len(servers)} virtual servers, {len(reals)} real servers, "
        f"{sum(real['left'] is not None for real in reals)} draining"
    )
    for setting, value in status["settings"].items():
        yield f"  {setting} = {value}"
    for complaint in status["complaints"]:
        yield f"! {complaint}"
    yield ""


def _table(servers: list[dict[str, Any]]) -> Iterator[str]:
    columns = ("VIP", "STATE", "WEIGHT", "ACTIVE", "INACTIVE", "TOTAL", "NEW/S", "IN/S", "OUT/S")
    rows: list[tuple[str, ...]] = [columns]
    for server in servers:
        vip = f"{server['protocol']} {text.joined(server['address'], server['port'])}"
        state = server["scheduler"] if server["in_kernel"] else f"{server['scheduler']}, not served"
        reals = server["real_servers"]
        rows.append((
            f"{vip} {server['name'] or ''}".strip(), state, "",
            str(sum(real["active"] for real in reals)),
            str(sum(real["inactive"] for real in reals)), *_rates(server),
        ))  # fmt: skip
        for real in reals:
            left = f" {real['left']:.0f} s" if real["left"] is not None else ""
            rows.append((
                f"  {text.joined(real['address'], real['port'])} {real['task_id'] or ''}".rstrip(),
                _told(real) + left, str(real["weight"]),
                str(real["active"]), str(real["inactive"]), *_rates(real),
            ))  # fmt: skip
    widths = [max(len(row[at]) for row in rows) for at in range(len(columns))]
    for row in rows:
        first, second, *numbers = row
        rest = (n.rjust(w) for n, w in zip(numbers, widths[2:], strict=True))
        yield "  ".join([first.ljust(widths[0]), second.ljust(widths[1]), *rest]).rstrip()


def _told(real: Mapping[str, Any]) -> str:
    """Return its state, and since when and why, where a check of ours says so."""
    state, _, rest = str(real["state"]).partition(", ")
    if not real["why"]:
        return str(real["state"])
    return f"{real['why']}, {rest}" if rest else f"{state} ({real['why']})"


def _rates(counted: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return (
        str(counted["connections"]),
        str(counted["connection_rate"]),
        _octets(counted["bytes_in_rate"]),
        _octets(counted["bytes_out_rate"]),
    )


def _octets(number: float) -> str:
    for unit in ("", "k", "M", "G"):
        if number < 1000:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.3g}T"

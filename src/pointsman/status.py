"""What goes on here, for people: each VIP with its real servers, their state and their traffic."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pointsman import terminal
from pointsman.discovery import text
from pointsman.health_view import why
from pointsman.healthcheck.model import Status, Target
from pointsman.terminal import Cell, Tone, toned
from pointsman.vip.backends import Backend
from pointsman.vip.elect import order
from pointsman.vip.model import Activity, Endpoint, Forwarding, Key, Protocol, RealServer
from pointsman.vip.parts import Look
from pointsman.vip.wanted import Wanted


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


def page(status: Mapping[str, Any], *, colours: bool = False) -> str:
    """Return it as lines for a terminal."""
    head = _head(status, colours=colours)
    rows = _table(status["virtual_servers"])
    return "\n".join([*head, *terminal.table(rows, colours=colours)]) + "\n"


def _head(status: Mapping[str, Any], *, colours: bool) -> Iterator[str]:
    servers = status["virtual_servers"]
    reals = [real for server in servers for real in server["real_servers"]]
    ready = toned("ready", "good", colours=colours)
    waiting = toned(status["not_ready"], "warning", colours=colours)
    yield f"{ready if status['ready'] else waiting}; {status['mode']}"
    yield (
        f"{len(servers)} virtual servers, {len(reals)} real servers, "
        f"{sum(real['left'] is not None for real in reals)} draining"
    )
    for setting, value in status["settings"].items():
        yield f"  {setting} = {value}"
    for complaint in status["complaints"]:
        yield toned(f"! {complaint}", "bad", colours=colours)
    yield ""


def _table(servers: list[dict[str, Any]]) -> Iterator[tuple[Cell, ...]]:
    columns = ("WEIGHT", "ACTIVE", "INACTIVE", "TOTAL", "NEW/S", "IN/S", "OUT/S")
    numbers = (Cell(name, "heading", right=True) for name in columns)
    yield Cell("VIP", "heading"), Cell("STATE", "heading"), *numbers
    for server in servers:
        reals = server["real_servers"]
        missing = "" if server["in_kernel"] else ", not served"
        yield (
            Cell(f"{vip(server)} {server['name'] or ''}".strip(), "heading"),
            Cell(f"{server['scheduler']}{missing}", "bad" if missing else ""),
            *_numbers(
                "",
                str(sum(real["active"] for real in reals)),
                str(sum(real["inactive"] for real in reals)),
                *_rates(server),
            ),
        )
        for real in reals:
            left = f" {real['left']:.0f} s" if real["left"] is not None else ""
            where = text.joined(real["address"], real["port"])
            yield (
                Cell(f"  {where} {real['task_id'] or ''}".rstrip()),
                Cell(_told(real) + left, tone(real)),
                *_numbers(
                    str(real["weight"]),
                    str(real["active"]),
                    str(real["inactive"]),
                    *_rates(real),
                ),
            )


def _numbers(*said: str) -> Iterator[Cell]:
    return (Cell(one, right=True) for one in said)


def vip(server: Mapping[str, Any]) -> str:
    """Return how a virtual server is called in lists: ``tcp 11.0.0.1:80``."""
    return f"{server['protocol']} {text.joined(server['address'], server['port'])}"


def tone(real: Mapping[str, Any]) -> Tone:
    """Return how good it is what a real server is."""
    state = str(real["state"])
    if state == "live":
        return "good"
    return "bad" if state.startswith(("down", "unhealthy", "refused")) else "warning"


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

"""Where a task's ports are checked: as real servers of VIPs, or for its name alone."""

from collections.abc import Iterable, Sequence

import msgspec

from pointsman.discovery.model import Task
from pointsman.healthcheck.asking import CheckRules, Choice, choose
from pointsman.healthcheck.model import Target
from pointsman.vip.model import Endpoint, Protocol
from pointsman.vip.ports import TaskPort, on_host_network, task_ports


class Checks(msgspec.Struct, frozen=True, gc=False):
    """What is checked, and from where."""

    rules: CheckRules = CheckRules()
    own: frozenset[str] = frozenset()
    """Addresses of this node."""


def real_server(
    task: Task, port: TaskPort, ports: Sequence[TaskPort], place: Endpoint, said: str, via: str,
    checks: Checks,
) -> tuple[Target | None, tuple[str, ...]]:  # fmt: skip
    """Return how a real server is checked, if it is, and what made no sense.

    ``place`` is where this node reaches it; ``said`` what its VIP's label says; ``via`` what its
    virtual server is called.
    """
    choice = choose(task, said, checks.rules, balanced=port.protocol is Protocol.TCP)
    if choice.port and choice.port not in (port.port, port.host_port):
        return _elsewhere(task, ports, choice, checks)
    if choice.check and choice.check.port:
        place = _asked(task, ports, place.address, choice.check.port)
    return _target(task, place, choice, checks, via)


def task(of: Task, checks: Checks) -> tuple[Target | None, tuple[str, ...]]:
    """Return how a task is checked that is no real server, and what made no sense."""
    choice = choose(of, "", checks.rules, balanced=False)
    if choice.check is None:
        return None, choice.problems
    ports, _ = task_ports(of)  # most tasks have no check, and need not be looked at so closely
    if choice.port:
        return _elsewhere(of, ports, choice, checks)
    place = _first(of, ports)
    if choice.check.port:
        place = _asked(of, ports, (of.addresses or (of.agent,))[0], choice.check.port)
    if place is None:
        return None, (*choice.problems, "its check names no port, and it has none")
    return _target(of, place, choice, checks)


def reached(of: Task, port: TaskPort) -> Endpoint | None:
    """Return where a port is reached from outside; None where it isn't."""
    if port.host_port:
        return Endpoint(of.agent, port.host_port)
    return Endpoint((of.addresses or (of.agent,))[0], port.port) if port.port else None


def _asked(of: Task, ports: Iterable[TaskPort], address: str, number: int) -> Endpoint:
    """Return where a port is that a check names: the container's, or where its ports are mapped.

    ``address`` is where the task is reached itself.
    """
    mapped = {port.port: port.host_port for port in ports if port.host_port and port.port}
    return Endpoint(of.agent, mapped.get(number, number)) if mapped else Endpoint(address, number)


def _first(of: Task, ports: Iterable[TaskPort]) -> Endpoint | None:
    found = (reached(of, port) for port in ports)
    place = next((endpoint for endpoint in found if endpoint), None)
    return place or (Endpoint(of.agent, of.ports[0]) if of.ports else None)


def _elsewhere(
    of: Task, ports: Iterable[TaskPort], choice: Choice, checks: Checks
) -> tuple[Target | None, tuple[str, ...]]:
    """Return the target of a check that Mesos makes of another port, inside the task's network."""
    mapped = (reached(of, port) for port in ports if port.port == choice.port)
    place = next((endpoint for endpoint in mapped if endpoint), None)
    if place is None and not any(port.host_port and port.port for port in ports):
        inside = of.agent if on_host_network(of) else of.addresses[0]
        place = Endpoint(inside, choice.port)
    if place is None:
        why = f"Mesos's check asks port {choice.port}, which is not reached from outside"
        return None, (*choice.problems, why)
    return _target(of, place, choice, checks)


def _target(
    of: Task, place: Endpoint, choice: Choice, checks: Checks, via: str = ""
) -> tuple[Target | None, tuple[str, ...]]:
    check = choice.check
    if check is None:
        return None, choice.problems
    through = via if check.data_path else ""
    found = Target(place.address, place.port, check, through)
    here = checks.rules.here(found, own=of.agent in checks.own)
    return (found if here else None), choice.problems

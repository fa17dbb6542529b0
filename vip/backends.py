"""What a task puts behind VIPs."""

from collections.abc import Collection, Iterator

import msgspec

from pointsman.discovery import mangle
from pointsman.discovery.model import Agent, Note, Task
from pointsman.healthcheck.model import Health, Target
from pointsman.healthcheck.verdict import Verdict, verdict
from pointsman.vip import checks, policy
from pointsman.vip.addresses import ANYWHERE, Range
from pointsman.vip.checks import Checks
from pointsman.vip.model import Endpoint, RealServer
from pointsman.vip.policy import Defaults, Policy
from pointsman.vip.ports import TaskPort, on_host_network, task_ports


class Vip(msgspec.Struct, frozen=True, gc=False, order=True):
    """A virtual server as labels name it."""

    protocol: int
    name: str
    """``web.marathon``; empty for an address."""
    address: str
    """Empty for a name."""
    port: int

    def __str__(self) -> str:
        return f"{self.name or self.address}:{self.port}"


class Backend(msgspec.Struct, frozen=True, gc=False):
    """A task's port as a real server of a VIP."""

    vip: Vip
    endpoint: Endpoint
    local: Endpoint
    """The same, from the host that it runs on."""
    verdict: Verdict
    agent: str
    """Address of its host."""
    framework_id: str
    task_id: str
    region: str = ""
    """Of its host's fault domain."""
    zone: str = ""
    real: RealServer = RealServer()
    """With its weight while it is live."""
    policy: Policy = Policy()
    """How it wants the VIP balanced."""
    grace: float = 0.0
    """Seconds that its connections may last once it is being killed; 0 when it isn't known."""
    target: Target | None = None
    """How this node checks it; None when it doesn't."""
    since: float = 0.0
    """When its check came to this verdict, by ``time.monotonic``; 0 for none."""

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.endpoint.family


UNCHECKED, NOBODY = Checks(), Health()


def backends(
    task: Task,
    agent: Agent,
    defaults: Defaults,
    checked: Checks = UNCHECKED,
    health: Health = NOBODY,
    longest: int = 253,
    allowed: Collection[Range] = ANYWHERE,
) -> tuple[tuple[Backend, ...], tuple[Note, ...]]:
    """Return what a task puts behind VIPs, and notes of what makes no sense.

    ``longest`` is how many characters a VIP's name may have before its domain, ``allowed`` where
    a VIP by address may be.
    """
    ports, notes = task_ports(task)
    if verdict(task) == Verdict.GONE or not any(port.vips for port in ports):
        return (), notes
    where = f"task {task.id} of {task.framework}"
    framework = mangle.fragment(task.framework)
    found = []
    for port in ports:
        for asked in port.vips:
            label = asked.label
            if label.name and not framework:
                why = f"VIP {label.name} has no name: nothing of the framework's can stand in one"
                notes = (*notes, Note(where, why))
                continue
            name = f"{label.name}.{framework}" if label.name else ""
            if len(name) > longest:
                why = f"VIP {name[:40]}… is longer than a name in DNS may be"
                notes = (*notes, Note(where, why))
                continue
            if label.address and not any(label.address in one for one in allowed):
                why = f"VIP {label.address} is outside of vip.address_ranges"
                notes = (*notes, Note(where, why))
                continue
            vip = Vip(port.protocol, name, label.address, label.port)
            said = policy.apply(defaults, asked.said)
            for endpoint, local in _endpoints(task, port):
                if label.address and (":" in label.address) != (endpoint.family == 6):
                    continue
                can, why = policy.possible(said, port.protocol, label.port, endpoint.port)
                if why:
                    notes = (*notes, Note(where, f"VIP {vip}: {why}"))
                here = local if task.agent in checked.own else endpoint
                via = f"{port.protocol} {vip}"
                target, bad = checks.real_server(task, port, ports, here, asked.check, via, checked)
                notes = (*notes, *(Note(where, f"VIP {vip}: {why}") for why in bad))
                judged, since = judge(task, target, health)
                found.append(
                    Backend(
                        vip, endpoint, local, judged, task.agent, task.framework_id, task.id,
                        agent.region, agent.zone, can.real, can.policy, task.grace, target, since,
                    )
                )  # fmt: skip
    return tuple(found), tuple(dict.fromkeys(notes))


def judge(task: Task, target: Target | None, health: Health) -> tuple[Verdict, float]:
    """Return the verdict on a task, by its check as well, and since when that says so."""
    if target is None or task.state != "TASK_RUNNING":
        return verdict(task), 0.0
    status = health.of(target)
    return verdict(task, status.standing), status.since


def _endpoints(task: Task, port: TaskPort) -> Iterator[tuple[Endpoint, Endpoint]]:
    """Yield where a port is reached: from anywhere, and from the task's own host.

    There IPVS's packets do not meet the rules that lead a host port to its container
    (DCOS_OSS-2070). Docker's proxy listens on the port itself, and a container reaches its own
    port only through that (DCOS-45115).
    """
    if not port.host_port:
        for address in task.addresses or (task.agent,):
            own = Endpoint(address, port.port)
            yield own, own
        return
    endpoint = Endpoint(task.agent, port.host_port)
    inner = [a for a in task.addresses if (":" in a) == (endpoint.family == 6)]
    mapped = port.port and inner and task.runtime != "DOCKER" and not on_host_network(task)
    yield endpoint, Endpoint(inner[0], port.port) if mapped else endpoint

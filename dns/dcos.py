"""The names that DC/OS publishes for tasks and masters, below one domain.

``TASK.FRAMEWORK.FAMILY.dcos.thisdcos.directory``, where the family says which address it is: that
of the task's container, that of its agent, or the one by which it can be reached (DC/OS
documentation, "Service naming").
"""

from collections.abc import Iterable

import msgspec

from pointsman.discovery import mangle
from pointsman.discovery.model import Cluster, Note, Task
from pointsman.dns import names
from pointsman.dns.records import Record, address_records, is_preferred
from pointsman.healthcheck.verdict import Verdict

FAMILIES = ("agentip", "autoip", "containerip")


class DcosRules(msgspec.Struct, frozen=True):
    """Which of them there are."""

    domain: str = "thisdcos.directory"
    families: tuple[str, ...] = FAMILIES
    ttl: int = 5
    """Seconds."""
    unhealthy: str = "exclude"

    @property
    def apex(self) -> str:
        """Where they begin."""
        return f"dcos.{self.domain}."


def task_records(
    task: Task, rules: DcosRules, judged: Verdict = Verdict.LIVE
) -> tuple[tuple[Record, ...], tuple[Note, ...]]:
    """Return the records of a running task, none of another; and notes of what can't be served."""
    if task.state != "TASK_RUNNING":
        return (), ()
    name = (task.discovery.name if task.discovery else "") or task.name
    label, framework = mangle.label(name), mangle.label(task.framework)
    where = f"task {task.id} of {task.framework}"
    if not label or not framework:
        return (), (Note(where, "nothing of its DC/OS name is left"),)
    found: list[Record] = []
    for family in rules.families:
        owner = f"{label}.{framework}.{family}.{rules.apex}"
        if problem := names.servable(owner):
            return (), (Note(where, problem),)
        addresses = _addresses(task, family)
        found += address_records(owner, addresses, rules.ttl, is_preferred(judged, rules.unhealthy))
    return tuple(found), ()


def _addresses(task: Task, family: str) -> Iterable[str]:
    if family == "agentip":
        return (task.agent,)
    if family == "containerip":
        return task.addresses
    if _has_host_port(task):
        return (task.agent,)
    return task.addresses or (task.agent,)


def _has_host_port(task: Task) -> bool:
    """Tell whether a port of the task is reached at its agent's address."""
    scopes = (
        value
        for port in (task.discovery.ports if task.discovery else ())
        for key, value in port.labels
        if key == "network-scope"
    )
    return any(mapping.host_port for mapping in task.mappings) or "host" in scopes


def master_records(cluster: Cluster, rules: DcosRules) -> tuple[Record, ...]:
    """Return the records of the leader and of the masters."""
    if cluster.leader is None:
        return ()
    masters = dict.fromkeys(m.address for m in (*cluster.masters, cluster.leader))
    return (
        *address_records(f"leader.{rules.apex}", [cluster.leader.address], rules.ttl),
        *address_records(f"master.{rules.apex}", masters, rules.ttl),
    )

"""The records of one task, agent, framework or of the masters: what mesos-dns publishes for each.

Each function looks at one item alone, so that a change touches the names of that item only. The
names are those of mesos-dns 0.8 (``records/generator.go``); owner names are in small letters.
"""

import sys
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from pointsman.discovery.model import Agent, Cluster, Framework, Note, Task
from pointsman.dns import names
from pointsman.dns.options import Options, options
from pointsman.healthcheck.verdict import Verdict

MOST_PORT = 65_535


class Record(msgspec.Struct, frozen=True, gc=False, order=True):
    """A resource record."""

    name: str
    """Absolute, in small letters, with its last dot."""
    type: str
    """``A``, ``AAAA``, ``SRV`` and so on."""
    data: str
    """As in a zone file: ``10.0.0.1``, ``0 1 31000 web-iffe9-s1.marathon.mesos.``."""
    ttl: int
    """Seconds."""
    preferred: bool = True
    """Answered before those that are not; False for what some check doesn't call healthy."""
    claim: str = ""
    """Who claims the name by a label; empty for a name of its own, which goes before any claim."""


class NameRules(msgspec.Struct, frozen=True):
    """How tasks are named."""

    domain: str = "mesos"
    ttl: int = 60
    ip_sources: tuple[str, ...] = ("netinfo", "mesos", "host")
    rfc952: bool = False
    srv_weight: int = 1
    unhealthy: Literal["exclude", "include"] = "exclude"

    @property
    def apex(self) -> str:
        """The zone."""
        return f"{self.domain}."

    @property
    def nameserver(self) -> str:
        """Name of the nameserver."""
        return f"ns1.{self.domain}."


def task_records(
    task: Task, rules: NameRules, judged: Verdict = Verdict.LIVE
) -> tuple[tuple[Record, ...], tuple[Note, ...]]:
    """Return the records of a running task, none of another; and notes of what can't be served."""
    if task.state != "TASK_RUNNING":
        return (), ()
    where = f"task {task.id} of {task.framework}"
    framework = names.fragment(task.framework, rfc952=rules.rfc952)
    if not framework:
        return (), (Note(where, f"nothing of the framework's name {task.framework!r} is left"),)
    discovered = task.discovery.name if task.discovery else ""
    mangled = names.label(discovered or task.name, rfc952=rules.rfc952)
    # mesos-dns publishes a discovery name twice, mangled and as it is: app.group.marathon.mesos.
    wanted = dict.fromkeys((mangled, discovered.lower()) if discovered else (mangled,))
    said, bad = options(task, framework)
    preferred = is_preferred(judged, rules.unhealthy)
    records = list(_claimed(task, rules, said, preferred))
    notes = list(bad)
    for name in wanted:
        if not name:
            notes.append(Note(where, "nothing of its name is left"))
            continue
        if problem := names.servable(f"{name}.{framework}.{rules.apex}"):
            notes.append(Note(where, problem))
            continue
        instance = names.canonical(name, task.id, task.agent_id)
        for record in _named(task, name, instance, framework, rules, said, preferred):
            if problem := _problem(record):
                notes.append(Note(where, problem))
            else:
                records.append(record)
    return tuple(dict.fromkeys(records)), tuple(dict.fromkeys(notes))


def _claimed(task: Task, rules: NameRules, said: Options, preferred: bool) -> Iterator[Record]:
    """Yield the addresses of the names that a task claims by its labels."""
    ttl = rules.ttl if said.ttl is None else said.ttl
    claim = f"{task.framework}/{task.name}"
    for name in said.names:
        for address in task_addresses(task, rules.ip_sources):
            owner = f"{name}.{rules.apex}"
            yield Record(owner, _kind(address), address, ttl, preferred, claim)


def _problem(record: Record) -> str:
    """Return why a record can't be served, "" when it can."""
    if record.type == "SRV":
        _, _, port, target = record.data.split()
        if not 0 <= int(port) <= MOST_PORT:
            return f"its port {port} is not from 0 to {MOST_PORT}"
        return names.servable(record.name) or names.servable(target)
    return names.servable(record.name)


def _named(
    task: Task,
    name: str,
    instance: str,
    framework: str,
    rules: NameRules,
    said: Options,
    preferred: bool,
) -> Iterator[Record]:
    """Yield a task's records under one name."""
    tail = f"{framework}.{rules.apex}"
    agent_tail = f"{framework}.slave.{rules.apex}"
    ttl = rules.ttl if said.ttl is None else said.ttl
    weight = rules.srv_weight if said.weight is None else said.weight

    def record(owner: str, kind: str, data: str) -> Record:
        return Record(sys.intern(owner), kind, data, ttl, preferred)

    def service(port: int, target: str) -> str:
        return f"0 {weight} {port} {target}"

    # Equal texts are kept once: a zone of a large cluster has hundreds of thousands.
    addresses = task_addresses(task, rules.ip_sources)
    for label in (name, instance):
        owner = f"{label}.{tail}"
        for address in addresses:
            yield record(owner, _kind(address), address)
        yield record(f"{label}.{agent_tail}", _kind(task.agent), task.agent)
    has_discovery = bool(task.discovery and task.discovery.name)
    owners = [f"_{name}._{protocol}.{agent_tail}" for protocol in ("tcp", "udp")]
    if not has_discovery:
        owners += [f"_{name}._{protocol}.{tail}" for protocol in ("tcp", "udp")]
    for port in task.ports:
        data = service(port, f"{instance}.{agent_tail}")
        yield from (record(owner, "SRV", data) for owner in owners)
    for discovered in task.discovery.ports if task.discovery and has_discovery else ():
        data = service(discovered.number, f"{instance}.{tail}")
        port_name = names.label(discovered.name, rfc952=rules.rfc952)
        for protocol in _protocols(discovered.protocol):
            owner = f"_{name}._{protocol}.{tail}"
            yield record(owner, "SRV", data)
            if port_name:
                yield record(f"_{port_name}.{owner}", "SRV", data)


def task_addresses(task: Task, sources: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses of a task by the first source that has any (mesos-dns ``IPSources``)."""
    for source in sources:
        found = {
            "netinfo": task.addresses,
            "docker": (task.docker_address,),
            "mesos": (task.mesos_address,),
            "host": (task.agent,),
        }[source]
        if any(found):
            return tuple(filter(None, found))
    return ()


def agent_records(agent: Agent, rules: NameRules) -> tuple[Record, ...]:
    """Return an agent's share in ``slave.mesos``."""
    owner = f"slave.{rules.apex}"
    address = Record(owner, _kind(agent.address), agent.address, rules.ttl)
    data = f"0 {rules.srv_weight} {agent.port} {owner}"
    service = Record(f"_slave._tcp.{rules.apex}", "SRV", data, rules.ttl)
    return (address, service) if agent.port else (address,)


def framework_records(
    framework: Framework, rules: NameRules
) -> tuple[tuple[Record, ...], tuple[Note, ...]]:
    """Return the records of a framework's scheduler, and notes of what can't be served."""
    name = names.fragment(framework.name, rfc952=rules.rfc952)
    owner = f"{name}.{rules.apex}"
    where = f"framework {framework.name}"
    if not name:
        return (), (Note(where, "nothing of its name is left"),)
    if names.is_reserved(name):
        return (), (Note(where, f"{owner} is a name of the cluster's own"),)
    if problem := names.servable(f"_framework._tcp.{owner}"):
        return (), (Note(where, problem),)
    if not framework.address:
        return (), ()
    records = [Record(owner, _kind(framework.address), framework.address, rules.ttl)]
    if framework.port:
        data = f"0 {rules.srv_weight} {framework.port} {owner}"
        records.append(Record(f"_framework._tcp.{owner}", "SRV", data, rules.ttl))
    return tuple(records), ()


def master_records(cluster: Cluster, rules: NameRules) -> tuple[Record, ...]:
    """Return the records of the leader and of the masters."""
    if cluster.leader is None:
        return ()
    leader = cluster.leader
    # Numbered as listed; a leader that isn't listed comes last.
    masters = dict.fromkeys(m.address for m in (*cluster.masters, leader))
    found = [("leader", leader.address)]
    found += [("master", address) for address in masters]
    found += [(f"master{number}", address) for number, address in enumerate(masters)]
    records = [Record(f"{n}.{rules.apex}", _kind(a), a, rules.ttl) for n, a in found]
    target = f"leader.{rules.apex}"
    records += [
        Record(
            f"_leader._{protocol}.{rules.apex}",
            "SRV",
            f"0 {rules.srv_weight} {leader.port} {target}",
            rules.ttl,
        )
        for protocol in ("tcp", "udp")
    ]
    return tuple(records)


def address_records(
    name: str, addresses: Iterable[str], ttl: int, preferred: bool = True
) -> tuple[Record, ...]:
    """Return A and AAAA records of a name."""
    return tuple(Record(name, _kind(address), address, ttl, preferred) for address in addresses)


def is_preferred(judged: Verdict, unhealthy: str) -> bool:
    """Tell whether a task is answered before those that are not."""
    return unhealthy == "include" or judged == Verdict.LIVE


def _protocols(text: str) -> tuple[str, ...]:
    """Return the protocols that a discovery port names: both when it names none."""
    found = tuple(filter(None, (names.label(part) for part in text.split(","))))
    return found or ("tcp", "udp")


def _kind(address: str) -> str:
    return "AAAA" if ":" in address else "A"

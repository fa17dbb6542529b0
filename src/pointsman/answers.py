"""The shapes of what is answered over HTTP."""

import msgspec

from pointsman.healthcheck.model import Standing

PROBLEM = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a request was not answered (RFC 9457)."""

    status: int
    """Of HTTP."""
    title: str
    """What that status means."""
    detail: str = ""
    """What was wrong here."""
    parameter: str = ""
    """Which parameter of the request that was."""


class Summary(msgspec.Struct, frozen=True):
    """The cluster and this node at a glance."""

    version: str
    node: str
    ready: bool
    not_ready: str
    mode: str
    leader: str | None
    agents: int
    frameworks: int
    tasks: int
    virtual_servers: int
    real_servers: int
    names: int
    notes: int
    complaints: tuple[str, ...]
    last_event: int


class Reloaded(msgspec.Struct, frozen=True):
    """Nothing, if the configuration that was read counts from now on; else what was wrong."""

    problems: tuple[str, ...]


class Resynced(msgspec.Struct, frozen=True):
    """What it took to make the kernel right."""

    repaired: int
    """Virtual servers and surroundings that somebody else had changed."""
    changes: tuple[str, ...]
    failures: tuple[str, ...]
    """Changes that the kernel refused, and why."""
    complaints: tuple[str, ...]
    """What of the surroundings can't be had."""


class Counted(msgspec.Struct, frozen=True):
    """What went through, since it was made and of a second."""

    connections: int
    bytes_in: int
    bytes_out: int
    connection_rate: int
    bytes_in_rate: int
    bytes_out_rate: int


class RealServer(Counted, frozen=True):
    """Who takes connections, and how many there are."""

    address: str
    port: int
    state: str
    why: str
    left: float | None
    """Seconds for which connections may last, where none are new."""
    weight: int
    forwarding: str | None
    active: int
    inactive: int
    task_id: str | None
    agent: str | None


class VirtualServer(Counted, frozen=True):
    """A VIP's port."""

    name: str | None
    protocol: str
    address: str
    port: int
    scheduler: str
    in_kernel: bool
    real_servers: list[RealServer]


class NodeStatus(msgspec.Struct, frozen=True):
    """A node, and its virtual servers."""

    ready: bool
    not_ready: str
    mode: str
    complaints: list[str]
    settings: dict[str, str]
    total: int
    """How many match, of which those asked for follow."""
    virtual_servers: list[VirtualServer]


class Last(msgspec.Struct, frozen=True):
    """The last result of a probe."""

    outcome: str
    reason: str


class Check(msgspec.Struct, frozen=True):
    """A target of this node's probes; times are in seconds."""

    target: str
    address: str
    port: int
    check: str
    via: str | None
    interval: float
    state: Standing | None
    since: float | None
    reason: str
    last: Last | None
    good: int
    bad: int
    falls: float
    held: float
    tasks: list[str]


class Checked(msgspec.Struct, frozen=True):
    """What this node probes."""

    targets: list[Check]


class VipBackend(msgspec.Struct, frozen=True):
    """A real server."""

    ip: str
    port: int
    weight: int


class Vip(msgspec.Struct, frozen=True):
    """A virtual server."""

    vip: str
    ip: str
    protocol: str
    backend: list[VipBackend]


class Record(msgspec.Struct, frozen=True):
    """A record of DNS."""

    name: str
    host: str
    rtype: str


class Version(msgspec.Struct, frozen=True):
    """The program."""

    Service: str
    URL: str
    Version: str


class MesosDnsConfig(msgspec.Struct, frozen=True, rename="pascal"):
    """The configuration in the words of mesos-dns."""

    refresh_seconds: float
    port: int
    domain: str
    masters: list[str]
    listener: str
    enforce_rfc952: bool = msgspec.field(name="EnforceRFC952")
    ttl: int = msgspec.field(name="TTL")
    http_port: int = msgspec.field(name="HTTPPort")
    http_on: bool = msgspec.field(name="HTTPOn")
    dns_on: bool = msgspec.field(name="DNSOn")
    external_on: bool
    ip_sources: list[str] = msgspec.field(name="IPSources")
    srv_weight: int = msgspec.field(name="SRVRecordDefaultWeight")
    mesos_https_on: bool = msgspec.field(name="MesosHTTPSOn")


class Host(msgspec.Struct, frozen=True):
    """A name and one of its addresses; empty for none."""

    host: str
    ip: str


class Service(msgspec.Struct, frozen=True):
    """A target of a service; empty for none."""

    service: str
    host: str
    ip: str
    port: str


class EnumeratedTask(msgspec.Struct, frozen=True):
    """A task and its records."""

    name: str
    id: str
    records: list[Record]


class EnumeratedFramework(msgspec.Struct, frozen=True):
    """A framework and its tasks."""

    tasks: list[EnumeratedTask]
    name: str


class Enumeration(msgspec.Struct, frozen=True):
    """All tasks."""

    frameworks: list[EnumeratedFramework]


class Transferred(msgspec.Struct, frozen=True):
    """Data by name, for each type."""

    As: dict[str, list[str]]
    AAAAs: dict[str, list[str]]
    SRVs: dict[str, list[str]]


class Transfer(msgspec.Struct, frozen=True):
    """The cluster's own zone."""

    TTL: int
    Serial: int
    RefreshSeconds: float
    Mname: str
    Rname: str
    Domain: str
    Records: Transferred

"""The configuration: TOML to frozen structs, every key with its default, unit and check."""

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from pointsman.discovery import access, text
from pointsman.discovery.access import Auth, Tls
from pointsman.discovery.leader import parse_url
from pointsman.dns import endpoints, forward, reverse
from pointsman.dns.forward import Forward
from pointsman.dns.limit import Networks, RateLimit
from pointsman.dns.transfer import Transfer
from pointsman.healthcheck import settings
from pointsman.vip import policy
from pointsman.vip.addresses import parse_range
from pointsman.vip.sync import Sync

Seconds = Annotated[float, msgspec.Meta(gt=0)]
Timeout = Annotated[int, msgspec.Meta(ge=0, le=31 * 86_400)]
Ttl = Annotated[int, msgspec.Meta(ge=0, le=2_147_483_647)]  # RFC 2181 section 8

_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


DcosFamily = Literal["agentip", "autoip", "containerip", "mesos", "thisnode", "aliases"]


class ConfigError(Exception):
    """The configuration can't be used; ``problems`` has a line for each key that is wrong."""

    def __init__(self, where: str, problems: list[str]) -> None:
        super().__init__(f"{where}: " + "; ".join(problems))
        self.where = where
        self.problems = problems


class DiscoveryConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the cluster's state comes from."""

    masters: tuple[str, ...] = ()
    """``HOST:PORT`` of each Mesos master; any of them leads to the leader."""
    zookeeper: str = ""
    """``zk://[USER:PASSWORD@]HOST:PORT[,HOST:PORT]/PATH``, where the masters elect their leader."""
    zookeeper_credential_file: str = ""
    """File with ``USER:PASSWORD`` for ZooKeeper, rather than in its URL."""
    file: str = ""
    """A state file in place of masters: a ``/state``, a ``GET_STATE`` or a recorded stream."""
    poll_interval: Seconds = 5.0
    """Seconds from one reading to the next, where the masters give no stream."""
    resync_interval: Seconds = 600.0
    """Seconds after which a stream is begun anew, and with it the whole state compared."""
    timeout: Seconds = 30.0
    """Seconds for one whole reading."""
    retry_max: Seconds = 15.0
    """Seconds between tries, at most, while no master answers."""
    tls: Tls = Tls()
    """HTTPS to the masters."""
    auth: Auth = Auth()
    """Who this is to the masters."""

    def __repr__(self) -> str:  # the URL of ZooKeeper may have a password in it
        return f"DiscoveryConfig(masters={self.masters}, file={self.file!r}, auth={self.auth})"


class TcpConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """DNS over TCP (RFC 7766)."""

    connections: Annotated[int, msgspec.Meta(ge=1)] = 256
    """Connections at once; a further one ends the one that was silent longest."""
    per_client: Annotated[int, msgspec.Meta(ge=1)] = 32
    """The same for one client's address."""
    idle: Seconds = 10.0
    """Seconds that a connection may be silent, or a client may leave its answers unread."""


class DnsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The DNS server and the names of tasks."""

    listen: tuple[str, ...] = ("0.0.0.0:53",)
    """``ADDRESS:PORT`` of each listener, UDP and TCP; ``0.0.0.0`` and ``[::]`` are all addresses,
    ``INTERFACE:PORT`` those of an interface, as they come and go."""
    domain: str = "mesos"
    """The zone of tasks, agents and masters."""
    ttl: Ttl = 60
    """Seconds, for the records of that zone and for negative answers."""
    ip_sources: tuple[Literal["netinfo", "mesos", "docker", "host"], ...] = (
        "netinfo",
        "mesos",
        "host",
    )
    """Where a task's address is looked for; the first source that has one gives all."""
    enforce_rfc952: bool = False
    """Labels of at most 24 letters, digits and dashes that begin with a letter."""
    unhealthy: Literal["exclude", "include"] = "exclude"
    """``exclude`` leaves an unhealthy task out while another instance of the name is healthy."""
    srv_weight: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 1
    """Weight of every SRV record."""
    dcos: tuple[DcosFamily, ...] = (
        "agentip",
        "autoip",
        "containerip",
        "mesos",
        "thisnode",
        "aliases",
    )
    """Which of DC/OS's names there are below `vip.domain`; empty for none but those of VIPs."""
    dcos_ttl: Ttl = 5
    """Seconds, for DC/OS's names."""
    reverse: tuple[str, ...] = ()
    """Networks of whose addresses the names are answered (PTR), as in ["9.0.0.0/8"]."""
    records_file: str = ""
    """File with further records, a line each: NAME [TTL] TYPE DATA."""
    udp_size: Annotated[int, msgspec.Meta(ge=512, le=4096)] = 1232
    """Octets of an answer over UDP, at most; a client may ask for fewer."""
    nsid: Annotated[str, msgspec.Meta(pattern=r"^[ -~]{0,255}$")] = ""
    """This server's name, for clients that ask for it (NSID, `id.server`); empty for no answer."""
    version: Annotated[str, msgspec.Meta(pattern=r"^[ -~]{0,255}$")] = ""
    """What to answer to `version.bind`; empty for no answer."""
    cookie_secret_file: str = ""
    """File with 32 hex digits, equal on servers that share an address; empty for one made up."""
    query_log: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Write one of so many queries to the log: 1 for each, 0 for none."""
    tcp: TcpConfig = TcpConfig()
    """Limits of TCP."""
    rate_limit: RateLimit = RateLimit()
    """Limits of UDP."""
    forward: Forward = Forward()
    """Names outside of the own zones."""
    transfer: Transfer = Transfer()
    """Secondaries."""


class VipConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The virtual servers."""

    enabled: bool = True
    """``false`` serves DNS only, and needs no rights over the network."""
    ipv4_range: str = "11.0.0.0-11.255.255.255"
    """Addresses of named VIPs, ``LOWEST-HIGHEST`` or a prefix; empty for none."""
    ipv6_range: str = "fd01:c::-fd01:c::ffff:ffff:ffff:ffff"
    """The same for IPv6."""
    domain: str = "thisdcos.directory"
    """Named VIPs are ``<vip>.<framework>.l4lb.<domain>``."""
    ttl: Ttl = 5
    """Seconds, for the records of named VIPs."""
    scheduler: str = "wlc"
    """How the kernel chooses a real server, and flags of that: ``mh,mh-port,mh-fallback``."""
    persistence: str = ""
    """Seconds that a client stays with its real server; ``300/24`` groups clients by network."""
    forwarding: str = "masquerade"
    """``masquerade``, ``direct``, ``tunnel``, ``tunnel:gre`` or ``tunnel:gue:PORT``."""
    thresholds: str = ""
    """``UPPER:LOWER``: no more connections for a real server from the one down to the other."""
    drain: Annotated[float, msgspec.Meta(ge=0)] = 30.0
    """Seconds that connections may last on a real server that gets no new ones."""
    slow_start: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Seconds in which a new real server comes to its full weight (wlc, wrr, sed, nq)."""
    no_live: Literal["open", "refuse"] = "open"
    """With no live real server: ``open`` uses those that run, ``refuse`` resets connections."""
    panic: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    """Percent: when fewer of those that run are live, all of them are used; 0 for never."""
    recover: Annotated[float, msgspec.Meta(ge=0)] = 10.0
    """Seconds that all are still used once some are live again, so that those are not overrun."""
    max_ejected: Annotated[int, msgspec.Meta(ge=0, le=100)] = 100
    """Percent of the real servers that run that may be taken out because a check fails."""
    locality: str = "none"
    """``host``, ``zone`` or ``region``: prefer real servers as near; ``zone:3`` if 3 are there."""
    region: str = ""
    """Of this node's fault domain; empty for that of the agent at its address."""
    zone: str = ""
    """The same within the region."""
    guard_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 30
    """When more of the virtual servers would lose all real servers at once, that waits."""
    guard_time: Seconds = 60.0
    """Seconds for which it waits."""
    node_address: str = ""
    """Source of this host's own connections to VIPs; empty for the one that faces the masters."""
    link: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{1,15}$")] = "pointsman0"
    """Name of the dummy link that the VIPs' routes lead to; before a change, `pointsman flush`."""
    masquerade: bool = True
    """Rewrite the source of other hosts' connections to VIPs, so that replies come back here."""
    protect: bool = True
    """Refuse what goes to a VIP's address and is no virtual server, and keep the host ports of
    containers from taking what is one."""
    tcp_timeout: Timeout = 0
    """Seconds that a TCP connection may be idle; 0 leaves the kernel's (900)."""
    tcp_fin_timeout: Timeout = 0
    """The same after its end began (120)."""
    udp_timeout: Timeout = 0
    """The same for UDP (300)."""
    check_interval: Seconds = 30.0
    """Seconds after which the kernel is read whole and compared with what it should have."""
    sync: Sync = Sync()
    """Synchronisation of connections with other directors."""
    namespaces: tuple[str, ...] = ()
    """Paths of further network namespaces that have the same virtual servers."""
    namespace_folder: str = "/var/run/dcos/cni/l4lb"
    """Folder of files that each hold such a path, as DC/OS's CNI plugin writes them."""
    dry_run: bool = False
    """Say in the log what would be changed in the kernel, and change nothing."""
    metrics: Annotated[int, msgspec.Meta(ge=0)] = 100
    """How many VIPs have metrics of their own; the busiest have."""


class HttpConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Health, metrics and the API."""

    listen: str = "127.0.0.1:8123"
    """``ADDRESS:PORT``; empty for none."""
    hosts: tuple[str, ...] = ()
    """Further names by which this is asked, as in ["node1.example.com"]; addresses always do."""
    token_file: str = ""
    """File with the token that changes need (`POST`); empty for no changes."""
    timeout: Seconds = 10.0
    """Seconds for a request to come, and for a client to read some of what it is sent."""
    connections: Annotated[int, msgspec.Meta(ge=1)] = 128
    """Connections at once; a further one ends the one that was silent longest."""
    watchers: Annotated[int, msgspec.Meta(ge=0)] = 32
    """How many may watch events at once."""


class LogConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is written."""
    format: Literal["plain", "json"] = "plain"
    """``plain`` for people, and with priorities for the journal; ``json`` one object a line."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it."""

    state_dir: str = "/var/lib/pointsman"
    """Folder for what is remembered between runs."""
    discovery: DiscoveryConfig = DiscoveryConfig()
    dns: DnsConfig = DnsConfig()
    vip: VipConfig = VipConfig()
    health: settings.HealthConfig = settings.HealthConfig()
    http: HttpConfig = HttpConfig()
    log: LogConfig = LogConfig()


def load(path: Path) -> Config:
    """Read a configuration file.

    Raises ConfigError, which names every key that is wrong and says why.
    """
    try:
        return parse(path.read_text())
    except OSError as error:
        raise ConfigError(str(path), [error.strerror or str(error)]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), [f"is not UTF-8 text: {error}"]) from error
    except ConfigError as error:
        raise ConfigError(str(path), error.problems) from error


def parse(toml: str) -> Config:
    """Read the text of a configuration file; raises ConfigError."""
    try:
        table = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("configuration", [f"is no TOML: {error}"]) from error
    if problems := list(_unknown(table, Config, "")):
        raise ConfigError("configuration", problems)
    try:
        config = msgspec.convert(table, Config)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at ")
        key = place.strip("`").removeprefix("$").lstrip(".") or "configuration"
        raise ConfigError("configuration", [f"{key}: {reason}"]) from error
    if problems := list(_problems(config)):
        raise ConfigError("configuration", problems)
    return config


def _unknown(table: Mapping[str, Any], kind: type[msgspec.Struct], prefix: str) -> Iterator[str]:
    """Yield a line for each key that no struct has, with the nearest one that there is."""
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in table.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, 1, 0.5)
            hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(fields)}"
            yield f"{prefix}{key}: unknown key; {hint}"
        elif isinstance(value, dict) and isinstance(fields[key], type):
            yield from _unknown(value, fields[key], f"{prefix}{key}.")


def _problems(config: Config) -> Iterator[str]:
    """Yield a line for each value that is of the right type and still can't be used."""
    if config.discovery.zookeeper:
        try:
            parse_url(config.discovery.zookeeper)
        except ValueError as error:
            yield f"discovery.zookeeper: {error}"
    elif not config.discovery.masters and not config.discovery.file:
        yield 'discovery.masters: is empty; name the masters, as in ["10.0.0.1:5050"]'
    if config.discovery.file and (config.discovery.masters or config.discovery.zookeeper):
        yield "discovery.file: is set beside masters; only one of them can be right"
    for key, why in access.problems(config.discovery.tls, config.discovery.auth):
        yield f"discovery.{key}: {why}"
    for at, master in enumerate(config.discovery.masters):
        yield from _endpoint(f"discovery.masters[{at}]", master, any_host=True)
    if len(set(config.discovery.masters)) != len(config.discovery.masters):
        yield "discovery.masters: names a master twice"
    if not config.dns.listen:
        yield "dns.listen: is empty"
    for at, listen in enumerate(config.dns.listen):
        try:
            endpoints.parse(listen)
        except ValueError as error:
            yield f"dns.listen[{at}]: {error}"
    if config.http.listen:
        yield from _endpoint("http.listen", config.http.listen)
    for key, domain in (("dns.domain", config.dns.domain), ("vip.domain", config.vip.domain)):
        if not _DOMAIN.fullmatch(domain) or len(domain) > 200:
            yield f"{key}: {domain!r} is not a domain of lower-case letters, digits, '-' and '.'"
    if not config.dns.ip_sources or len(set(config.dns.ip_sources)) != len(config.dns.ip_sources):
        yield "dns.ip_sources: is empty or names a source twice"
    for key, range_, family in (
        ("vip.ipv4_range", config.vip.ipv4_range, 4),
        ("vip.ipv6_range", config.vip.ipv6_range, 6),
    ):
        if range_:
            yield from _range(key, range_, family)
    for option in policy.OPTIONS:
        if value := str(getattr(config.vip, option, "")):
            try:
                policy.read(option, value)
            except ValueError as error:
                yield f"vip.{option}: {error}"
    for key, why in settings.problems(config.health):
        yield f"health.{key}: {why}"
    for at, network in enumerate(config.dns.reverse):
        try:
            reverse.apex(network)
        except ValueError as error:
            yield f"dns.reverse[{at}]: {error}"
    for key, networks in (
        ("rate_limit.exempt", config.dns.rate_limit.exempt),
        ("forward.allow", config.dns.forward.allow),
        ("transfer.allow", config.dns.transfer.allow),
    ):
        try:
            Networks(networks)
        except ValueError as error:
            yield f"dns.{key}: {error}"
    if len(set(config.dns.reverse)) != len(config.dns.reverse):
        yield "dns.reverse: names a network twice"
    for at, secondary in enumerate(config.dns.transfer.notify):
        try:
            forward.parse(secondary)
        except ValueError as error:
            yield f"dns.transfer.notify[{at}]: {error}"
    for key, why in forward.problems(config.dns.forward, _own_zones(config)):
        yield f"dns.forward.{key}: {why}"
    if config.vip.node_address and not text.ip(config.vip.node_address):
        yield f"vip.node_address: {config.vip.node_address!r} is not an IP address"


def _own_zones(config: Config) -> Iterator[str]:
    """Yield the zones that are answered from the cluster."""
    yield config.dns.domain
    if config.vip.enabled:
        yield f"l4lb.{config.vip.domain}"
    if set(config.dns.dcos) - {"mesos", "aliases"}:
        yield config.vip.domain
    if "mesos" in config.dns.dcos:
        yield f"mesos.{config.vip.domain}"
    for network in config.dns.reverse:
        with suppress(ValueError):
            yield reverse.apex(network).removesuffix(".")


def _endpoint(key: str, value: str, *, any_host: bool = False) -> Iterator[str]:
    try:
        host, _ = text.endpoint(value)
        if not any_host:
            ipaddress.ip_address(host)
    except ValueError as error:
        yield f"{key}: {error}"


def _range(key: str, value: str, family: int) -> Iterator[str]:
    try:
        if parse_range(value).family != family:
            yield f"{key}: {value!r} is not of IPv{family}"
    except ValueError as error:
        yield f"{key}: {error}"

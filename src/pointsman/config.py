"""The configuration: TOML to frozen structs, every key with its default and unit."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec

from pointsman import config_problems, layers
from pointsman.discovery.access import Auth, Tls
from pointsman.dns.forward import Forward
from pointsman.dns.limit import RateLimit
from pointsman.dns.threads import MOST_THREADS
from pointsman.dns.transfer import Transfer
from pointsman.healthcheck import settings
from pointsman.vip.sync import Sync

Seconds = Annotated[float, msgspec.Meta(gt=0)]
Timeout = Annotated[int, msgspec.Meta(ge=0, le=31 * 86_400)]
Ttl = Annotated[int, msgspec.Meta(ge=0, le=2_147_483_647)]  # RFC 2181 section 8

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
    native: bool = True
    """Answer over UDP without Python what is known; ``false`` answers all in Python."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=MOST_THREADS)] = 1
    """Native threads for each address that is listened on."""
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
    address_ranges: tuple[str, ...] = ("0.0.0.0/0", "::/0")
    """Where labels may ask for VIPs by address, ``LOWEST-HIGHEST`` or prefixes; empty for none."""
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


class Reading(msgspec.Struct, frozen=True):
    """A configuration, and where its values come from."""

    config: Config
    origins: Mapping[str, layers.Origin]
    """By key: ``dns.tcp.idle``."""


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read a configuration file; variables of the environment go before what it says.

    Raises ConfigError, which names every key that is wrong and says why.
    """
    return read(path, environ).config


def read(path: Path, environ: Mapping[str, str] = os.environ) -> Reading:
    """Read a configuration file as ``load`` does, and tell where each value comes from."""
    try:
        return parse_whole(path.read_text(), environ)
    except OSError as error:
        raise ConfigError(str(path), [error.strerror or str(error)]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), [f"is not UTF-8 text: {error}"]) from error
    except ConfigError as error:
        raise ConfigError(str(path), error.problems) from error


def parse(toml: str) -> Config:
    """Read the text of a configuration file, as if there were no environment.

    Raises ConfigError.
    """
    return parse_whole(toml, MappingProxyType({})).config


def parse_whole(toml: str, environ: Mapping[str, str]) -> Reading:
    """Read the text of a configuration file, and the environment; raises ConfigError."""
    try:
        table = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("configuration", [f"is no TOML: {error}"]) from error
    every = tuple(layers.keys(Config()))
    over, problems = layers.overrides(environ, every)
    exposed = config_problems.exposed(over.get("discovery.zookeeper", ""))
    if problems := (*layers.unknown(table, Config()), *problems, *exposed):
        raise ConfigError("configuration", list(problems))
    try:
        config = msgspec.convert(layers.laid(table, over), Config)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at ")
        key = place.strip("`").removeprefix("$").lstrip(".") or "configuration"
        raise ConfigError("configuration", [_placed(f"{key}: {reason}", over)]) from error
    if found := [_placed(problem, over) for problem in config_problems.problems(config)]:
        raise ConfigError("configuration", found)
    return Reading(config, layers.origins(table, over, every))


def _placed(problem: str, over: Mapping[str, object]) -> str:
    """Return a problem with the name of the variable, where one gave the value."""
    key = re.split(r"[\[:]", problem, maxsplit=1)[0]
    return f"{problem} (said by {layers.variable(key)})" if key in over else problem

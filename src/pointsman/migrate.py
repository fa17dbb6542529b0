"""From a mesos-dns's configuration to one of ours that answers the same.

The keys and defaults are those of mesos-dns 0.8 (``records/config.go``) and of its later fork; case
does not count in the names of keys, as there.
"""

import json
from collections.abc import Iterator
from functools import reduce
from typing import Annotated, Any, Literal

import msgspec
from msgspec import field

from pointsman.config import Config, ConfigError, parse
from pointsman.discovery.text import ip, joined

WHERE = "mesos-dns configuration"
SECRET_FILE = "/etc/pointsman/secret"
ZOOKEEPER_FILE = "/etc/pointsman/zookeeper"
ZOOKEEPER_PORT = 2181

UNUSED = "mesos-dns, configured like this, does not use it"
UNPLACED = {
    "zkDetectionTimeout": "Pointsman waits for a leader as long as it takes, and goes on serving",
    "dnsOn": "DNS is always on",
    "recurseOn": "recursion is offered where there are upstreams in dns.forward",
    "SetTruncateBit": "an answer that does not fit always has the TC bit",
    "enumerationOn": "the HTTP side has no key for single paths",
    "reverseDnsOn": "name the networks of your tasks in dns.reverse for PTR records",
    "resolvSubnetFirst": "addresses take turns at being first",
    **dict.fromkeys(
        ("SOAMname", "SOARname", "SOASerial", "SOARefresh", "SOARetry", "SOAExpire", "SOAMinttl"),
        "the SOA is Pointsman's own, by dns.domain and dns.ttl",
    ),
    **dict.fromkeys(("ns", "email"), "mesos-dns does not use it"),
}
"""Keys that have no place in our configuration, and why."""

Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]


class Migration(msgspec.Struct, frozen=True):
    """What a configuration became."""

    toml: str
    """The text of an equal ``pointsman.toml``."""
    remarks: tuple[str, ...]
    """What the operator must know, a sentence each."""


class _Credentials(msgspec.Struct, frozen=True):
    principal: str = ""
    secret: str = ""


class _Given(msgspec.Struct, frozen=True):
    """A mesos-dns's configuration, with its defaults but for one that is marked."""

    zk: str = ""
    masters: tuple[str, ...] = ()
    zk_detection_timeout: int = field(default=30, name="zkDetectionTimeout")
    refresh_seconds: int = field(default=60, name="refreshSeconds")
    state_timeout_seconds: int = field(default=30, name="stateTimeoutSeconds")
    """There 300: longer than a master that hangs should hold us up, where nobody asked for it."""
    ttl: int = 60
    domain: str = "mesos"
    listener: str = "0.0.0.0"
    port: Port = 53
    http_listener: str = field(default="0.0.0.0", name="httpListener")
    http_port: Port = field(default=8123, name="httpPort")
    dns_on: bool = field(default=True, name="dnsOn")
    http_on: bool = field(default=True, name="httpOn")
    external_on: bool = field(default=True, name="externalOn")
    resolvers: tuple[str, ...] = ("8.8.8.8",)
    zone_resolvers: dict[str, tuple[str, ...]] = field(default_factory=dict, name="zoneResolvers")
    timeout: int = 5
    recurse_on: bool = field(default=True, name="recurseOn")
    enforce_rfc952: bool = field(default=False, name="enforceRFC952")
    ip_sources: tuple[str, ...] = field(default=("netinfo", "mesos", "host"), name="IPSources")
    srv_weight: int = field(default=1, name="SRVRecordDefaultWeight")
    soa_mname: str = field(default="", name="SOAMname")
    soa_rname: str = field(default="", name="SOARname")
    soa_serial: int = field(default=0, name="SOASerial")
    soa_refresh: int = field(default=60, name="SOARefresh")
    soa_retry: int = field(default=600, name="SOARetry")
    soa_expire: int = field(default=86_400, name="SOAExpire")
    soa_minttl: int = field(default=60, name="SOAMinttl")
    set_truncate_bit: bool = field(default=True, name="SetTruncateBit")
    enumeration_on: bool = field(default=True, name="enumerationOn")
    https_on: bool = field(default=False, name="mesosHTTPSOn")
    ca_cert_file: str = field(default="", name="caCertFile")
    cert_file: str = field(default="", name="certFile")
    key_file: str = field(default="", name="keyFile")
    authentication: Literal["", "basic", "iam"] = field(default="", name="mesosAuthentication")
    credentials: _Credentials = field(default=_Credentials(), name="mesosCredentials")
    iam_config_file: str = field(default="", name="IAMConfigFile")
    reverse_dns_on: bool = field(default=False, name="reverseDnsOn")
    resolv_subnet_first: bool = field(default=False, name="resolvSubnetFirst")
    ns: Any = None
    email: Any = None


class _Setting(msgspec.Struct, frozen=True):
    """A key of ours."""

    key: str
    value: bool | int | str | tuple[str, ...] | dict[str, tuple[str, ...]]
    of: tuple[str, ...] = ()
    """The keys of mesos-dns that it is made from."""
    why: str = ""
    always: bool = False
    """Written although it is our default."""


def from_mesos_dns(text: str) -> Migration:
    """Return an equal configuration for a mesos-dns's JSON.

    Raises ConfigError, which names its keys, when there is none.
    """
    try:
        table = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ConfigError(WHERE, [f"is no JSON: {error}"]) from error
    if not isinstance(table, dict):
        raise ConfigError(WHERE, ["is no JSON object"])
    said, unknown = _spelled(table, _Given)
    if isinstance(said.get("mesosCredentials"), dict):
        said["mesosCredentials"], more = _spelled(said["mesosCredentials"], _Credentials)
        unknown += [f"mesosCredentials.{key}" for key in more]
    try:
        given = msgspec.convert(said, _Given)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$.")
        raise ConfigError(WHERE, [f"{place.rstrip('`')}: {reason}"]) from error
    if given.authentication == "iam" and not given.iam_config_file:
        raise ConfigError(WHERE, ['IAMConfigFile: is missing beside mesosAuthentication "iam"'])
    settings = tuple(_settings(given))
    toml = _toml(settings, tuple(said))
    try:
        parse(toml)
    except ConfigError as error:
        raise ConfigError(WHERE, [_theirs(p, settings) for p in error.problems]) from error
    strange = (f"`{key}` is no key of mesos-dns" for key in unknown)
    return Migration(toml, (*strange, *_remarks(given)))


def _spelled(table: dict[str, Any], kind: type[msgspec.Struct]) -> tuple[dict[str, Any], list[str]]:
    """Return what is said, under the keys as a struct spells them, and the keys that it lacks."""
    spelled = {f.encode_name.lower(): f.encode_name for f in msgspec.structs.fields(kind)}
    unknown = [key for key in table if key.lower() not in spelled]
    known = {spelled[k.lower()]: v for k, v in table.items() if k not in unknown and v is not None}
    return known, unknown


def _settings(given: _Given) -> Iterator[_Setting]:
    """Yield our keys, those of a table together."""
    yield from _discovery(given)
    yield from _tls(given)
    yield from _auth(given)
    listen = [joined(given.listener, given.port)]
    if ip(given.listener) == "::":  # there it takes IPv4 as well
        listen.append(joined("0.0.0.0", given.port))
    yield _Setting("dns.listen", tuple(listen), ("listener", "port"), always=True)
    yield _Setting("dns.domain", given.domain.lower(), ("domain",), always=True)
    yield _Setting("dns.ttl", given.ttl, ("ttl",))
    yield _Setting("dns.ip_sources", given.ip_sources, ("IPSources",))
    yield _Setting("dns.enforce_rfc952", given.enforce_rfc952, ("enforceRFC952",))
    yield _Setting("dns.srv_weight", given.srv_weight, ("SRVRecordDefaultWeight",))
    why = 'as mesos-dns does; "exclude" leaves unhealthy tasks out while others are healthy'
    yield _Setting("dns.unhealthy", "include", why=why)
    why = "mesos-dns has none of DC/OS's names; without this line they are answered"
    yield _Setting("dns.dcos", (), why=why)
    yield from _forward(given)
    why = "mesos-dns has no VIPs; true puts those that tasks ask for by a label into the kernel"
    yield _Setting("vip.enabled", False, why=why)
    if given.http_on:
        address = joined(given.http_listener, given.http_port)
        yield _Setting("http.listen", address, ("httpListener", "httpPort", "httpOn"))
    else:
        yield _Setting("http.listen", "", ("httpOn",))


def _discovery(given: _Given) -> Iterator[_Setting]:
    url, credential = _zookeeper(given.zk)
    yield _Setting("discovery.zookeeper", url, ("zk",))
    if credential:
        yield _Setting("discovery.zookeeper_credential_file", ZOOKEEPER_FILE, ("zk",))
    yield _Setting("discovery.masters", given.masters, ("masters",))
    why = "of use only where the masters give no stream of events"
    yield _Setting("discovery.poll_interval", given.refresh_seconds, ("refreshSeconds",), why)
    yield _Setting("discovery.timeout", given.state_timeout_seconds, ("stateTimeoutSeconds",))


def _zookeeper(zk: str) -> tuple[str, str]:
    """Return the URL, each host with its port, without its credential; and the credential."""
    scheme, separator, rest = zk.partition("://")
    credential, _, rest = rest.rpartition("@")
    hosts, slash, path = rest.partition("/")
    if not separator:
        return zk, ""
    each = (host if ":" in host else f"{host}:{ZOOKEEPER_PORT}" for host in hosts.split(","))
    return f"{scheme}://{','.join(each)}{slash}{path}", credential


def _tls(given: _Given) -> Iterator[_Setting]:
    yield _Setting("discovery.tls.enabled", given.https_on, ("mesosHTTPSOn",))
    if given.https_on:
        why = "" if given.ca_cert_file else "without a CA mesos-dns speaks to whoever answers"
        yield _Setting("discovery.tls.ca", given.ca_cert_file, ("caCertFile",))
        yield _Setting("discovery.tls.verify", bool(given.ca_cert_file), ("caCertFile",), why)
        yield _Setting("discovery.tls.certificate", given.cert_file, ("certFile",))
        yield _Setting("discovery.tls.key", given.key_file, ("keyFile",))


def _auth(given: _Given) -> Iterator[_Setting]:
    how = "mesosAuthentication"
    if given.authentication == "basic":
        principal, secret = "mesosCredentials.principal", "mesosCredentials.secret"
        yield _Setting("discovery.auth.principal", given.credentials.principal, (principal, how))
        yield _Setting("discovery.auth.secret_file", SECRET_FILE, (secret,), "to be written by you")
    elif given.authentication == "iam":
        of = ("IAMConfigFile", how)
        yield _Setting("discovery.auth.service_account_file", given.iam_config_file, of)


def _forward(given: _Given) -> Iterator[_Setting]:
    if not given.external_on:
        yield _Setting("dns.forward.upstreams", (), ("externalOn",))
    elif given.resolvers:
        yield _Setting("dns.forward.upstreams", given.resolvers, ("resolvers", "externalOn"))
    else:
        why = "mesos-dns then asks those that the host asks"
        file = ("/etc/resolv.conf",)
        yield _Setting("dns.forward.upstreams", file, ("resolvers", "externalOn"), why)
    yield _Setting("dns.forward.zones", given.zone_resolvers, ("zoneResolvers",))
    why = "for all upstreams together; there for each"
    yield _Setting("dns.forward.timeout", given.timeout or 5, ("timeout",), why)


def _toml(settings: tuple[_Setting, ...], said: tuple[str, ...]) -> str:
    """Return the text of the file; each key that was said is named in it."""
    tables: dict[str, list[str]] = {}
    named: set[str] = set()
    for setting in settings:
        if setting.always or setting.value != _default(setting.key):
            named.update(of.partition(".")[0] for of in setting.of)
            table, _, key = setting.key.rpartition(".")
            comment = "; ".join(filter(None, (", ".join(setting.of), setting.why)))
            tables.setdefault(table, []).append(f"# {comment}\n{key} = {_value(setting.value)}\n")
    lines = ["# What mesos-dns was configured to do, for Pointsman.\n"]
    for table, keys in tables.items():
        lines += ["\n", f"[{table}]\n", *keys]
    known = {of for setting in settings for of in setting.of}
    rest: dict[str, list[str]] = {}
    for key in said:
        if key not in named:
            why = UNPLACED.get(key) or ("it is as by default" if key in known else UNUSED)
            rest.setdefault(why, []).append(key)
    if rest:
        lines.append("\n# Keys of mesos-dns that need no line here:\n")
    lines += (f"# {', '.join(keys)}: {why}\n" for why, keys in rest.items())
    return "".join(lines)


def _default(key: str) -> Any:
    return reduce(getattr, key.split("."), Config())


def _value(value: Any) -> str:
    """Return a value in TOML: it is as in JSON, but for the one character that JSON lets stand."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_value(k)} = {_value(v)}' for k, v in value.items())} }}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _theirs(problem: str, settings: tuple[_Setting, ...]) -> str:
    """Return what is wrong with a key of ours under the name of theirs."""
    key, _, reason = problem.partition(": ")
    bare = key.partition("[")[0]
    of = next((s.of[0] for s in settings if f"{bare}.".startswith(f"{s.key}.") and s.of), key)
    return f"{of}: {reason}"


def _remarks(given: _Given) -> Iterator[str]:
    if given.external_on or given.zone_resolvers:
        yield (
            "names of other zones are forwarded for clients of private networks alone, where"
            " mesos-dns does it for everybody: dns.forward.allow says for whom"
        )
    if not given.dns_on:
        yield (
            "DNS can't be switched off (dnsOn): let dns.listen name an address and a port that are"
            ' free, as in ["127.0.0.1:5353"]'
        )
    if _zookeeper(given.zk)[1]:
        yield f"write USER:PASSWORD of zk to its file: {_command(ZOOKEEPER_FILE)}"
    if given.https_on and not given.ca_cert_file:
        yield (
            "the masters' certificates are not verified (caCertFile is empty), so anyone on the"
            " network may invent a cluster: set discovery.tls.ca, and take out verify = false"
        )
    if given.authentication == "basic":
        yield f"write the secret of mesosCredentials to its file: {_command(SECRET_FILE)}"
    if given.authentication == "iam":
        yield (
            f'{given.iam_config_file} must hold "scheme": "RS256" beside uid, private_key and'
            " login_endpoint; the host of login_endpoint must resolve without Pointsman"
        )


def _command(file: str) -> str:
    return f"`install -D -m 600 /dev/stdin {file}`, then type it, Enter and Ctrl-D"

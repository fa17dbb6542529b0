"""A check as people write it: ``http /health status=200-299 interval=2``.

The kind comes first, then what it asks for, then options, as a shell would split them. A label of
a task or a VIP, and a rule of the configuration, are written alike.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from pointsman.healthcheck.model import (
    Check,
    Dns,
    Exec,
    Grpc,
    Http,
    Probe,
    Tcp,
    Timing,
    Tls,
    Udp,
)

Commands: TypeAlias = Mapping[str, tuple[str, ...]]
"""Words of each command that the configuration allows, by name."""

Options: TypeAlias = dict[str, list[str]]

MESOS = "mesos"
"""In place of a kind: what Mesos itself checks, if that is HTTP or TCP."""
NONE = "none"
"""In place of a kind: no check, whatever rules say."""

LOWEST = 0.1
"""Seconds: no interval and no timeout is shorter."""

_TYPES = frozenset({"A", "AAAA", "SRV", "TXT", "MX", "NS", "SOA", "PTR", "CNAME", "CAA", "NAPTR"})
_RCODES = frozenset({"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"})
_METHOD = re.compile(r"[A-Z]{1,20}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2


def read(text: str, timing: Timing, commands: Commands) -> Check | str:
    """Read a check, or ``MESOS`` or ``NONE``; what it doesn't say of times is as in ``timing``.

    Raises ValueError, with a reason for people, when it makes no sense.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from error
    if not words:
        raise ValueError("is empty; to have no check, say none")
    kind = words[0].lower()
    if kind in (MESOS, NONE) and len(words) == 1:
        return kind
    if kind not in _KINDS:
        raise ValueError(f"{words[0]!r} is no check; there are {', '.join(_KINDS)}, mesos and none")
    plain = [word for word in words[1:] if not _is_option(word)]
    options: Options = {}
    for word in words[1:]:
        if _is_option(word):
            name, _, value = word.partition("=")
            options.setdefault(name, []).append(value)
    probe = _KINDS[kind](plain, options, commands)
    if plain:
        raise ValueError(f"{plain[0]!r} is one word too many for {kind}")
    timing = _timing(options, timing)
    port = _number(options, "port", 0, 1, 65_535)
    data_path = _flag(options, "data-path")
    if data_path and isinstance(probe, Exec):
        raise ValueError("data-path: what a command sends can't be led to one real server")
    if data_path and port:
        raise ValueError("data-path: asks the virtual server's own port; leave port out")
    if options:
        name = next(iter(options))
        raise ValueError(f"{name!r} is no option of {kind}")
    return Check(probe, timing, port, data_path)


def _is_option(word: str) -> bool:
    name, equals, _ = word.partition("=")
    return bool(equals) and name in _OPTIONS


def _tcp(_plain: list[str], _options: Options, _commands: Commands) -> Probe:
    return Tcp()


def is_path(path: str) -> bool:
    """Tell whether it can stand in the first line of a request."""
    return path.startswith("/") and path.isascii() and path.isprintable() and " " not in path


def _http(plain: list[str], options: Options, _commands: Commands) -> Probe:
    path = plain.pop(0) if plain else "/"
    if not is_path(path):
        raise ValueError(f"{path!r} is no path: it begins with / and is of printable ASCII")
    method = _word(options, "method", "GET").upper()
    if not _METHOD.fullmatch(method):
        raise ValueError(f"method {method!r} is none")
    return Http(
        path,
        method,
        _host(options),
        tuple(_header(value) for value in options.pop("header", [])),
        _statuses(_word(options, "status", "200-399")),
        _word(options, "body", ""),
    )


def _https(plain: list[str], options: Options, commands: Commands) -> Probe:
    tls = _tls(options)
    probe = _http(plain, options, commands)
    return msgspec.structs.replace(probe, tls=tls)


def _grpc(plain: list[str], options: Options, _commands: Commands) -> Probe:
    tls = _tls(options) if _flag(options, "tls") else None
    return Grpc(plain.pop(0) if plain else "", _host(options), tls)


def _dns(plain: list[str], options: Options, _commands: Commands) -> Probe:
    name = plain.pop(0) if plain else "."
    type_ = (plain.pop(0) if plain else "A").upper()
    if type_ not in _TYPES:
        raise ValueError(f"{type_!r} is none of {', '.join(sorted(_TYPES))}")
    labels = name.removesuffix(".").split(".")
    possible = name.isascii() and len(name) < 254 and all(0 < len(x) < 64 for x in labels)
    if name != "." and not possible:
        raise ValueError(f"{name!r} is no domain name")
    rcode = _word(options, "rcode", "NOERROR").upper()
    if rcode not in _RCODES:
        raise ValueError(f"rcode {rcode!r} is none of {', '.join(sorted(_RCODES))}")
    return Dns(name, type_, rcode, _word(options, "expect", ""), _flag(options, "tcp"))


def _udp(_plain: list[str], options: Options, _commands: Commands) -> Probe:
    return Udp(_octets(options, "send"), _octets(options, "expect"))


def _exec(plain: list[str], _options: Options, commands: Commands) -> Probe:
    name = plain.pop(0) if plain else ""
    if name not in commands:
        known = ", ".join(sorted(commands)) or "none"
        raise ValueError(f"command {name!r} is not in health.commands; there are: {known}")
    return Exec(name, commands[name])


_KINDS: Mapping[str, Callable[[list[str], Options, Commands], Probe]] = {
    "tcp": _tcp,
    "http": _http,
    "https": _https,
    "grpc": _grpc,
    "dns": _dns,
    "udp": _udp,
    "exec": _exec,
}
_OPTIONS = frozenset({
    "method", "host", "header", "status", "body", "sni", "verify", "ca", "cert", "key",
    "tls", "rcode", "expect", "tcp", "send", "port", "data-path",
    "interval", "timeout", "edge", "stable", "rise", "fall", "grace",
})  # fmt: skip


def _timing(options: Options, default: Timing) -> Timing:
    interval = _seconds(options, "interval", default.interval, LOWEST)
    return Timing(
        interval,
        _seconds(options, "timeout", min(default.timeout, interval), LOWEST),
        _seconds(options, "edge", min(default.edge, interval), LOWEST),
        _seconds(options, "stable", default.stable, 0.0),
        _number(options, "rise", default.rise, 1, 100),
        _number(options, "fall", default.fall, 1, 100),
        _seconds(options, "grace", default.grace, 0.0),
    )


def _tls(options: Options) -> Tls:
    return Tls(
        _word(options, "sni", ""),
        _flag(options, "verify", "yes"),
        _file(options, "ca"),
        _file(options, "cert"),
        _file(options, "key"),
    )


def _file(options: Options, name: str) -> str:
    value = _word(options, name, "")
    if value and not value.startswith("/"):
        raise ValueError(f"{name} {value!r} is no absolute path")
    return value


def _host(options: Options) -> str:
    host = _word(options, "host", "")
    if not host.isascii() or not host.isprintable() or any(c in host for c in " /@"):
        raise ValueError(f"host {host!r} is none")
    return host


def _header(value: str) -> tuple[str, str]:
    name, colon, content = value.partition(":")
    content = content.strip()
    if not colon or not _TOKEN.fullmatch(name) or not content.isprintable():
        raise ValueError(f"header {value!r} is not NAME: VALUE")
    return name, content


def _statuses(value: str) -> tuple[tuple[int, int], ...]:
    found = []
    for part in value.split(","):
        low, dash, high = part.partition("-")
        numbers = (low, high if dash else low)
        if not all(n.isascii() and n.isdigit() and 100 <= int(n) <= 599 for n in numbers):
            raise ValueError(f"status {value!r} is not as 200 or 200-299,404")
        if int(numbers[0]) > int(numbers[1]):
            raise ValueError(f"status {value!r}: {low} is above {high}")
        found.append((int(numbers[0]), int(numbers[1])))
    return tuple(found)


def _octets(options: Options, name: str) -> bytes:
    """Read text, or after ``hex:`` octets in hexadecimal digits."""
    value = _word(options, name, "")
    if not value.startswith("hex:"):
        return value.encode()
    try:
        return bytes.fromhex(value.removeprefix("hex:"))
    except ValueError as error:
        raise ValueError(f"{name} {value!r}: not hexadecimal") from error


def _word(options: Options, name: str, default: str) -> str:
    values = options.pop(name, [default])
    if len(values) > 1:
        raise ValueError(f"{name} is given {len(values)} times")
    return values[0]


def _flag(options: Options, name: str, default: str = "no") -> bool:
    value = _word(options, name, default).lower()
    if value not in ("yes", "no", "true", "false"):
        raise ValueError(f"{name} {value!r} is neither yes nor no")
    return value in ("yes", "true")


def _number(options: Options, name: str, default: int, lowest: int, highest: int) -> int:
    value = _word(options, name, "")
    if not value:
        return default
    if not (value.isascii() and value.isdigit() and lowest <= int(value) <= highest):
        raise ValueError(f"{name} {value!r} is not a number from {lowest} to {highest}")
    return int(value)


def _seconds(options: Options, name: str, default: float, lowest: float) -> float:
    value = _word(options, name, "")
    if not value:
        return default
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1
    if not lowest <= seconds <= 86_400:
        raise ValueError(f"{name} {value!r} is not a number of seconds ({lowest:g} to 86400)")
    return seconds

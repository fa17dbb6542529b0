"""The small texts of Mesos's JSON: addresses, libprocess pids, port ranges."""

import ipaddress
from functools import lru_cache

MOST_PORTS = 65_536


@lru_cache(maxsize=65_536)
def ip(text: str) -> str:
    """Return an IPv4 or IPv6 address in its canonical text form, or "" when it isn't one."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def endpoint(text: str) -> tuple[str, int]:
    """Split ``host:port`` or ``[v6]:port``.

    Raises ValueError, with a reason for people, when it isn't one.
    """
    host, colon, number = text.rpartition(":")
    if not colon or not host:
        raise ValueError(f"{text!r} is not HOST:PORT")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: an IPv6 address goes in brackets, as in [fd00::1]:5050")
    if not (number.isascii() and number.isdigit() and 0 < int(number) < 65_536):
        raise ValueError(f"{text!r}: {number!r} is not a port (1 to 65535)")
    return host, int(number)


def joined(host: str, port: int) -> str:
    """Return ``host:port``, or ``[v6]:port``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def pid(text: str | None) -> tuple[str, int]:
    """Return host and port of a libprocess pid, ``slave(1)@10.0.0.1:5051``; ("", 0) for none."""
    try:
        return endpoint((text or "").rpartition("@")[2])
    except ValueError:
        return "", 0


def ports(ranges: str) -> tuple[int, ...]:
    """Write out a RANGES text, ``[31000-31001, 31005-31005]`` or ``[31000]``, in its order.

    Raises ValueError, with a reason for people, when it isn't one.
    """
    numbers: list[int] = []
    for part in ranges.strip().removeprefix("[").removesuffix("]").split(","):
        first, dash, last = part.strip().partition("-")
        if not first and not dash:
            continue
        numbers.extend(port_range(int(first), int(last) if dash else int(first)))
    return tuple(numbers)


def port_range(begin: int, end: int) -> range:
    """Return the ports from ``begin`` to ``end``; raises ValueError when they are none."""
    if not 0 <= begin <= end < MOST_PORTS:
        raise ValueError(f"{begin}-{end} is not a range of ports")
    return range(begin, end + 1)

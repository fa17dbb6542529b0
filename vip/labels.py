"""VIP labels: which virtual server a task's port wants to stand behind.

``/web:80`` or ``web:80`` is a named VIP, ``10.1.1.1:5432`` and ``fd01:c::1:80`` are addresses. The
oldest form stands on the task, as ``VIP_PORT0``, and names its protocol: ``tcp://web:80``.
"""

import ipaddress
from collections.abc import Container

import msgspec

from pointsman.discovery import mangle, text
from pointsman.vip.policy import OPTIONS

HEALTHCHECK = "healthcheck"
"""The option of a VIP that says how its real servers are checked."""

TASK_LABEL = "VIP_PORT"
"""Of a task's own labels, those with this start and an index into its host ports."""

PORT_LABEL = "VIP"
"""Of a discovery port's labels, those with this start, in upper or lower case."""

_NOWHERE = tuple(map(ipaddress.ip_network, ("0.0.0.0/8", "255.255.255.255", "::ffff:0:0/96")))
"""This network, everybody on it (whom DHCP asks), and IPv4 in the clothes of IPv6."""


class Label(msgspec.Struct, frozen=True, gc=False, order=True):
    """A VIP as a label asks for it."""

    name: str
    """Mangled, without its framework (``web``, ``api.web``); empty for an address."""
    address: str
    """Canonical text form; empty for a name."""
    port: int


def parse(value: str) -> Label:
    """Read a label's value.

    Raises ValueError, with a reason for people, when it makes no sense.
    """
    host, colon, number = value.strip().rpartition(":")
    if not colon or not host:
        raise ValueError(f"{value!r} is not NAME:PORT or ADDRESS:PORT")
    if not (number.isascii() and number.isdigit() and 0 < int(number) < 65_536):
        raise ValueError(f"{value!r}: {number!r} is not a port (1 to 65535)")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    address = text.ip(bare)
    if address and not usable(address):
        raise ValueError(f"{value!r}: {address} can't be the address of a VIP")
    name = "" if address else mangle.fragment(host)
    if not address and not name:
        raise ValueError(f"{value!r}: nothing of {host!r} can stand in a DNS name")
    return Label(name, address, int(number))


def usable(address: str) -> bool:
    """Tell whether a VIP may have an address: one that leads from one host to another."""
    ip = ipaddress.ip_address(address)
    return not (
        ip.is_loopback
        or ip.is_multicast
        or ip.is_unspecified
        or ip.is_link_local
        or "%" in address  # it is of a single host's interface
        or any(ip in network for network in _NOWHERE)
    )


def parse_with_protocol(value: str) -> tuple[str, Label]:
    """Read the oldest form, ``tcp://web:80``.

    Raises ValueError, with a reason for people, when it makes no sense.
    """
    protocol, separator, rest = value.partition("://")
    if not separator:
        raise ValueError(f"{value!r} is not tcp://… or udp://…")
    return protocol.lower(), parse(rest)


def option(key: str, vips: Container[str]) -> str | None:
    """Return which option of a VIP a label's key names: ``scheduler`` of ``VIP_0_SCHEDULER``.

    ``vips`` are the keys of VIPs that it may belong to; None when it is no option of any.
    """
    for name in (*OPTIONS, HEALTHCHECK):
        for ending in (f"_{name.upper()}", f"_{name}"):
            if key.endswith(ending) and key.removesuffix(ending) in vips:
                return name
    return None

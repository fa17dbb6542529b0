"""Which masters there are and which of them leads, by what stands in ZooKeeper.

Each master that may lead has a znode ``json.info_<sequence>`` with its MasterInfo in JSON (Mesos
0.24 and later, ``src/master/contender/zookeeper.cpp``); the lowest sequence leads. Other children
(``info_…`` in protobuf, ``log_replicas``) are not for us.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping

import msgspec

from pointsman.discovery import text
from pointsman.discovery.model import Master

_ZNODE = re.compile(r"json\.info_(\d+)")
_URL = re.compile(r"zk://(?:([^@/]*)@)?([^@/]+)(/.*)?")


class Url(msgspec.Struct, frozen=True):
    """Where ZooKeeper is, and where in it."""

    hosts: str
    """``HOST:PORT[,HOST:PORT…]``."""
    path: str
    credential: str = ""
    """``user:password``; empty for none."""

    def __repr__(self) -> str:
        return f"Url({self.hosts!r}, {self.path!r})"


class _Address(msgspec.Struct, frozen=True):
    ip: str = ""
    port: int = 0


class _MasterInfo(msgspec.Struct, frozen=True):
    ip: int = 0
    port: int = 0
    address: _Address = _Address()


def parse_url(url: str) -> Url:
    """Read ``zk://user:password@h1:2181,h2:2181/path``.

    Raises ValueError, with a reason for people that doesn't tell the password, when it isn't one.
    """
    found = _URL.fullmatch(url)
    if not found:
        raise ValueError("is not zk://HOST:PORT[,HOST:PORT]/PATH")
    credential, hosts, path = found[1] or "", found[2], (found[3] or "").rstrip("/")
    for host in hosts.split(","):
        text.endpoint(host)
    if not path:
        raise ValueError("names no path, as in zk://10.0.0.1:2181/mesos")
    if credential and ":" not in credential:
        raise ValueError("has a user without a password: zk://USER:PASSWORD@HOST:PORT/PATH")
    return Url(hosts, path, credential)


def candidates(children: Iterable[str]) -> list[str]:
    """Return the znodes of masters among all children, the leader's first."""
    found = ((_ZNODE.fullmatch(child), child) for child in children)
    return [child for _, child in sorted((int(match[1]), child) for match, child in found if match)]


def masters(znodes: Mapping[str, bytes]) -> tuple[Master, ...]:
    """Return the masters that znodes tell of, the leader first; what can't be read is left out."""
    found = []
    for name in candidates(znodes):
        try:
            info = msgspec.json.decode(znodes[name], type=_MasterInfo)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        address = text.ip(info.address.ip) or _old(info.ip)
        port = info.address.port or info.port
        if address and 0 < port < 65_536:
            found.append(Master(address, port))
    return tuple(dict.fromkeys(found))


def _old(number: int) -> str:
    """Return the address in MasterInfo's old field: its octets, the first one lowest."""
    if not 0 < number < 1 << 32:
        return ""
    return str(ipaddress.IPv4Address(number.to_bytes(4, "little")))

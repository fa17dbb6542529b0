"""Makes VIPs local to this host: a dummy link, and routes of type local that lead to it.

One route covers a whole range, so a new VIP of the range needs none. The routes' preferred source
is the node's own address: a local client would otherwise speak from the VIP itself, which a real
server on another node, where the VIP is local as well, could not answer.
"""

import errno
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pointsman.discovery.errors import Fatal, Transient
from pointsman.vip.addresses import Range
from pointsman.vip.netlink import NO_RIGHT

PROTOCOL = 80
"""Marks our routes (``ip route`` shows ``proto 80``); rtnetlink leaves this number free."""

_LOCAL_TABLE, _LOCAL, _HOST = 255, "local", 254  # RT_TABLE_LOCAL, RTN_LOCAL, RT_SCOPE_HOST
_AF = {4: 2, 6: 10}


class Link:
    """The link and its routes, over rtnetlink; for one thread, which must not run an event loop."""

    def __init__(self, name: str, ranges: Iterable[Range], sources: Mapping[int, str]) -> None:
        """Take the link's name, the ranges, and the node's own address by family ("" for none)."""
        self._name = name
        self._prefixes = [prefix for r in ranges for prefix in r.networks]
        self._sources = sources
        self._netlink: Any = None

    def sync(self, addresses: Sequence[str]) -> int:
        """Make exactly the ranges and these addresses local; return how many changes it took.

        Raises Transient when the kernel refuses one.
        """
        try:
            return self._sync(addresses)
        except (self._error, OSError) as error:
            raise self._translated(error) from error

    def remove(self) -> int:
        """Delete the link with all its routes; return how many there were of both."""
        try:
            index = self._index()
            if index is None:
                return 0
            routes = sum(len(self._routes(family, index)) for family in self._families())
            self._open().link("del", index=index)
        except (self._error, OSError) as error:
            raise self._translated(error) from error
        return routes + 1

    def close(self) -> None:
        """Give the socket back."""
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def _sync(self, addresses: Sequence[str]) -> int:
        changes = 0
        index = self._index()
        if index is None:
            self._open().link("add", ifname=self._name, kind="dummy", state="up")
            index = self._index()
            changes += 1
        assert index is not None
        if not self._is_up(index):
            self._open().link("set", index=index, state="up")
            changes += 1
        prefixes = {*self._prefixes, *(f"{a}/{128 if ':' in a else 32}" for a in addresses)}
        for family in self._families():
            there = self._routes(family, index)
            source = self._sources.get(family, "")
            wanted = {(prefix, source) for prefix in prefixes if (":" in prefix) == (family == 6)}
            for prefix, old in sorted(there - wanted):
                self._route("del", family, index, prefix, old)
            for prefix, new in sorted(wanted - there):
                self._route("replace", family, index, prefix, new)
            changes += len(wanted ^ there)
        return changes

    def _route(self, action: str, family: int, index: int, prefix: str, source: str) -> None:
        self._open().route(
            action,
            family=_AF[family],
            dst=prefix,
            oif=index,
            table=_LOCAL_TABLE,
            type=_LOCAL,
            scope=_HOST if family == 4 else 0,
            proto=PROTOCOL,
            **({"prefsrc": source} if source else {}),
        )

    def _routes(self, family: int, index: int) -> set[tuple[str, str]]:
        """Return prefix and preferred source of each of our routes."""
        found = set()
        for route in self._open().get_routes(family=_AF[family], table=_LOCAL_TABLE, oif=index):
            if route["proto"] == PROTOCOL and route.get("oif") == index:
                prefix = ipaddress.ip_network(f"{route.get('dst')}/{route['dst_len']}")
                found.add((str(prefix), route.get("prefsrc") or ""))
        return found

    def _families(self) -> tuple[int, ...]:
        """Return the families that this host speaks: where IPv6 is off, it takes no routes."""
        off = Path(f"/proc/sys/net/ipv6/conf/{self._name}/disable_ipv6")
        try:
            return (4, 6) if off.read_text().strip() == "0" else (4,)
        except OSError:
            return (4,)

    def _index(self) -> int | None:
        found = self._open().link_lookup(ifname=self._name)
        return int(found[0]) if found else None

    def _is_up(self, index: int) -> bool:
        (link,) = self._open().get_links(index)
        return bool(link["flags"] & 1)

    def _open(self) -> Any:
        if self._netlink is None:
            # Takes half a second to import: only where there are virtual servers.
            from pyroute2 import IPRoute

            self._netlink = IPRoute()
        return self._netlink

    @property
    def _error(self) -> type[Exception]:
        from pyroute2.netlink.exceptions import NetlinkError

        return NetlinkError  # type: ignore[no-any-return]

    def _translated(self, error: Any) -> Exception:
        """Return what it means; after an error of the socket itself the next use opens another."""
        if isinstance(error, OSError):
            self.close()
        elif error.code == errno.EPERM:
            return Fatal(NO_RIGHT)
        return Transient(f"the routes of VIPs on {self._name} can't be set: {error}")

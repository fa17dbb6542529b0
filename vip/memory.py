"""A kernel in memory: doubles of ``netlink.Ipvs`` and ``sysctl.Sysctl`` for tests."""

import errno
from collections.abc import Iterable, Mapping, Sequence

from pointsman.discovery.errors import Transient
from pointsman.vip.model import (
    Activity,
    AddReal,
    AddServer,
    Change,
    DeleteReal,
    DeleteServer,
    Endpoint,
    Failure,
    Key,
    SetReal,
    SetServer,
    Table,
    VirtualServer,
)
from pointsman.vip.sync import Daemon


class MemoryIpvs:
    """Takes changes and refuses them as the kernel does."""

    def __init__(self, table: Table | None = None) -> None:
        self.sent = 0
        """Changes, made or refused, so far."""
        self.active: dict[tuple[Key, Endpoint], int] = {}
        """Connections that tests say are there."""
        self._table: dict[Key, VirtualServer] = dict(table or {})
        self._timeouts = (900, 120, 300)
        self._daemons: set[Daemon] = set()

    def table(self) -> Table:
        """Return what is there now."""
        return dict(self._table)

    def holds(self, table: Table) -> bool:
        """Tell whether this is the table there is."""
        return self._table == table

    def activity(self, keys: Iterable[Key]) -> dict[Key, dict[Endpoint, Activity]]:
        """Return what goes to the real servers of these virtual servers."""
        return {
            key: {
                endpoint: Activity(active=self.active.get((key, endpoint), 0))
                for endpoint in self._table[key].real_servers
            }
            for key in keys
            if key in self._table
        }

    def traffic(self) -> dict[Key, Activity]:
        """Return what went through each virtual server: nothing ever does."""
        return dict.fromkeys(self._table, Activity())

    def timeouts(self) -> tuple[int, int, int]:
        """Return the idle timeouts of TCP, TCP after FIN, and UDP connections, in seconds."""
        return self._timeouts

    def set_timeouts(self, tcp: int = 0, tcp_fin: int = 0, udp: int = 0) -> None:
        """Set idle timeouts in seconds; 0 leaves one as it is."""
        before = self._timeouts
        self._timeouts = (tcp or before[0], tcp_fin or before[1], udp or before[2])

    def daemons(self) -> frozenset[Daemon]:
        """Return the daemons that synchronise connections."""
        return frozenset(self._daemons)

    def start(self, daemon: Daemon) -> None:
        """Start one; raises Transient when there is one of its kind."""
        if any(one.state == daemon.state for one in self._daemons):
            raise Transient(f"{daemon}: there is one already")
        self._daemons.add(daemon)

    def stop(self, daemon: Daemon) -> None:
        """Stop one."""
        self._daemons.remove(daemon)

    def apply(self, changes: Sequence[Change]) -> tuple[Failure, ...]:
        """Make all changes, in order; return those that are refused."""
        self.sent += len(changes)
        outcomes = [(change, self._apply(change)) for change in changes]
        return tuple(Failure(change, code) for change, code in outcomes if code)

    def _apply(self, change: Change) -> int:
        """Make one change; return 0 or the error number."""
        server = self._table.get(change.key)
        if isinstance(change, AddServer):
            if server is not None:
                return errno.EEXIST
            self._table[change.key] = VirtualServer(change.settings, {})
            return 0
        if server is None:
            return errno.ESRCH
        match change:
            case SetServer():
                self._table[change.key] = VirtualServer(change.settings, server.real_servers)
                return 0
            case DeleteServer():
                del self._table[change.key]
                return 0
        reals = dict(server.real_servers)
        if isinstance(change, AddReal) and change.endpoint in reals:
            return errno.EEXIST
        if isinstance(change, SetReal | DeleteReal) and change.endpoint not in reals:
            return errno.ENOENT
        if isinstance(change, DeleteReal):
            del reals[change.endpoint]
        elif isinstance(change, AddReal | SetReal):
            reals[change.endpoint] = change.real
        self._table[change.key] = VirtualServer(server.settings, reals)
        return 0


class MemorySettings:
    """Settings that are 0 until they are written."""

    def __init__(self, said: list[str] | None = None) -> None:
        """Append what is written to ``said``, as ``name=value``."""
        self.values: dict[str, str] = {}
        self.complaint = ""
        """Why nothing can be written."""
        self._said = [] if said is None else said

    def ensure(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Write what differs; return the values before, of those written."""
        if self.complaint and wanted:
            raise Transient(self.complaint)
        before = {name: old for name, old in self.read(wanted).items() if old != wanted[name]}
        self._said += [f"{name.rpartition('.')[2]}={wanted[name]}" for name in before]
        self.values.update(wanted)
        return before

    def forwarding6(self) -> dict[str, str]:
        """Return what forwarding of IPv6 packets needs."""
        return {"net.ipv6.conf.all.forwarding": "1"}

    def read(self, names: Iterable[str]) -> dict[str, str]:
        """Return the values."""
        return {name: self.values.get(name, "0") for name in names}

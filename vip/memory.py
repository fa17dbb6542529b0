"""Virtual servers in memory: the double of ``netlink.Ipvs`` for tests and dry runs."""

import errno
from collections.abc import Sequence

from pointsman.vip.model import (
    AddReal,
    AddServer,
    Change,
    DeleteReal,
    DeleteServer,
    Failure,
    Key,
    SetReal,
    SetServer,
    Table,
    VirtualServer,
)


class MemoryIpvs:
    """Takes changes and refuses them as the kernel does."""

    def __init__(self, table: Table | None = None) -> None:
        self.sent = 0
        """Changes, made or refused, so far."""
        self._table: dict[Key, VirtualServer] = dict(table or {})

    def table(self) -> Table:
        """Return what is there now."""
        return dict(self._table)

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

"""What to change so that one table becomes another."""

from collections.abc import Callable, Iterable, Iterator

from pointsman.vip.model import (
    ORDERED,
    AddReal,
    AddServer,
    Change,
    DeleteReal,
    DeleteServer,
    Endpoint,
    Key,
    SetReal,
    SetServer,
    Table,
    VirtualServer,
)


def diff(actual: Table, wanted: Table, ours: Callable[[Key], bool]) -> tuple[Change, ...]:
    """Return the changes that bring our share of ``actual`` to ``wanted``, in the order to make.

    Virtual servers that are not wanted are deleted only where they are ours. Each virtual server
    gains before it loses: new real servers stand before old ones go. What is equal takes nothing.
    """
    changes: list[Change] = []
    for key in sorted(wanted):
        if key in actual:
            changes += _changed(key, actual[key], wanted[key])
        else:
            changes += _added(key, wanted[key])
    left = (key for key in sorted(actual) if key not in wanted and ours(key))
    changes += (DeleteServer(key, actual[key]) for key in left)
    return tuple(changes)


def moves(changes: tuple[Change, ...]) -> bool:
    """Tell whether a real server is deleted and added again, only for its place in the order."""
    gone = {(c.key, c.endpoint) for c in changes if isinstance(c, DeleteReal)}
    return any((c.key, c.endpoint) in gone for c in changes if isinstance(c, AddReal))


def _added(key: Key, wanted: VirtualServer) -> Iterator[Change]:
    yield AddServer(key, wanted.settings)
    for endpoint in _order(wanted):
        yield AddReal(key, endpoint, wanted.real_servers[endpoint])


def _changed(key: Key, actual: VirtualServer, wanted: VirtualServer) -> Iterator[Change]:
    if actual.settings != wanted.settings:
        yield SetServer(key, wanted.settings, actual.settings)
    before, after = actual.real_servers, wanted.real_servers
    late = _late(actual, wanted) if wanted.settings.scheduler == ORDERED else ()
    new = after.keys() - before.keys() | {*late}
    for endpoint in (e for e in _order(wanted) if e in new):
        # One after the other, so that the rest stand meanwhile.
        if endpoint in before:
            yield DeleteReal(key, endpoint, before[endpoint])
        yield AddReal(key, endpoint, after[endpoint])
    for endpoint in sorted(after.keys() & before.keys() - {*late}):
        if after[endpoint] != before[endpoint]:
            yield SetReal(key, endpoint, after[endpoint], before[endpoint])
    for endpoint in sorted(before.keys() - after.keys()):
        yield DeleteReal(key, endpoint, before[endpoint])


def _order(server: VirtualServer) -> Iterable[Endpoint]:
    """Return the real servers in the order to add them in."""
    ordered = server.settings.scheduler == ORDERED
    return sorted(server.real_servers) if ordered else server.real_servers


def _late(actual: VirtualServer, wanted: VirtualServer) -> list[Endpoint]:
    """Return those that must be added again for all to stand in order, as on any other node."""
    standing = [e for e in actual.real_servers if e in wanted.real_servers]
    ordered = sorted(wanted.real_servers)
    right = 0
    while right < len(standing) and standing[right] == ordered[right]:
        right += 1
    return standing[right:]

"""What to change so that one table becomes another."""

from collections.abc import Callable, Iterator

from pointsman.vip.model import (
    AddReal,
    AddServer,
    Change,
    DeleteReal,
    DeleteServer,
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
    changes += (DeleteServer(key) for key in sorted(actual) if key not in wanted and ours(key))
    return tuple(changes)


def _added(key: Key, wanted: VirtualServer) -> Iterator[Change]:
    yield AddServer(key, wanted.settings)
    for endpoint in sorted(wanted.real_servers):
        yield AddReal(key, endpoint, wanted.real_servers[endpoint])


def _changed(key: Key, actual: VirtualServer, wanted: VirtualServer) -> Iterator[Change]:
    if actual.settings != wanted.settings:
        yield SetServer(key, wanted.settings)
    before, after = actual.real_servers, wanted.real_servers
    for endpoint in sorted(after.keys() - before.keys()):
        yield AddReal(key, endpoint, after[endpoint])
    for endpoint in sorted(after.keys() & before.keys()):
        if after[endpoint] != before[endpoint]:
            yield SetReal(key, endpoint, after[endpoint])
    for endpoint in sorted(before.keys() - after.keys()):
        yield DeleteReal(key, endpoint)

"""Finds real servers that get connections and answer nothing, by what the kernel counts."""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from pointsman.vip.elect import Target
from pointsman.vip.model import Activity, Endpoint, Forwarding, Key

Counted: TypeAlias = Mapping[Key, Mapping[Endpoint, Activity]]

FEW = 3
"""So many connections without a single packet back are no chance."""


def silent(
    before: Counted, after: Counted, targets: Mapping[Key, Target]
) -> Iterator[tuple[Key, Endpoint]]:
    """Yield the real servers that got connections between two countings, and sent nothing back.

    Of those alone whose packets come back this way: masqueraded ones.
    """
    for key, reals in after.items():
        target = targets.get(key)
        for endpoint, now in reals.items():
            real = target.server.real_servers.get(endpoint) if target else None
            then = before.get(key, {}).get(endpoint)
            if real is None or real.forwarding != Forwarding.MASQUERADE or then is None:
                continue
            if (
                now.connections - then.connections >= FEW
                and now.packets_in > then.packets_in
                and now.packets_out == then.packets_out
            ):
                yield key, endpoint

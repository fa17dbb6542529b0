"""Metrics of single VIPs, of so many at most: what is there by the thousand costs its reader."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from pointsman.vip.model import Activity, Key

OTHERS = "others"
"""The label of all that have no metrics of their own, together."""


def called(
    counted: Mapping[Key, Activity], names: Mapping[str, Iterable[str]]
) -> dict[str, Activity]:
    """Put what was counted under the names of VIPs; ``names`` has the addresses of each."""
    of = {address: name for name, found in names.items() for address in found}
    return {key.called(of.get(key.address, key.address)): found for key, found in counted.items()}


class Traffic(Collector):
    """What the kernel counted when it was asked last."""

    def __init__(self) -> None:
        self.most = 0
        """How many VIPs have metrics of their own."""
        self._chosen: tuple[str, ...] = ()
        self._rows: tuple[tuple[str, Activity], ...] = ()

    def take(self, found: Mapping[str, Activity]) -> None:
        """Tell of these from now on.

        Who has metrics keeps them while it is there, so that they only grow; what is free goes to
        the busiest.
        """
        chosen = [vip for vip in self._chosen if vip in found][: self.most]
        others = found.keys() - set(chosen)
        busiest = sorted(others, key=lambda vip: (-found[vip].connections, vip))
        chosen += busiest[: self.most - len(chosen)]
        rest = [found[vip] for vip in found.keys() - set(chosen)]
        rows = [(vip, found[vip]) for vip in sorted(chosen)]
        self._rows = (*rows, (OTHERS, _sum(rest))) if rest else tuple(rows)
        self._chosen = tuple(chosen)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        connections = CounterMetricFamily(
            "pointsman_vip_connections",
            "Connections to a VIP; those of the VIPs without metrics of their own are others.",
            labels=["vip"],
        )
        packets, octets = (
            CounterMetricFamily(
                f"pointsman_vip_{what}",
                f"{what.capitalize()} of connections to a VIP, in (to it) and out (from it).",
                labels=["vip", "direction"],
            )
            for what in ("packets", "bytes")
        )
        for vip, found in self._rows:
            connections.add_metric([vip], found.connections)
            packets.add_metric([vip, "in"], found.packets_in)
            packets.add_metric([vip, "out"], found.packets_out)
            octets.add_metric([vip, "in"], found.bytes_in)
            octets.add_metric([vip, "out"], found.bytes_out)
        yield from (connections, packets, octets)

    def describe(self) -> Iterable[Metric]:
        """Yield nothing: what there is, is known once the kernel was asked."""
        return ()


def _sum(found: Sequence[Activity]) -> Activity:
    return Activity(
        connections=sum(one.connections for one in found),
        packets_in=sum(one.packets_in for one in found),
        packets_out=sum(one.packets_out for one in found),
        bytes_in=sum(one.bytes_in for one in found),
        bytes_out=sum(one.bytes_out for one in found),
    )

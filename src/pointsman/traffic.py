"""Metrics of single VIPs, of so many at most: what is there by the thousand costs its reader."""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from pointsman.vip.model import Activity

OTHERS = "others"
"""The label of all that have no metrics of their own, together."""


class Traffic(Collector):
    """What the kernel counted when it was asked last."""

    def __init__(self) -> None:
        self.most = 0
        """How many VIPs have metrics of their own."""
        self._found: Mapping[str, Activity] = {}
        self._chosen: tuple[str, ...] = ()

    def take(self, found: Mapping[str, Activity]) -> None:
        """Tell of these from now on.

        Who has metrics keeps them while it is there, so that they only grow; what is free goes to
        the busiest.
        """
        chosen = [vip for vip in self._chosen if vip in found][: self.most]
        others = found.keys() - set(chosen)
        busiest = sorted(others, key=lambda vip: (-found[vip].connections, vip))
        self._chosen = (*chosen, *busiest[: self.most - len(chosen)])
        self._found = found

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
        rest = self._found.keys() - set(self._chosen)
        rows = [(vip, [self._found[vip]]) for vip in sorted(self._chosen)]
        if rest:
            rows.append((OTHERS, [self._found[vip] for vip in rest]))
        for vip, found in rows:
            connections.add_metric([vip], sum(one.connections for one in found))
            packets.add_metric([vip, "in"], sum(one.packets_in for one in found))
            packets.add_metric([vip, "out"], sum(one.packets_out for one in found))
            octets.add_metric([vip, "in"], sum(one.bytes_in for one in found))
            octets.add_metric([vip, "out"], sum(one.bytes_out for one in found))
        yield from (connections, packets, octets)

    def describe(self) -> Iterable[Metric]:
        """Yield nothing: what there is, is known once the kernel was asked."""
        return ()

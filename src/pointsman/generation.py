"""What one configuration decides: rules, zones, the kernel's part; replaced whole on reload."""

import time
from collections.abc import Iterable

from pointsman.config import Config
from pointsman.dns.answer import Counts, Responder
from pointsman.dns.zone import Soa, Zone, Zones
from pointsman.metrics import Metrics
from pointsman.reconcile import Reconciler
from pointsman.rules import rules, vip_apex
from pointsman.worker import KernelWorker


def zone(apex: str, ttl: int, nameservers: Iterable[str], serial: int) -> Zone:
    """Return an empty zone with a nameserver of its own, ``ns1`` under its apex."""
    soa = Soa(f"ns1.{apex}", f"root.ns1.{apex}", minimum=ttl)
    return Zone(apex, soa, ttl, nameservers, serial)


class Generation:
    """The parts that are built anew for each configuration."""

    def __init__(
        self,
        config: Config,
        nameservers: Iterable[str],
        kernel: KernelWorker | None,
        metrics: Metrics,
        counts: Counts,
    ) -> None:
        """``nameservers`` are this node's addresses; ``kernel`` is None without balancing."""
        # Serials go on rising over restarts: they begin at the seconds since 1970.
        serial = int(time.time())
        names = zone(f"{config.dns.domain}.", config.dns.ttl, nameservers, serial)
        vips = zone(vip_apex(config), config.vip.ttl, nameservers, serial)
        self.kernel = kernel
        self.zones = Zones(names, vips)
        self.responder = Responder(self.zones, counts)
        self.reconciler = Reconciler(
            rules(config), names, vips, config.vip.ttl, self.responder, kernel, metrics
        )

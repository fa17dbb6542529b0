"""What one configuration decides: rules, zones, the kernel's part; replaced whole on reload."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pointsman.checking import Checking
from pointsman.config import Config
from pointsman.discovery.errors import Fatal
from pointsman.dns import reverse
from pointsman.dns.records import Record, address_records
from pointsman.dns.static import parse
from pointsman.dns.zone import Mirror, Soa, Zone, Zones
from pointsman.front import Front
from pointsman.metrics import Metrics
from pointsman.reconcile import Reconciler
from pointsman.rules import rules, vip_apex
from pointsman.secondaries import notices
from pointsman.telling import Telling
from pointsman.vip.guard import Guard
from pointsman.worker import KernelWorker

DIRECTORY, GLOBAL = "thisdcos.directory.", "thisdcos.global."
"""DC/OS's domain, and its other name."""


def zone(apex: str, ttl: int, nameservers: Iterable[str], serial: int) -> Zone:
    """Return an empty zone with a nameserver of its own, ``ns1`` under its apex."""
    soa = Soa(f"ns1.{apex}", f"root.ns1.{apex}", minimum=ttl)
    return Zone(apex, soa, ttl, nameservers, serial)


def zones(config: Config, nameservers: Iterable[str], serial: int) -> Zones:
    """Return all zones that a configuration asks for, empty, and what mirrors them."""
    nameservers = tuple(nameservers)
    dns, domain = config.dns, f"{config.vip.domain}."
    aliases = "aliases" in dns.dcos
    domains = [domain, GLOBAL] if domain == DIRECTORY else [domain]
    names = zone(f"{dns.domain}.", dns.ttl, nameservers, serial)
    found = [names]
    mirrors = []
    if config.vip.enabled:
        vips = zone(vip_apex(config), config.vip.ttl, nameservers, serial)
        found.append(vips)
        every = [f"{label}.{one}" for one in domains for label in ("l4lb", "dclb")]
        mirrors += [Mirror(apex, vips) for apex in every if aliases and apex != vips.apex]
    if set(dns.dcos) - {"mesos", "aliases"}:
        found.append(zone(domain, dns.dcos_ttl, nameservers, serial))
        mirrors += [Mirror(apex, found[-1]) for apex in domains if aliases and apex != domain]
    if "mesos" in dns.dcos:
        mirrors.append(Mirror(f"mesos.{domain}", names))
    found += [zone(reverse.apex(n), dns.ttl, nameservers, serial) for n in dns.reverse]
    return Zones(*found, mirrors=mirrors)


def node_records(config: Config, nameservers: Iterable[str]) -> Iterator[Record]:
    """Yield the records of this node's own name."""
    if "thisnode" in config.dns.dcos:
        name = f"thisnode.{config.vip.domain}."
        yield from address_records(name, nameservers, config.dns.dcos_ttl)


def own_records(config: Config, nameservers: Iterable[str]) -> Iterator[Record]:
    """Yield the records that do not come from the cluster: of this node, and of the file.

    Raises Fatal, which names the line, when the file can't be used.
    """
    yield from node_records(config, nameservers)
    path = config.dns.records_file
    if path:
        try:
            yield from parse(Path(path).read_text(), f"{config.dns.domain}.", config.dns.ttl)
        except OSError as error:
            raise Fatal(f"dns.records_file: {path}: {error.strerror}") from error
        except ValueError as error:
            raise Fatal(f"dns.records_file: {path}: {error}") from error


class Generation:
    """The parts that are built anew for each configuration."""

    def __init__(
        self,
        config: Config,
        nameservers: Iterable[str],
        own: Iterable[str],
        kernel: KernelWorker | None,
        metrics: Metrics,
        front: Front,
        checking: Checking,
        telling: Telling,
        serial: int = 1,
    ) -> None:
        """Make all of it, but for what of the cluster is published.

        ``nameservers`` are this node's addresses that DNS answers, ``own`` all of them, ``kernel``
        is None without balancing, ``serial`` is what the zones begin with.
        """
        nameservers = tuple(nameservers)
        self.nameservers = nameservers
        self.config = config
        self.zones = zones(config, nameservers, serial)
        self.zones.update((), own_records(config, nameservers))
        self.kernel = kernel
        self.responder = front.responder(config.dns, self.zones)
        self.notices = notices(self.zones, config.dns.transfer)
        vip = config.vip
        self.reconciler = Reconciler(
            rules(config, own),
            vip_apex(config),
            vip.ttl,
            self.responder,
            kernel,
            metrics,
            Guard(vip.guard_percent / 100, patience=vip.guard_time),
            checking,
            telling,
            dry=vip.dry_run,
        )

    def move(self, nameservers: Iterable[str]) -> None:
        """Answer other addresses for this node from now on."""
        old, self.nameservers = self.nameservers, tuple(nameservers)
        if set(old) != set(self.nameservers):
            removed, added = (self._node_records(of) for of in (old, self.nameservers))
            self.responder.invalidate(self.zones.update(removed, added))

    def _node_records(self, nameservers: Iterable[str]) -> Iterator[Record]:
        yield from node_records(self.config, nameservers)
        for one in self.zones:
            yield from address_records(one.soa.mname, nameservers, one.ttl)

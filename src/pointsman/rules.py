"""From the configuration to the rules of each view."""

from collections.abc import Iterable

from pointsman.config import Config
from pointsman.dns.dcos import FAMILIES, DcosRules
from pointsman.dns.names import MOST_NAME
from pointsman.dns.records import NameRules
from pointsman.dns.reverse import Reverse
from pointsman.pipeline import Rules, VipRules
from pointsman.vip import policy
from pointsman.vip.addresses import Range, parse_range
from pointsman.vip.checks import Checks
from pointsman.vip.policy import Defaults


def rules(config: Config, own: Iterable[str] = ()) -> Rules:
    """Return what the views are derived by; ``own`` are the addresses of this node."""
    dns, own = config.dns, frozenset(own)
    return Rules(
        names=NameRules(
            domain=dns.domain,
            ttl=dns.ttl,
            ip_sources=dns.ip_sources,
            rfc952=dns.enforce_rfc952,
            srv_weight=dns.srv_weight,
            unhealthy=dns.unhealthy,
        ),
        dcos=_dcos(config),
        reverse=Reverse(dns.reverse, dns.ttl),
        checks=Checks(config.health.rules(min(own, default="")), own),
        vips=VipRules(
            enabled=config.vip.enabled,
            ranges=ranges(config),
            defaults=defaults(config),
            own=own,
            region=config.vip.region,
            zone=config.vip.zone,
            hold=config.vip.drain,
            allowed=tuple(map(parse_range, config.vip.address_ranges)),
            longest=MOST_NAME - 2 - len(vip_apex(config)),
        ),
    )


def defaults(config: Config) -> Defaults:
    """Return how VIPs are balanced of which no label says otherwise."""
    said: policy.Said = ()
    for option in policy.OPTIONS:
        if value := str(getattr(config.vip, option, "")):
            said += policy.read(option, value)
    return policy.apply(Defaults(), said)


def _dcos(config: Config) -> DcosRules | None:
    families = tuple(family for family in FAMILIES if family in config.dns.dcos)
    if not families:
        return None
    return DcosRules(config.vip.domain, families, config.dns.dcos_ttl, config.dns.unhealthy)


def ranges(config: Config) -> tuple[Range, ...]:
    """Return the ranges of named VIPs, IPv4 first."""
    return tuple(parse_range(r) for r in (config.vip.ipv4_range, config.vip.ipv6_range) if r)


def vip_apex(config: Config) -> str:
    """Return the zone of the VIPs' names, with its last dot."""
    return f"l4lb.{config.vip.domain}."

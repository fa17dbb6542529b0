"""What of a configuration can't be used though each value is of the right type: a line for each."""

import ipaddress
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from pointsman.discovery import access, text
from pointsman.discovery.leader import parse_url
from pointsman.dns import endpoints, forward, reverse
from pointsman.dns.limit import Networks
from pointsman.healthcheck import settings
from pointsman.vip import policy
from pointsman.vip.addresses import parse_range

if TYPE_CHECKING:
    from pointsman.config import Config

_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


def problems(config: "Config") -> Iterator[str]:
    """Yield a line for each value that is of the right type and still can't be used."""
    if config.discovery.zookeeper:
        try:
            parse_url(config.discovery.zookeeper)
        except ValueError as error:
            yield f"discovery.zookeeper: {error}"
    elif not config.discovery.masters and not config.discovery.file:
        yield 'discovery.masters: is empty; name the masters, as in ["10.0.0.1:5050"]'
    if config.discovery.file and (config.discovery.masters or config.discovery.zookeeper):
        yield "discovery.file: is set beside masters; only one of them can be right"
    for key, why in access.problems(config.discovery.tls, config.discovery.auth):
        yield f"discovery.{key}: {why}"
    for at, master in enumerate(config.discovery.masters):
        yield from _endpoint(f"discovery.masters[{at}]", master, any_host=True)
    if len(set(config.discovery.masters)) != len(config.discovery.masters):
        yield "discovery.masters: names a master twice"
    if not config.dns.listen:
        yield "dns.listen: is empty"
    for at, listen in enumerate(config.dns.listen):
        try:
            endpoints.parse(listen)
        except ValueError as error:
            yield f"dns.listen[{at}]: {error}"
    if config.http.listen:
        yield from _endpoint("http.listen", config.http.listen)
    for key, domain in (("dns.domain", config.dns.domain), ("vip.domain", config.vip.domain)):
        if not _DOMAIN.fullmatch(domain) or len(domain) > 200:
            yield f"{key}: {domain!r} is not a domain of lower-case letters, digits, '-' and '.'"
    if not config.dns.ip_sources or len(set(config.dns.ip_sources)) != len(config.dns.ip_sources):
        yield "dns.ip_sources: is empty or names a source twice"
    for key, range_, family in (
        ("vip.ipv4_range", config.vip.ipv4_range, 4),
        ("vip.ipv6_range", config.vip.ipv6_range, 6),
    ):
        if range_:
            yield from _range(key, range_, family)
    for at, range_ in enumerate(config.vip.address_ranges):
        yield from _range(f"vip.address_ranges[{at}]", range_)
    for option in policy.OPTIONS:
        if value := str(getattr(config.vip, option, "")):
            try:
                policy.read(option, value)
            except ValueError as error:
                yield f"vip.{option}: {error}"
    for key, why in settings.problems(config.health):
        yield f"health.{key}: {why}"
    for at, network in enumerate(config.dns.reverse):
        try:
            reverse.apex(network)
        except ValueError as error:
            yield f"dns.reverse[{at}]: {error}"
    for key, networks in (
        ("rate_limit.exempt", config.dns.rate_limit.exempt),
        ("forward.allow", config.dns.forward.allow),
        ("transfer.allow", config.dns.transfer.allow),
    ):
        try:
            Networks(networks)
        except ValueError as error:
            yield f"dns.{key}: {error}"
    if len(set(config.dns.reverse)) != len(config.dns.reverse):
        yield "dns.reverse: names a network twice"
    for at, secondary in enumerate(config.dns.transfer.notify):
        try:
            forward.parse(secondary)
        except ValueError as error:
            yield f"dns.transfer.notify[{at}]: {error}"
    for key, why in forward.problems(config.dns.forward, _own_zones(config)):
        yield f"dns.forward.{key}: {why}"
    if config.vip.node_address and not text.ip(config.vip.node_address):
        yield f"vip.node_address: {config.vip.node_address!r} is not an IP address"


def exposed(zookeeper: str) -> Iterator[str]:
    """Yield a line when a variable has a password: what runs here may see it."""
    if "@" in zookeeper:
        yield (
            "POINTSMAN_DISCOVERY__ZOOKEEPER: has a password, which belongs into a file: "
            "set discovery.zookeeper_credential_file"
        )


def _own_zones(config: "Config") -> Iterator[str]:
    """Yield the zones that are answered from the cluster."""
    yield config.dns.domain
    if config.vip.enabled:
        yield f"l4lb.{config.vip.domain}"
    if set(config.dns.dcos) - {"mesos", "aliases"}:
        yield config.vip.domain
    if "mesos" in config.dns.dcos:
        yield f"mesos.{config.vip.domain}"
    for network in config.dns.reverse:
        with suppress(ValueError):
            yield reverse.apex(network).removesuffix(".")


def _endpoint(key: str, value: str, *, any_host: bool = False) -> Iterator[str]:
    try:
        host, _ = text.endpoint(value)
        if not any_host:
            ipaddress.ip_address(host)
    except ValueError as error:
        yield f"{key}: {error}"


def _range(key: str, value: str, family: int = 0) -> Iterator[str]:
    """Yield what is wrong with a range, of one family or of any."""
    try:
        if parse_range(value).family != family and family:
            yield f"{key}: {value!r} is not of IPv{family}"
    except ValueError as error:
        yield f"{key}: {error}"

"""For whom a request may be: what keeps pages of others from reaching this by DNS rebinding.

A page that a browser has from another's name can have that name lead here, and is then of the same
origin. Its requests still have that name as their Host, and so are not answered.
"""

from pointsman.config import Config
from pointsman.discovery import text
from pointsman.rules import vip_apex


def names(config: Config, node: str) -> frozenset[str]:
    """Return the names that a request may have as its Host; ``node`` is this host's own."""
    node, domain = node.lower(), config.dns.domain
    cluster = {f"{one}.{domain}" for one in ("ns1", "leader", "master", "slave")}
    vips = {f"ns1.{vip_apex(config)}".rstrip("."), f"thisnode.{config.vip.domain}"}
    own = {"localhost", node, node.partition(".")[0]}
    return frozenset({*cluster, *vips, *own, *(one.lower() for one in config.http.hosts)})


def admitted(host: str | None, names: frozenset[str]) -> bool:
    """Tell whether a request is for an address or one of these names.

    One without Host comes from no browser.
    """
    if host is None:
        return True
    if host.startswith("["):
        return bool(text.ip(host[1:].partition("]")[0]))
    name = host.partition(":")[0]
    return bool(text.ip(name)) or name.rstrip(".").lower() in names

"""What a server tells of itself, in the class CHAOS (RFC 4892)."""

from pointsman.dns import wire
from pointsman.dns.message import Ready
from pointsman.dns.query import Query

SERVER, VERSION = ("id.server.", "hostname.bind."), ("version.server.", "version.bind.")


def answer(query: Query, server: str, version: str) -> Ready | None:
    """Return the answer, None for what is not told: neither of both when empty."""
    said = server if query.name in SERVER else version if query.name in VERSION else ""
    if not said or query.type not in (wire.TYPES["TXT"], wire.ANY):
        return None
    text = said.encode()[:255]
    record = wire.record(wire.pointer(12), "TXT", 0, len(text).to_bytes(1) + text, wire.CH)
    return Ready([record], [], [])

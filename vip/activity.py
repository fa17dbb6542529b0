"""What the kernel counts of virtual and real servers, as its dumps tell it (linux/ip_vs.h)."""

import struct

from pointsman.vip.messages import attributes
from pointsman.vip.model import Activity

_SERVICE, _DEST = 1, 2
_STATS64 = 12  # IPVS_SVC_ATTR_STATS64 and IPVS_DEST_ATTR_STATS64
_ACTIVE, _INACTIVE = 7, 8
_CONNECTIONS, _PACKETS_IN, _PACKETS_OUT, _BYTES_IN, _BYTES_OUT = 1, 2, 3, 4, 5
_CONNECTION_RATE, _BYTES_IN_RATE, _BYTES_OUT_RATE = 6, 9, 10


def of_service(body: bytes) -> Activity:
    """Read one message of a dump of virtual servers; ``body`` begins with the generic header."""
    found = attributes(attributes(body[4:]).get(_SERVICE, b""))
    return _activity(found.get(_STATS64, b""), 0, 0)


def of_real(body: bytes) -> Activity:
    """Read one message of a dump of real servers; ``body`` begins with the generic header."""
    found = attributes(attributes(body[4:]).get(_DEST, b""))
    return _activity(found.get(_STATS64, b""), _u32(found, _ACTIVE), _u32(found, _INACTIVE))


def _activity(nest: bytes, active: int, inactive: int) -> Activity:
    """Return what is counted; 0 for what this kernel does not tell (64-bit counts: since 4.1)."""
    found = attributes(nest)

    def number(kind: int) -> int:
        value = found.get(kind, b"")
        return int(struct.unpack("=Q", value)[0]) if len(value) == 8 else 0

    return Activity(
        active, inactive,
        number(_CONNECTIONS), number(_PACKETS_IN), number(_PACKETS_OUT),
        number(_BYTES_IN), number(_BYTES_OUT),
        number(_CONNECTION_RATE), number(_BYTES_IN_RATE), number(_BYTES_OUT_RATE),
    )  # fmt: skip


def _u32(found: dict[int, bytes], kind: int) -> int:
    value = found.get(kind, b"")
    return int(struct.unpack("=I", value)[0]) if len(value) == 4 else 0

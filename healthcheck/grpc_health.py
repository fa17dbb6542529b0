"""The messages of the gRPC health protocol, and the codes that calls end with.

Both are protobuf of a single field (grpc.health.v1 in ``grpc/health/v1/health.proto``), framed
for the wire (``PROTOCOL-HTTP2.md``, "Length-Prefixed-Message").
"""

PATH = "/grpc.health.v1.Health/Check"

SERVING = "SERVING"
_STATUSES = ("UNKNOWN", SERVING, "NOT_SERVING", "SERVICE_UNKNOWN")

CODES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
    "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
"""Names of the codes that a call ends with, by number."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""Wire types; 3 and 4 are groups, which proto3 has none of."""

_PREFIX = 5
_MOST_VARINT = 10


def request(service: str) -> bytes:
    """Return a framed HealthCheckRequest; raises ValueError when the name is not Unicode."""
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return b"\0" + len(message).to_bytes(4) + message


def status(body: bytes) -> str:
    """Return the status in a framed HealthCheckResponse; raises ValueError when it is damaged."""
    if len(body) < _PREFIX or int.from_bytes(body[1:_PREFIX]) != len(body) - _PREFIX:
        raise ValueError("not one whole message")
    if body[0]:
        raise ValueError("compressed, which was not asked for")
    number = _status(body[_PREFIX:])
    return _STATUSES[number] if number < len(_STATUSES) else f"status {number}"


def _status(message: bytes) -> int:
    """Return the last value of field 1, 0 when there is none; other fields are skipped."""
    found = at = 0
    while at < len(message):
        tag, at = _number(message, at)
        field, type_ = tag >> 3, tag & 7
        if not field:
            raise ValueError("a field without a number")
        if type_ == _VARINT:
            value, at = _number(message, at)
            found = value if field == 1 else found
        elif field == 1:
            raise ValueError("a status that is no number")
        elif type_ == _BYTES:
            length, at = _number(message, at)
            at += length
        elif type_ in (_FIXED32, _FIXED64):
            at += 4 if type_ == _FIXED32 else 8
        else:
            raise ValueError("a field of an unknown kind")
    if at > len(message):
        raise ValueError("a field that is cut off")
    return found


def _number(message: bytes, at: int) -> tuple[int, int]:
    """Return the varint that begins there, and where it ends."""
    value = 0
    for shift, octet in enumerate(message[at : at + _MOST_VARINT]):
        value |= (octet & 0x7F) << 7 * shift
        if octet < 0x80:
            return value, at + shift + 1
    raise ValueError("a number that does not end")


def _varint(value: int) -> bytes:
    data = bytearray()
    while value >= 0x80:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)

"""Erlang's portable hash of a binary, by which DC/OS chose the addresses of named VIPs.

``erlang:phash2(Binary, Range)``: the lookup2 hash of Bob Jenkins ("A Hash Function for Hash Table
Lookup", Dr. Dobb's, September 1997) over the bytes, with Erlang's own first value, modulo Range.
"""

_GOLDEN = 0x9E3779B9
_BINARY = _GOLDEN * 13 & 0xFFFFFFFF  # Erlang's first value for a term that is a binary
_MASK = 0xFFFFFFFF


def phash2(data: bytes, range_: int) -> int:
    """Return the hash of the bytes as a number from 0 to ``range_ - 1``."""
    if not data:
        return _BINARY % range_
    a = b = _GOLDEN
    c = _BINARY
    whole = len(data) - len(data) % 12
    for at in range(0, whole, 12):
        a, b, c = _mix(
            a + int.from_bytes(data[at : at + 4], "little"),
            b + int.from_bytes(data[at + 4 : at + 8], "little"),
            c + int.from_bytes(data[at + 8 : at + 12], "little"),
        )
    rest = data[whole:]
    # The lowest byte of c is kept for the length.
    a += int.from_bytes(rest[:4], "little")
    b += int.from_bytes(rest[4:8], "little")
    c += len(data) + (int.from_bytes(rest[8:], "little") << 8)
    return _mix(a, b, c)[2] % range_


def _mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    for right_c, left_a, right_b in ((13, 8, 13), (12, 16, 5), (3, 10, 15)):
        a = ((a - b - c) & _MASK) ^ ((c & _MASK) >> right_c)
        b = ((b - c - a) & _MASK) ^ ((a << left_a) & _MASK)
        c = ((c - a - b) & _MASK) ^ (b >> right_b)
    return a, b, c

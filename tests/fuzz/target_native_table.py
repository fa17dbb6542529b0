"""The native responder's table under change; what is wanted is in the file of C beside this."""

import random
from collections.abc import Iterator

LENGTHS = (1, 10, 100, 500)
"""Changes, of three octets each."""


def seeds() -> Iterator[bytes]:
    """Yield changes of all kinds, and each kind by itself."""
    for length in LENGTHS:
        yield random.Random(length).randbytes(3 * length)
    for kind in (0, 150, 220, 250, 255):
        chance = random.Random(kind)
        yield b"".join(bytes([kind, chance.randrange(24), chance.randrange(6)]) for _ in range(99))
    yield b"\xff\0\0" * 9

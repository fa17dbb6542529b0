"""How long to wait before the next try."""

import random
from collections.abc import Iterator


def delays(first: float, most: float, seed: int | None = None) -> Iterator[float]:
    """Yield seconds for ever: doubling from ``first`` up to ``most``, each varied by a fifth.

    The variation keeps many nodes from coming back to a master in one beat.
    """
    vary = random.Random(seed)
    delay = first
    while True:
        yield delay * vary.uniform(0.8, 1.2)
        delay = min(delay * 2, most)

"""Log lines on standard error: time, level, where, what."""

import logging
import sys


def set_up(level: str) -> None:
    """Write lines of this level and above; call again to change the level."""
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
        root.addHandler(handler)
    root.setLevel(level.upper())
    # pyroute2 and asyncio say much below warning that is of no use to an operator.
    for name in ("pyroute2", "asyncio", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.WARNING)

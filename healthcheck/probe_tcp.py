"""The TCP probe: a connection comes about."""

import socket

from pointsman.healthcheck.connecting import connect, opened
from pointsman.healthcheck.model import Outcome, Place, Result, Tcp


async def probe(_: Tcp, place: Place) -> Result:
    """Connect, and reset the connection; raises Failed with what went wrong."""
    with opened(place, socket.SOCK_STREAM) as sock:
        await connect(sock, place)
    return Result(Outcome.GOOD, "connected")

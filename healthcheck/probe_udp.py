"""The UDP probe: a datagram is answered, or at least not refused."""

import asyncio
import socket

from pointsman.healthcheck.connecting import answered_in, connected_in, opened
from pointsman.healthcheck.model import Failed, Outcome, Place, Result, Udp

_SHOWN = 32
"""Octets of a wrong answer that the reason has."""


async def probe(spec: Udp, place: Place) -> Result:
    """Send a datagram, and look at the first one that comes back; raises Failed.

    Where nothing is expected, any answer is good, and none is as well: UDP has no way to tell a
    service that took the datagram from one that hangs, or from a host that isn't there. Only the
    ICMP errors that say so fail it then, and firewalls often keep these back.
    """
    loop = asyncio.get_running_loop()
    with opened(place, socket.SOCK_DGRAM) as sock:
        with connected_in(place):
            sock.connect((place.address, place.port))
        with answered_in(place):
            try:
                async with asyncio.timeout(place.timeout):
                    await loop.sock_sendall(sock, spec.send)
                    data = await loop.sock_recv(sock, 65_535)
            except TimeoutError:
                if spec.expect:
                    raise
                return Result(Outcome.GOOD, "no answer, and not refused")
    if not data.startswith(spec.expect):
        raise Failed(
            Outcome.BAD,
            f"answered {data[:_SHOWN]!r}, expected it to begin with {spec.expect!r}",
        )
    return Result(Outcome.GOOD, f"answered {len(data)} octets")

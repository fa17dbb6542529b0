"""The DNS probe: a question is answered, over UDP or TCP."""

import asyncio
import secrets
import socket

from pointsman.healthcheck import dns_message
from pointsman.healthcheck.connecting import answered_in, connected_in, opened
from pointsman.healthcheck.model import Dns, Failed, Outcome, Place, Result


async def probe(spec: Dns, place: Place) -> Result:
    """Ask, and look at the answer; raises Failed with what went wrong.

    A truncated answer is asked for again over TCP when its data matter.
    """
    try:
        query = secrets.token_bytes(2) + dns_message.question(spec.name, spec.type)[2:]
    except ValueError as error:
        raise Failed(Outcome.UNTRIED, str(error)) from error
    deadline = asyncio.get_running_loop().time() + place.timeout
    if spec.tcp:
        data = await _by_tcp(query, place, deadline)
    else:
        data = await _by_udp(query, place, deadline)
        if spec.expect and dns_message.truncated(data):
            data = await _whole(query, place, deadline)
    return dns_message.judge(data, query, spec)


async def _by_udp(query: bytes, place: Place, deadline: float) -> bytes:
    """Return the answer; anything else that comes may be of somebody who guesses."""
    loop = asyncio.get_running_loop()
    with opened(place, socket.SOCK_DGRAM) as sock:
        with connected_in(place):
            sock.connect((place.address, place.port))
        with answered_in(place):
            async with asyncio.timeout_at(deadline):
                await loop.sock_sendall(sock, query)
                while not dns_message.belongs(data := await loop.sock_recv(sock, 65_535), query):
                    await asyncio.sleep(0)  # receiving gives way to nobody while there is more
                return data


async def _by_tcp(query: bytes, place: Place, deadline: float) -> bytes:
    """Return the answer (RFC 7766 section 8)."""
    loop = asyncio.get_running_loop()
    with opened(place, socket.SOCK_STREAM) as sock:
        with connected_in(place):
            async with asyncio.timeout_at(deadline):
                await loop.sock_connect(sock, (place.address, place.port))
        with answered_in(place):
            async with asyncio.timeout_at(deadline):
                await loop.sock_sendall(sock, len(query).to_bytes(2) + query)
                data = await _exactly(sock, int.from_bytes(await _exactly(sock, 2)))
    if not dns_message.belongs(data, query):
        raise Failed(Outcome.BAD, "an answer to something else")
    return data


async def _whole(query: bytes, place: Place, deadline: float) -> bytes:
    """Return over TCP what was truncated over UDP, where somebody does listen."""
    try:
        return await _by_tcp(query, place, deadline)
    except Failed as failed:
        outcome, reason = failed.result.outcome, failed.result.reason
        outcome = Outcome.BAD if outcome.lost else outcome
        raise Failed(outcome, f"truncated, and over TCP: {reason}") from failed


async def _exactly(sock: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        more = await asyncio.get_running_loop().sock_recv(sock, length - len(data))
        if not more:
            raise Failed(Outcome.BAD, "connection closed before the answer was whole")
        data += more
    return bytes(data)

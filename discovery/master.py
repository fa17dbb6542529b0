"""Asks the leading master, found through a list of masters."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp

from pointsman.discovery import text
from pointsman.discovery.access import Access
from pointsman.discovery.errors import Transient
from pointsman.discovery.model import Master

MOST_REDIRECTS = 3
"""A follower names the leader in one step; more means that they don't agree yet."""

CONNECT = 5.0
"""Seconds for a connection, at most."""

HEADERS = {
    # A master compresses a large state more slowly than a network of our time moves it.
    "Accept-Encoding": "identity",
    "Accept": "application/json",
}


class Refused(Transient):
    """A master is there and does not answer this; it may answer something else."""


class Masters:
    """Asks the masters of a list in turn, the last one that answered first."""

    def __init__(
        self,
        masters: Iterable[str],
        session: aiohttp.ClientSession,
        access: Access,
        timeout: float,
    ) -> None:
        """Take ``HOST:PORT`` of each master; ``timeout`` in seconds is for one whole answer."""
        self._masters = list(masters)
        self._session = session
        self._access = access
        self._timeout = timeout

    @property
    def known(self) -> tuple[Master, ...]:
        """The masters of the list that are given by address, in a stable order."""
        split = map(text.endpoint, sorted(self._masters))
        return tuple(Master(text.ip(host), port) for host, port in split if text.ip(host))

    def replace(self, masters: Iterable[str]) -> None:
        """Ask these from now on, in this order."""
        self._masters = list(masters)

    async def document(
        self, path: str, call: bytes | None = None, at: str = ""
    ) -> tuple[str, list[bytes]]:
        """Return which master answered, and its answer in the chunks in which it came.

        ``call`` is the body of a POST; without one it is a GET. ``at`` names the master to ask
        first; without it, any. Raises as ``asking`` does.
        """
        async with self.asking(path, call, self._timeout, at) as (address, reply):
            try:
                return address, [chunk async for chunk in reply.content.iter_any()]
            except TimeoutError as error:
                raise Transient(f"{address} did not answer in time") from error
            except (aiohttp.ClientError, OSError) as error:
                raise Transient(f"{address}: {error}") from error

    @asynccontextmanager
    async def asking(
        self, path: str, call: bytes | None = None, timeout: float | None = None, at: str = ""
    ) -> AsyncIterator[tuple[str, aiohttp.ClientResponse]]:
        """Give the address of the master that leads and its reply, whose body is to be read.

        ``timeout`` is for all of it, the body included. Raises Refused when all that answer do
        not know the question, and Transient, with what each master answered, when none leads to
        an answer.
        """
        address, reply = await self._any((at,) if at else self._masters, path, call, timeout)
        try:
            yield address, reply
        finally:
            reply.close()

    async def _any(
        self, masters: Iterable[str], path: str, call: bytes | None, timeout: float | None
    ) -> tuple[str, aiohttp.ClientResponse]:
        failures = []
        for first in tuple(masters):
            try:
                found = await self._from(first, path, call, timeout)
            except Transient as error:
                failures.append(error)
            else:
                self._masters.sort(key=lambda master: master != first)
                return found
        kind = Refused if any(isinstance(f, Refused) for f in failures) else Transient
        reasons = "; ".join(dict.fromkeys(map(str, failures))) or "ZooKeeper has named none yet"
        raise kind(f"no master answers {path}: {reasons}")

    async def _from(
        self, first: str, path: str, call: bytes | None, timeout: float | None
    ) -> tuple[str, aiohttp.ClientResponse]:
        """Return the reply that this master leads to, by following redirects."""
        address, seen = first, [first]
        while True:
            reply = await self._reply(address, path, call, timeout)
            if reply.status == 200:
                return address, reply
            async with reply:
                if reply.status not in (302, 307):
                    raise await _failure(address, reply)
                location = reply.headers.get("Location", "")
            address = urlsplit(location).netloc
            if not address:
                raise Transient(f"{seen[-1]} redirected to {location!r}, which names no master")
            if address in seen:
                raise Transient(f"redirected in a loop: {' -> '.join([*seen, address])}")
            if len(seen) > MOST_REDIRECTS:
                raise Transient(f"redirected too often: {' -> '.join([*seen, address])}")
            seen.append(address)

    async def _reply(
        self, address: str, path: str, call: bytes | None, timeout: float | None
    ) -> aiohttp.ClientResponse:
        """Return what one master answers, asked twice where the first time it did not know us."""
        reply = await self._once(address, path, call, timeout)
        if reply.status == 401 and self._access.refused():
            reply.close()
            reply = await self._once(address, path, call, timeout)
        if reply.status == 200:
            self._access.accepted()
        return reply

    async def _once(
        self, address: str, path: str, call: bytes | None, timeout: float | None
    ) -> aiohttp.ClientResponse:
        headers = HEADERS | await self._access.headers(self._session)
        if call is not None:
            headers["Content-Type"] = "application/json"
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=min(self._timeout, CONNECT))
        try:
            async with asyncio.timeout(self._timeout):
                return await self._session.request(
                    "GET" if call is None else "POST",
                    f"{self._access.scheme}://{address}{path}",
                    data=call,
                    headers=headers,
                    ssl=self._access.ssl,
                    allow_redirects=False,
                    timeout=limits,
                )
        except TimeoutError as error:
            raise Transient(f"{address} did not answer in time") from error
        except (aiohttp.ClientError, OSError, UnicodeError) as error:  # a name that can't be one
            raise Transient(f"{address}: {error}") from error


async def _failure(address: str, reply: aiohttp.ClientResponse) -> Transient:
    """Return the error that an answer other than the one asked for stands for."""
    try:
        words = (await reply.text(errors="replace")).strip()
    except (TimeoutError, aiohttp.ClientError, OSError):
        words = ""
    # 503: no leader, or it is not done with its registry. All else says that asking so is wrong.
    kind = Transient if reply.status == 503 else Refused
    return kind(f"{address} answered {reply.status} {words[:120]}".strip())

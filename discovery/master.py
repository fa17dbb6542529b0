"""Reads ``/state`` from the leading master, found through a list of masters."""

import asyncio
from collections.abc import Iterable
from urllib.parse import urlsplit

import aiohttp

from pointsman.discovery import state, text
from pointsman.discovery.errors import Transient
from pointsman.discovery.model import Cluster, Master

MOST_REDIRECTS = 3
"""A follower names the leader in one step; more means that they don't agree yet."""


class MasterList:
    """Asks the masters of a list in turn, the last one that answered first."""

    def __init__(
        self, masters: Iterable[str], session: aiohttp.ClientSession, timeout: float
    ) -> None:
        """Take ``HOST:PORT`` of each master; ``timeout`` in seconds is for one whole answer."""
        self._masters = list(masters)
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=min(timeout, 5.0))

    def replace(self, masters: Iterable[str]) -> None:
        """Ask these from now on, in this order."""
        self._masters = list(masters)

    async def read(self) -> Cluster:
        """Return what the leading master says now.

        Raises Transient, with what each master answered, when none of them led to a state.
        """
        reasons = []
        for first in tuple(self._masters):
            try:
                body = await self._from(first)
                cluster = await asyncio.to_thread(state.read, body, self._known())
            except Transient as error:
                reasons.append(str(error))
            else:
                self._masters.sort(key=lambda master: master != first)
                return cluster
        raise Transient(
            "no master gave its state: " + ("; ".join(reasons) or "ZooKeeper has named none yet")
        )

    def _known(self) -> tuple[Master, ...]:
        """Return the masters of the list that are given by address, in a stable order."""
        split = map(text.endpoint, sorted(self._masters))
        return tuple(Master(text.ip(host), port) for host, port in split if text.ip(host))

    async def _from(self, first: str) -> bytes:
        """Return the body of the state, beginning at this master and following redirects."""
        address, seen = first, [first]
        while True:
            try:
                async with self._session.get(
                    f"http://{address}/state", allow_redirects=False, timeout=self._timeout
                ) as reply:
                    if reply.status == 200:
                        return await reply.read()
                    if reply.status not in (302, 307):
                        words = (await reply.text(errors="replace")).strip()
                        raise Transient(f"{address} answered {reply.status} {words[:120]}".strip())
                    location = reply.headers.get("Location", "")
            except TimeoutError as error:
                raise Transient(f"{address} did not answer in time") from error
            except (aiohttp.ClientError, OSError) as error:
                raise Transient(f"{address}: {error}") from error
            address = urlsplit(location).netloc
            if not address:
                raise Transient(f"{seen[-1]} redirected to {location!r}, which names no master")
            if address in seen:
                raise Transient(f"redirected in a loop: {' -> '.join([*seen, address])}")
            if len(seen) > MOST_REDIRECTS:
                raise Transient(f"redirected too often: {' -> '.join([*seen, address])}")
            seen.append(address)

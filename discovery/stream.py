"""A stream of the operator API that has begun: its records, as they come."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain

import aiohttp

from pointsman.discovery import v1
from pointsman.discovery.errors import Transient
from pointsman.discovery.listing import gather
from pointsman.discovery.model import Cluster
from pointsman.discovery.pieces import pieces
from pointsman.discovery.recordio import Records

SILENT_BEATS = 3
"""Heartbeats that may be missed before a stream counts as dead."""


class Stream:
    """Reads one stream; after its first record it must not be silent for long."""

    def __init__(self, address: str, content: aiohttp.StreamReader, timeout: float) -> None:
        """Take what is to be read; ``timeout`` in seconds is for all of the first record."""
        self._address = address
        self._content = content
        self._silence = timeout
        self._timeout = timeout
        self._records = self._read()

    async def begin(self, known: Cluster) -> Cluster:
        """Return the state with which the stream begins, sharing with ``known`` what is equal."""
        async with _in_time(self._address, self._timeout):
            document = await anext(self._records)
        cluster, beat = await asyncio.to_thread(_begun, document, known)
        self._silence = max(SILENT_BEATS * beat, 1.0)
        return cluster

    async def events(self) -> AsyncIterator[v1.Event]:
        """Yield what it says from then on; raises Transient when it ends, as all streams do."""
        async for record in self._records:
            yield v1.event(b"".join(record))

    async def _read(self) -> AsyncIterator[list[bytes]]:
        records = Records()
        while True:
            async with _in_time(self._address, self._silence):
                chunk = await self._content.readany()
            if not chunk:
                raise Transient(f"{self._address} ended the stream")
            for record in records.feed(chunk):
                yield record


def _begun(document: list[bytes], known: Cluster) -> tuple[Cluster, float]:
    """Return the state of a stream's first record, and the seconds between heartbeats."""
    found = pieces(document)
    said = v1.event(next(found))
    if not isinstance(said, v1.Snapshot):
        raise Transient("a stream that does not begin with the state")
    return gather(chain([said.listing], map(v1.read, found)), known), said.heartbeat


@asynccontextmanager
async def _in_time(address: str, seconds: float) -> AsyncIterator[None]:
    """Turn silence, and what aiohttp raises, into Transient."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise Transient(f"{address} was silent for {seconds:g} s") from error
    except (aiohttp.ClientError, OSError) as error:
        raise Transient(f"{address}: {error}") from error

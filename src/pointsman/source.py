"""Where the cluster comes from, by one configuration: masters, perhaps by ZooKeeper, or a file."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import aiohttp
import msgspec

from pointsman.config import DiscoveryConfig
from pointsman.discovery.access import Access
from pointsman.discovery.errors import Transient
from pointsman.discovery.leader import Url, parse_url
from pointsman.discovery.master import Masters
from pointsman.discovery.model import Change, Cluster, Master
from pointsman.discovery.seen import Seen
from pointsman.discovery.statefile import StateFile, read
from pointsman.discovery.trust import Trust, remember
from pointsman.discovery.watch import Pace, Watch
from pointsman.discovery.zookeeper import ZooKeeper

log = logging.getLogger("pointsman.source")

BUFFER = 1 << 18
"""Bytes of a reply that are read at once, at most."""


class Source:
    """Publishes each change of the cluster while it runs; ends when cancelled."""

    def __init__(
        self,
        config: DiscoveryConfig,
        begin: Trust,
        publish: Callable[[Cluster, Change], None],
        seen: Seen,
    ) -> None:
        self._config = config
        self._publish = publish
        self._seen = seen
        self._begin = begin
        self._watch: Watch | None = None
        self._file: StateFile | None = None

    @property
    def trust(self) -> Trust:
        """What was said until now, and how far it is believed: for whoever goes on from here."""
        if self._watch:
            return self._watch.trust
        if self._file and self._file.cluster:
            return remember(self._file.cluster)
        return self._begin

    async def run(self) -> None:
        """Follow the cluster for ever."""
        if self._config.file:
            path = Path(self._config.file)
            known = self._begin.cluster
            self._file = StateFile(path, known, self._publish, self._seen)
            await self._file.run()
        access = Access(self._config.tls, self._config.auth)
        log.info("asking the masters by %s", access.describe())
        async with aiohttp.ClientSession(read_bufsize=BUFFER) as session:
            masters = Masters(self._config.masters, session, access, self._config.timeout)
            self._watch = Watch(masters, pace(self._config), self._begin, self._publish, self._seen)
            zookeeper = await self._zookeeper(self._watch)
            try:
                await self._watch.run()
            finally:
                if zookeeper:
                    await asyncio.to_thread(zookeeper.close)

    async def _zookeeper(self, watch: Watch) -> ZooKeeper | None:
        """Watch ZooKeeper, if there is one, and have what it says followed at once."""
        if not self._config.zookeeper:
            return None
        loop = asyncio.get_running_loop()

        def elected(masters: tuple[Master, ...]) -> None:
            log.info("ZooKeeper names %s", ", ".join(map(str, masters)))
            watch.elected(masters)

        def told(masters: tuple[Master, ...]) -> None:
            loop.call_soon_threadsafe(elected, masters)

        found = ZooKeeper(await asyncio.to_thread(url, self._config), told)
        found.start()
        return found


async def once(config: DiscoveryConfig) -> Cluster:
    """Return the cluster as it is now; raises Transient when nobody tells of it in time."""
    if config.file:
        return await asyncio.to_thread(read, Path(config.file))
    found: asyncio.Future[Cluster] = asyncio.get_running_loop().create_future()

    def take(cluster: Cluster, _: Change) -> None:
        if not found.done():
            found.set_result(cluster)

    following = asyncio.create_task(Source(config, Trust(), take, Seen()).run())
    try:
        async with asyncio.timeout(config.timeout):
            await asyncio.wait((found, following), return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()
            return found.result()
    except TimeoutError as error:
        raise Transient(f"the cluster was not told of in {config.timeout:g} s") from error
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError, Transient):
            await following


def pace(config: DiscoveryConfig) -> Pace:
    """Return how often and how long the configuration says to ask."""
    return Pace(config.poll_interval, config.timeout, config.retry_max, config.resync_interval)


def check(config: DiscoveryConfig) -> None:
    """Raise Transient, which says why, when a file that is needed can't be read."""
    Access(config.tls, config.auth).check()
    if config.zookeeper:
        url(config)


def url(config: DiscoveryConfig) -> Url:
    """Return where ZooKeeper is and who this is to it; raises Transient without its secret."""
    found = parse_url(config.zookeeper)
    path = config.zookeeper_credential_file
    if not path:
        return found
    try:
        credential = Path(path).read_text().strip()
    except OSError as error:
        raise Transient(f"discovery.zookeeper_credential_file: {path}: {error.strerror}") from error
    return msgspec.structs.replace(found, credential=credential)

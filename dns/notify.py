"""Tells secondaries that a zone changed (RFC 1996), until each has answered."""

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable, Iterable
from typing import TypeAlias

import msgspec

from pointsman.discovery.backoff import delays
from pointsman.dns import wire
from pointsman.dns.counts import Counts
from pointsman.dns.transfer import Served, soa
from pointsman.dns.tsig import Key, request

log = logging.getLogger("pointsman.dns.notify")

LOOK = 0.2
"""Seconds between two looks at the serials."""

PAUSE = 1.0
"""Seconds between two notices of one zone to one secondary, at least: changes are told together."""

ANSWER, MOST_ANSWER = 1.0, 60.0
"""Seconds until a notice is sent again that has no answer: the first and the most."""

NOTIFY = 4 << 11
"""The opcode, in its place among the flags."""

Address: TypeAlias = tuple[str, int]


class Notices(msgspec.Struct, frozen=True):
    """Who is told of what."""

    zones: tuple[Served, ...] = ()
    secondaries: tuple[Address, ...] = ()
    key: Key | None = None
    """What notices are signed with; None for nothing."""


class Notifier:
    """Keeps secondaries told, while it runs."""

    def __init__(
        self, notices: Callable[[], Notices], counts: Counts, clock: Callable[[], float]
    ) -> None:
        """``notices`` gives what counts now; ``clock`` seconds since 1970."""
        self._notices = notices
        self._counts = counts
        self._clock = clock
        self._told: dict[tuple[Address, str], int] = {}
        """The serial that each secondary was told last, by zone."""
        self._refused: set[tuple[Address, str]] = set()

    async def run(self) -> None:
        """Look after the serials for ever."""
        telling: dict[tuple[Address, str], asyncio.Task[None]] = {}
        try:
            while True:
                for address, zone in self._behind(self._notices()):
                    key = (address, zone.apex)
                    if key not in telling or telling[key].done():
                        telling[key] = asyncio.create_task(self._tell(address, zone.apex))
                await asyncio.sleep(LOOK)
        finally:
            for task in telling.values():
                task.cancel()
            await asyncio.gather(*telling.values(), return_exceptions=True)

    def _behind(self, notices: Notices) -> Iterable[tuple[Address, Served]]:
        for address in notices.secondaries:
            for zone in notices.zones:
                if zone.loaded and self._told.get((address, zone.apex)) != zone.serial:
                    yield address, zone

    async def _tell(self, address: Address, apex: str) -> None:
        """Tell one secondary of one zone until it answers; what changes meanwhile is told, too."""
        for wait in delays(ANSWER, MOST_ANSWER):
            notices = self._notices()
            zone = next(
                (z for a, z in self._behind(notices) if (a, z.apex) == (address, apex)), None
            )
            if zone is None:
                return
            serial = zone.serial
            code = await self._asked(address, notice(zone, notices.key, self._clock), wait)
            if code is None:
                self._counts.notifies["unanswered"] += 1
                continue
            self._told[address, apex] = serial
            self._note(address, apex, code)
            await asyncio.sleep(PAUSE)
            return

    def _note(self, address: Address, apex: str, code: int) -> None:
        key = (address, apex)
        self._counts.notifies["refused" if code else "answered"] += 1
        if code and key not in self._refused:
            log.warning("%s port %d wants no notice of %s (code %d)", *address, apex, code)
        (self._refused.add if code else self._refused.discard)(key)

    async def _asked(self, address: Address, message: bytes, wait: float) -> int | None:
        """Send a notice; return the code of its answer, None for no answer in time."""
        self._counts.notifies["sent"] += 1
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
        try:
            with socket.socket(family, kind) as asking:
                async with asyncio.timeout(wait):
                    try:
                        asking.connect(address)
                        await loop.sock_sendall(asking, message)
                        while True:
                            answer = await loop.sock_recv(asking, 4096)
                            if len(answer) >= 12 and answer[:2] == message[:2] and answer[2] & 0x80:
                                return answer[3] & 0xF
                    except OSError:
                        await asyncio.sleep(wait)  # nobody there: it is tried again as late
        except TimeoutError:
            pass
        return None


def notice(zone: Served, key: Key | None, clock: Callable[[], float]) -> bytes:
    """Return a message that tells the serial of a zone."""
    question = wire.name(zone.apex) + wire.TYPES["SOA"].to_bytes(2) + wire.IN.to_bytes(2)
    head = (NOTIFY | wire.AA).to_bytes(2) + bytes.fromhex("0001 0001 0000 0000")
    message = secrets.token_bytes(2) + head + question + soa(zone, zone.serial)
    return request(key, clock).signed(message) if key else message

"""The DNS side of the process: what outlives one configuration, and the answers of the next."""

import logging
import os
import re
import time
from pathlib import Path

from pointsman.activation import Handed
from pointsman.config import DnsConfig
from pointsman.discovery.errors import Fatal
from pointsman.dns import wire
from pointsman.dns.answer import Responder, Settings, flags
from pointsman.dns.cookies import Cookies
from pointsman.dns.counts import Counts
from pointsman.dns.forwarder import Forwarder
from pointsman.dns.limit import Limiter, split
from pointsman.dns.teacher import MISSING, MOST_ZONES, Teacher
from pointsman.dns.transfer import Transfers
from pointsman.dns.tsig import Keys
from pointsman.dns.zone import Zones
from pointsman.forwarding import Forwarding, forwarding
from pointsman.listeners import Answering, Listeners
from pointsman.query_log import logged
from pointsman.secondaries import keep_journals, keys

log = logging.getLogger("pointsman")


class Front:
    """Listeners, counters, secrets and what other servers said; the responder is replaced whole."""

    def __init__(self, handed: Handed | None = None) -> None:
        self.counts = Counts()
        self.listeners = Listeners(self.counts, handed)
        self.forwarder: Forwarder | None = None
        """Who answers for other zones, where these are not refused."""
        self._forwarding: Forwarding | None = None
        self._next: tuple[Forwarding | None, Forwarder | None] = (None, None)
        """What the latest responder was made with."""
        self._secret = os.urandom(16)
        self._teacher: Teacher | None = None
        """Who teaches the native responder that answers."""
        self._next_teacher: Teacher | None = None
        """That of the latest responder that was made."""
        self._said = ""

    def responder(self, config: DnsConfig, zones: Zones) -> Responder:
        """Return who answers by a configuration.

        Raises Fatal, which names the key, when a file of it can't be used.
        """
        limit, transfer = config.rate_limit, config.transfer
        found = keys(transfer.key_file)
        keep_journals(zones, transfer)
        elsewhere = self._forwarder(config)
        if self._next_teacher not in (None, self._teacher):
            self._next_teacher.close()  # its responder never came to answer
        self._next_teacher = teacher = None
        if not why_not(config, zones):
            rate, limit = split(limit)
            common = flags(elsewhere) | wire.AA
            teacher = self._next_teacher = Teacher(
                zones, self.counts, common, config.udp_size, limit.exempt, rate
            )
        return Responder(
            zones,
            self.counts,
            Settings(config.udp_size, config.nsid, config.version, config.tcp.idle),
            cookies=Cookies(secret(config.cookie_secret_file) or self._secret, time.time),
            limiter=Limiter(limit, time.monotonic) if limit.limits else None,
            elsewhere=elsewhere.answer if elsewhere else None,
            transfers=Transfers(zones, transfer, self.counts).answer if transfer.enabled else None,
            keys=Keys(found, time.time),
            teacher=teacher,
        )

    async def answer_with(self, responder: Responder, config: DnsConfig) -> None:
        """Have this one answer from the next query on."""
        udp: Answering = responder.udp
        tcp: Answering = responder.tcp
        table = responder.teacher.table if responder.teacher else None
        if config.query_log:
            udp = logged(udp, config.query_log, "udp")
            tcp = logged(tcp, config.query_log, "tcp")
        self._forwarding, self.forwarder = self._next  # clients of the one before have answers yet
        self.listeners.limit(config.tcp)
        await self.listeners.answer_with(udp, tcp, table, config.threads)
        if self._teacher not in (None, responder.teacher):
            self._teacher.close()
        self._teacher = responder.teacher
        self._say(config, responder.zones)

    def _say(self, config: DnsConfig, zones: Zones) -> None:
        """Tell who answers, where that is new."""
        if why := why_not(config, zones):
            said = f"all DNS answers are made in Python{why}"
        else:
            said = f"known DNS answers are native, threads for each address: {config.threads}"
        if said != self._said:
            log.log(logging.WARNING if MISSING and config.native else logging.INFO, "%s", said)
            self._said = said

    async def close(self) -> None:
        """Answer no more."""
        await self.listeners.close()
        if self.forwarder is not None:
            await self.forwarder.close()

    def _forwarder(self, config: DnsConfig) -> Forwarder | None:
        """Return the one that there is, if it is by the same settings, or the next."""
        settings = forwarding(config)
        forwarder = self.forwarder
        if settings != self._forwarding:
            forwarder = settings.forwarder(self.counts) if settings else None
        self._next = settings, forwarder
        return forwarder


def why_not(config: DnsConfig, zones: Zones) -> str:
    """Return why nothing is answered natively, as the end of a sentence; "" where it is."""
    if not config.native:
        return ": dns.native is false"
    if MISSING:
        return f": no native responder ({MISSING})"
    if config.query_log:  # which native threads do not write
        return ", as dns.query_log asks for"
    if (count := len([*zones.served])) > MOST_ZONES:
        return f": of {count} zones it has room for {MOST_ZONES}"
    return ""


def secret(file: str) -> bytes:
    """Return the secret in a file of 32 hex digits, "" for no file; raises Fatal."""
    if not file:
        return b""
    try:
        text = Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Fatal(f"dns.cookie_secret_file: {file}: {error}") from error
    if not re.fullmatch("[0-9A-Fa-f]{32}", text):
        raise Fatal(f"dns.cookie_secret_file: {file}: is not 32 hex digits")
    return bytes.fromhex(text)

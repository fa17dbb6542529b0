"""Announces VIPs to the routers around, by ExaBGP or BIRD, as this host's Pointsman serves them."""

import asyncio
import logging
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import aiohttp
import msgspec

from pointsman.config import Config
from pointsman.discovery import files, text
from pointsman.discovery.errors import Fatal, Transient
from pointsman.dns.endpoints import ANY
from pointsman.vip.addresses import Range
from pointsman.vip.announce import Attributes, Family, Routes, Vip, bird, instructions, routes

log = logging.getLogger("pointsman.announce")

TIMEOUT = 5.0
"""Seconds for one answer."""

RELOAD = 30.0
"""Seconds for BIRD's being told."""


class Settings(msgspec.Struct, frozen=True):
    """What is announced, and how long without being confirmed."""

    url: str
    """``http://HOST:PORT`` of the Pointsman on this host."""
    families: tuple[Family, ...] = (4, 6)
    ranges: tuple[Range, ...] = ()
    """Announced as a whole, in place of each VIP in them."""
    hold: float = 60.0
    """Seconds that what is announced stands while Pointsman is silent or not ready."""
    interval: float = 1.0
    """Seconds from one question to the next."""


class Announcing(Protocol):
    """Who announces."""

    async def show(self, found: Routes) -> None:
        """Announce exactly these; raises Transient when that is to be tried again."""
        ...


def address(config: Config) -> str:
    """Return the URL of this host's Pointsman; raises Fatal when it is not to be asked."""
    if not config.http.listen:
        raise Fatal("http.listen is empty: VIPs can't be asked for")
    host, port = text.endpoint(config.http.listen)
    if host in ANY.values():
        host = "::1" if ":" in host else "127.0.0.1"
    return f"http://{text.joined(host, port)}"


class Vips:
    """What the Pointsman on this host serves."""

    def __init__(self, session: aiohttp.ClientSession, settings: Settings) -> None:
        self._session = session
        self._settings = settings
        self._tag = ""
        self._routes: Routes = frozenset()

    async def routes(self) -> Routes:
        """Return what is to be announced; raises Transient when it is not ready or silent."""
        status, _, body = await self._get("/readyz")
        if status != 200:
            raise Transient(f"{self._settings.url} is not ready: {body.decode().strip()[:200]}")
        status, tag, body = await self._get("/v1/vips")
        if status == 304:
            return self._routes
        if status != 200:
            raise Transient(f"{self._settings.url}/v1/vips: status {status}")
        try:
            vips = msgspec.json.decode(body, type=list[Vip])
            found = routes(vips, self._settings.families, self._settings.ranges)
        except ValueError as error:
            raise Transient(f"{self._settings.url}/v1/vips: {error}") from error
        self._tag, self._routes = tag, found
        return found

    async def _get(self, path: str) -> tuple[int, str, bytes]:
        """Return status, ETag and body."""
        known = {"If-None-Match": self._tag} if self._tag else {}
        url, limit = self._settings.url + path, aiohttp.ClientTimeout(TIMEOUT)
        try:
            async with self._session.get(url, headers=known, timeout=limit) as reply:
                return reply.status, reply.headers.get("ETag", ""), await reply.read()
        except TimeoutError as error:
            raise Transient(f"{self._settings.url} does not answer in {TIMEOUT:g} s") from error
        except aiohttp.ClientError as error:
            raise Transient(f"{self._settings.url}: {error}") from error


class ExaBgp:
    """Instructions for the ExaBGP that this process is run by."""

    def __init__(self, attributes: Attributes, out: int) -> None:
        """``out`` is the descriptor that ExaBGP reads."""
        self._attributes = attributes
        self._out = out
        self._shown: Routes | None = None

    async def show(self, found: Routes) -> None:
        """Announce exactly these; raises BrokenPipeError when ExaBGP is gone."""
        lines = instructions(self._shown, found, self._attributes)
        # It may be slow to read, and meanwhile want to be read from.
        await asyncio.to_thread(self._write, "".join(f"{line}\n" for line in lines).encode())
        self._shown = found

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._out, data) :]


class Bird:
    """A file that BIRD's configuration includes."""

    def __init__(self, path: Path, reload: Sequence[str]) -> None:
        """``reload`` is the command that has BIRD read it, run after each change; none if empty."""
        self._path = path
        self._reload = reload
        # BIRD may have missed the last change before this.
        self._stale = True

    def begin(self) -> None:
        """Write a file without routes if there is none, as BIRD does not start without it."""
        if not self._path.exists():
            files.replace(self._path, [bird(frozenset()).encode()])

    async def show(self, found: Routes) -> None:
        """Announce exactly these; raises Transient when the file or the command fails."""
        if await asyncio.to_thread(self._replace, bird(found).encode()):
            self._stale = True
        if self._stale and self._reload:
            await _run(self._reload)
        self._stale = False

    def _replace(self, content: bytes) -> bool:
        """Write the file if it is another; tell whether it was."""
        with suppress(OSError):
            if self._path.read_bytes() == content:
                return False
        files.replace(self._path, [content])
        return True


async def _run(command: Sequence[str]) -> None:
    """Run a command; raises Transient when it fails."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError as error:
        raise Transient(f"{command[0]}: {error.strerror}") from error
    try:
        async with asyncio.timeout(RELOAD):
            said, _ = await process.communicate()
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise Transient(f"{' '.join(command)}: did not end in {RELOAD:g} s") from error
    if process.returncode:
        why = said.decode(errors="replace").strip()[-200:]
        raise Transient(f"{' '.join(command)}: exit code {process.returncode}: {why}")


class Announcer:
    """Follows one and has the other announce it."""

    def __init__(
        self,
        vips: Vips,
        announcing: Announcing,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ended = asyncio.Event()
        """To be set for an end."""
        self._vips = vips
        self._announcing = announcing
        self._settings = settings
        self._clock = clock
        self._complaint = ""
        self._shown: Routes | None = None

    async def run(self) -> None:
        """Announce until the end, then withdraw everything."""
        heard = self._clock()
        while not self.ended.is_set():
            found, complaint = None, ""
            try:
                found = await self._vips.routes()
                heard = self._clock()
            except Transient as error:
                if self._clock() - heard < self._settings.hold:
                    complaint = f"{error}; what is announced stands"
                else:
                    found, complaint = frozenset(), f"{error}; everything is withdrawn"
            if found is not None:
                try:
                    await self._show(found)
                except Transient as error:
                    complaint = str(error)
            self._complain(complaint)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.interval):
                    await self.ended.wait()
        await self._show(frozenset())

    async def _show(self, found: Routes) -> None:
        await self._announcing.show(found)
        if found != self._shown:
            log.info("announced: %d routes", len(found))
        self._shown = found

    def _complain(self, complaint: str) -> None:
        """Say what is wrong, once."""
        if complaint and complaint != self._complaint:
            log.warning("%s", complaint)
        self._complaint = complaint


async def once(settings: Settings) -> Routes:
    """Return what is to be announced now; raises Transient when Pointsman does not tell."""
    async with aiohttp.ClientSession() as session:
        return await Vips(session, settings).routes()


async def by_exabgp(settings: Settings, attributes: Attributes) -> None:
    """Announce by the ExaBGP that runs this process, until it ends."""
    await _announce(settings, ExaBgp(attributes, sys.stdout.fileno()), _heed)


async def by_bird(settings: Settings, path: Path, reload: Sequence[str]) -> None:
    """Announce by a file that BIRD includes, until SIGTERM or SIGINT."""
    announcing = Bird(path, reload)
    announcing.begin()
    await _announce(settings, announcing, lambda _: None)


async def _announce(
    settings: Settings, announcing: Announcing, listen: Callable[[Callable[[], None]], None]
) -> None:
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession() as session:
        announcer = Announcer(Vips(session, settings), announcing, settings)
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, announcer.ended.set)

        def end() -> None:
            with suppress(RuntimeError):  # the loop has ended before
                loop.call_soon_threadsafe(announcer.ended.set)

        listen(end)
        await announcer.run()


def _heed(end: Callable[[], None]) -> None:
    """Read what ExaBGP answers, in a thread: it stands still while it is not read from."""
    answers = sys.stdin.fileno()

    def read() -> None:
        rest = b""
        while data := os.read(answers, 1 << 16):
            *lines, rest = (rest + data).split(b"\n")
            if b"error" in lines:
                log.warning("ExaBGP refused an instruction; its log says which")
            if any(line.startswith(b"shutdown") for line in lines):
                break
        end()

    if stat.S_ISFIFO(os.fstat(answers).st_mode):
        threading.Thread(target=read, daemon=True).start()

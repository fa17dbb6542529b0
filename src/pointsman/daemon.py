"""The running process: watches the masters, reconciles, answers; reloads and stops when told to.

A reload builds the next Generation beside the one that serves, fills it, and then puts it in its
place: no query meets a half-built one, and a configuration that can't be used changes nothing.
"""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from pointsman import log as log_
from pointsman import token
from pointsman.activation import handed
from pointsman.checking import Checking
from pointsman.config import Config, ConfigError, load
from pointsman.discovery.backoff import delays
from pointsman.discovery.errors import Fatal, Transient
from pointsman.discovery.model import Change, Cluster, Note
from pointsman.discovery.saved import Saved
from pointsman.discovery.seen import Seen
from pointsman.discovery.trust import Trust, remember
from pointsman.dns.journal import latest
from pointsman.dns.notify import Notices, Notifier
from pointsman.dns.zone import Zones
from pointsman.events import Happening, Ring
from pointsman.front import Front
from pointsman.generation import Generation
from pointsman.health_metrics import HealthCollector
from pointsman.healthcheck.model import Status, Target
from pointsman.healthcheck.state import State
from pointsman.http_server import HttpServer
from pointsman.metrics import Metrics
from pointsman.node import nameservers, open_kernels, own
from pointsman.notify import notify
from pointsman.pipeline import Views
from pointsman.saving import save
from pointsman.serials import Serials
from pointsman.source import Source, check
from pointsman.suspicion import suspect
from pointsman.telling import Telling
from pointsman.traffic import called
from pointsman.vip import namespaces
from pointsman.vip.namespaces import Namespace
from pointsman.vip.parts import Look, Report
from pointsman.worker import KernelWorker

log = logging.getLogger("pointsman")
NAMESPACES = 1.0
"""Seconds between two looks for network namespaces."""
SWITCH = 0.001
"""Seconds that another thread may hold the interpreter's lock while a query waits for it."""
RETRY, MOST_RETRY = 0.5, 30.0
"""Seconds until the kernel is tried again after it could not follow: the first and the most."""


class Daemon:
    """One node's Pointsman."""

    def __init__(self, path: Path, config: Config) -> None:
        self._path = path
        self._config = config
        self._metrics = Metrics()
        self.events = Ring(int(time.time() * 1000))
        """What happened here lately, numbered from run to run."""
        self._telling = Telling(self.events)
        self._handed = handed(os.environ, os.getpid())
        self._front = Front(self._handed)
        self._notifier = Notifier(self._notices, self._front.counts, time.time)
        self._http = HttpServer(self, self._metrics, self._handed.bound)
        self._generation: Generation | None = None
        self._saved = Saved(Path(config.state_dir) / "cluster")
        self._serials = Serials(Path(config.state_dir) / "serial")
        self._seen = Seen()
        self._source = Source(config.discovery, Trust(), self._take, self._seen)
        self._following: asyncio.Timeout | None = None
        self._cluster: Cluster | None = None
        self._remembered = False
        """Nobody but the run before has told of the cluster yet."""
        self._change = Change()
        self._changed = asyncio.Event()
        self._checking = Checking(
            Path(config.state_dir) / "health", self._changed.set, os.uname().nodename
        )
        self._reconciling, self._reloading = asyncio.Lock(), asyncio.Lock()
        self._namespaces: frozenset[Namespace] = frozenset()
        self._namespace_notes: tuple[Note, ...] = ()
        self._unentered: frozenset[str] = frozenset()
        """Why namespaces have no virtual servers yet."""
        self._waiting_for = "no master has been read yet"
        self._signals: asyncio.Queue[signal.Signals] = asyncio.Queue()

    # What the HTTP side tells.

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was left out, and why."""
        return (*self.views.notes, *self._namespace_notes)

    @property
    def views(self) -> Views:
        """All that is derived from the cluster as it is known now."""
        return self._generation.reconciler.views if self._generation else Views()

    @property
    def zones(self) -> Zones:
        """The zones that are answered from."""
        return self._generation.zones if self._generation else Zones()

    @property
    def config(self) -> Config:
        """The configuration that counts."""
        return self._config

    @property
    def not_ready(self) -> str:
        """Why this node does not serve yet; empty when it does."""
        return self._waiting_for

    @property
    def mode(self) -> str:
        """How the cluster is followed, and whom."""
        leader = self._source.trust.told.leader
        return f"{self._seen.mode or 'no master answers'}, leader {leader or 'unknown'}"

    @property
    def complaints(self) -> tuple[str, ...]:
        """What VIPs need around them and do not have."""
        return tuple(sorted(self._generation.reconciler.complaints if self._generation else ()))

    @property
    def health(self) -> tuple[Mapping[Target, Status], Mapping[Target, State]]:
        """What is believed of each target, and what is known of it besides."""
        return self._checking.health.statuses, self._checking.states()

    async def look(self) -> Look:
        """Return what the kernel has of ours, and what goes through it."""
        kernel = self._generation.kernel if self._generation else None
        return await kernel.look() if kernel else Look()

    async def count(self) -> None:
        """Have metrics tell what goes through VIPs now."""
        kernel = self._generation.kernel if self._generation else None
        if kernel is None or not self._config.vip.metrics:
            return
        with suppress(Transient):
            counted = await kernel.traffic()
            traffic, names = self._metrics.traffic, self.views.wanted.names
            traffic.most = self._config.vip.metrics
            # In a thread, as there may be many.
            await asyncio.to_thread(lambda: traffic.take(called(counted, names)))

    # The life of the process.

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; SIGHUP reads the configuration again.

        Raises Fatal when it can't start here. Ending leaves the kernel as it is, forwarding.
        """
        sys.setswitchinterval(SWITCH)
        loop = asyncio.get_running_loop()
        for one in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, self._signals.put_nowait, one)
        self._metrics.count_dns(self._front.counts)
        self._metrics.count_forwarding(lambda: self._front.forwarder)
        self._metrics.registry.register(HealthCollector(self._checking))
        self._metrics.count_discovery(lambda: (self._seen, self._source.trust))
        try:
            await self._remember()
            try:
                await self._apply(self._config)
            finally:
                self._handed.close_unused()
            async with asyncio.TaskGroup() as group:
                work = [
                    group.create_task(self._watch(), name="watch"),
                    group.create_task(self._follow(), name="follow"),
                    group.create_task(save(self._saved, lambda: self._cluster), name="save"),
                    group.create_task(self._checking.run(), name="checks"),
                    group.create_task(suspect(lambda: self._generation, self._checking)),
                    group.create_task(self._find_namespaces(), name="namespaces"),
                    group.create_task(self._notifier.run(), name="notify"),
                    group.create_task(self._front.listeners.follow(self._move), name="listen"),
                ]
                where = ", ".join(map(str, self._front.listeners.open))
                log.info("serving DNS on %s", where or "no address yet")
                await self._steer()
                for task in work:
                    task.cancel()
        finally:
            notify("STOPPING=1")
            await self._checking.close()
            await self._front.close()
            await self._http.close()
            self._handed.close()
            if self._generation and self._generation.kernel:
                await self._generation.kernel.close()
        log.info("stopped; the kernel goes on forwarding")

    async def _remember(self) -> None:
        """Begin with the last good view of the run before, if there is one."""
        cluster, self._seen.heard = await asyncio.to_thread(self._saved.load)
        if cluster is not None:
            log.info("serving the last view of %d tasks until a master answers", len(cluster.tasks))
            self._source = Source(self._config.discovery, remember(cluster), self._take, self._seen)
            self._cluster, self._remembered = cluster, True
            self._changed.set()

    async def _steer(self) -> None:
        """Obey signals until one says to end."""
        while await self._signals.get() == signal.SIGHUP:
            await self.reload()

    async def reload(self) -> tuple[str, ...]:
        """Read the configuration again; return what was wrong, nothing if it counts from now on."""
        async with self._reloading:
            notify("RELOADING=1")
            problems: tuple[str, ...] = ()
            try:
                await self._apply(load(self._path))
            except ConfigError as error:
                problems = tuple(error.problems)
            except (Fatal, Transient) as error:
                problems = (str(error),)
            self._telling.reloaded(str(self._path), problems)
            if not self._waiting_for:
                notify("READY=1")
            return problems

    async def resync(self) -> Report:
        """Read the whole kernel, make it right, and return what that took; raises Transient."""
        async with self._reconciling:
            if self._cluster is None or self._generation is None:
                raise Transient(self._waiting_for)
            reconciler = self._generation.reconciler
            await reconciler.run_once(
                self._cluster, whole=True, thorough=True, remembered=self._remembered
            )
            self._changed.set()  # to learn when there is more to do
            return reconciler.compared

    async def _apply(self, config: Config) -> None:
        """Serve by this configuration from now on.

        Raises Fatal, and goes on as before, when something that it asks for can't be had, and
        Transient when the kernel can't follow it now.
        """
        following = self._config.discovery
        await asyncio.to_thread(check, config.discovery)
        await asyncio.to_thread(token.read, config.http.token_file)
        vip = config.vip
        opened = partial(open_kernels, config, dry=vip.dry_run)
        kernel = KernelWorker(opened) if vip.enabled else None
        if kernel:
            await kernel.open()
        before = self._generation
        try:
            serial = self._serials.first(time.time())
            generation = Generation(
                config, nameservers(config), own(config), kernel, self._metrics, self._front,
                self._checking, self._telling, serial,
            )  # fmt: skip
            if kernel and not vip.dry_run:
                await self._enter(kernel, self._namespaces)
            await self._front.listeners.listen(config.dns.listen)
            await self._http.listen(config.http.listen)
            self._checking.configure(config.health)
            async with self._reconciling:
                if self._cluster is not None:
                    remembered = self._remembered
                    await generation.reconciler.run_once(
                        self._cluster, whole=True, remembered=remembered
                    )
                self._generation, self._config = generation, config
                await self._count_on()
                await self._front.answer_with(generation.responder, config.dns)
        except BaseException:
            if before:
                self._checking.configure(self._config.health)
                self._checking.only(before.reconciler.views.watched)
                await self._front.listeners.listen(self._config.dns.listen)
                await self._http.listen(self._config.http.listen)
            if kernel:
                await kernel.close()
            raise
        self._checking.only(self.views.watched)
        renewed = following != config.discovery or config.discovery.tls.enabled
        if self._following and renewed:  # certificates are read again, too
            self._following.reschedule(asyncio.get_running_loop().time())
        log_.set_up(config.log.level, config.log.format)
        self._changed.set()  # to learn when there is more to do
        if before and before.kernel:
            await before.kernel.close()
            if not kernel:
                log.warning("virtual servers stay as they are; `pointsman flush` removes them")

    def _notices(self) -> Notices:
        return self._generation.notices if self._generation else Notices()

    async def _count_on(self) -> None:
        """See to it that serials go on from here, even over a restart."""
        if self._generation and self._config.dns.transfer.enabled:
            used = latest(zone.serial for zone in self._generation.zones)
            if self._serials.use(used):
                await asyncio.to_thread(self._serials.reserve)

    def _move(self) -> None:
        """Answer the addresses that this node has now."""
        if self._generation:
            self._generation.move(nameservers(self._config))

    async def _watch(self) -> None:
        """Follow the cluster, by the configuration that counts."""
        while True:
            config = self._config.discovery
            self._source = Source(config, self._source.trust, self._take, self._seen)
            with suppress(TimeoutError):
                async with asyncio.timeout(None) as self._following:
                    await self._source.run()

    def _take(self, cluster: Cluster, change: Change) -> None:
        """Have what changed followed."""
        self._cluster, self._remembered = cluster, False
        self._change |= change
        self._changed.set()

    async def _find_namespaces(self) -> None:
        """Have the kernels of network namespaces, as they come and go, follow as well."""
        while True:
            vip = self._config.vip
            there: frozenset[Namespace] = frozenset()
            if vip.enabled and not vip.dry_run:
                folder = Path(vip.namespace_folder)
                there, self._namespace_notes = await asyncio.to_thread(
                    namespaces.read, folder, vip.namespaces
                )
            if there != self._namespaces or self._unentered:
                async with self._reconciling:
                    self._namespaces = there
                    if self._generation and self._generation.kernel:
                        await self._enter(self._generation.kernel, there)
                self._changed.set()
            await asyncio.sleep(NAMESPACES)

    async def _enter(self, kernel: KernelWorker, there: frozenset[Namespace]) -> None:
        complaints = frozenset(await kernel.follow(there))
        for complaint in sorted(complaints - self._unentered):
            log.warning("%s; it has no virtual servers, and is tried again", complaint)
        self._unentered = complaints
        self._metrics.namespaces.set(kernel.namespaces)

    async def _follow(self) -> None:
        """Reconcile at each change, and read the whole kernel every check interval."""
        retries = delays(RETRY, MOST_RETRY)
        wake, check = 0.0, 0.0
        while True:
            known = self._cluster is not None and self._generation is not None
            wait = max(min(wake, check) - time.monotonic(), 0) if known else None
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            whole = time.monotonic() >= check
            self._changed.clear()
            change, self._change = self._change, Change()
            interval = self._config.vip.check_interval
            wake = time.monotonic() + interval
            try:
                async with self._reconciling:
                    if self._cluster is None or self._generation is None:
                        continue
                    reconciler = self._generation.reconciler
                    more = await reconciler.run_once(
                        self._cluster, change, whole=whole, remembered=self._remembered
                    )
            except Transient as error:
                self._metrics.reconciles.labels("transient").inc()
                log.warning("%s", error)
                if self._waiting_for:
                    self._waiting_for = str(error)
                check = time.monotonic() + next(retries)
                continue
            await self._count_on()
            self._metrics.reconciles.labels("ok").inc()
            retries = delays(RETRY, MOST_RETRY)
            wake = wake if more is None else more
            check = time.monotonic() + interval if whole else check
            if self._waiting_for:
                self._telling.say(Happening("node", "this node", self._waiting_for, "ready"))
                self._waiting_for = ""
                notify("READY=1")

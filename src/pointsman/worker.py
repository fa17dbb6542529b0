"""Runs the kernel's part in a thread of its own: netlink blocks, and the event loop must not."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeVar

from pointsman.kernels import Kernels
from pointsman.vip.elect import Target
from pointsman.vip.model import Activity, Endpoint, Key
from pointsman.vip.namespaces import Namespace
from pointsman.vip.parts import Look, Report

T = TypeVar("T")


class KernelWorker:
    """Kernels, opened, used and closed in one and the same thread."""

    def __init__(self, open_: Callable[[], AbstractContextManager[Kernels]]) -> None:
        self._opened = open_()
        self._kernels: Kernels | None = None
        self._thread = ThreadPoolExecutor(1, "kernel")

    async def open(self) -> None:
        """Open the kernel; raises Fatal when that can't be done here."""
        try:
            self._kernels = await self._run(self._opened.__enter__)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise

    async def close(self) -> None:
        """Close it, and leave what was made as it is."""
        await self._run(lambda: self._opened.__exit__(None, None, None))
        self._thread.shutdown()

    async def sync(
        self,
        targets: Mapping[Key, Target],
        changed: Collection[Key],
        *,
        whole: bool,
        thorough: bool = False,
    ) -> Report:
        """See ``Kernels.sync``."""
        now = time.monotonic()
        return await self._run(
            lambda: self._all.sync(targets, changed, now, whole=whole, thorough=thorough)
        )

    async def adopt(self, targets: Mapping[Key, Target]) -> Report:
        """See ``Kernels.adopt``."""
        return await self._run(lambda: self._all.adopt(targets, time.monotonic()))

    async def follow(self, namespaces: Collection[Namespace]) -> tuple[str, ...]:
        """See ``Kernels.follow``."""
        return await self._run(lambda: self._all.follow(namespaces))

    async def activity(self, keys: Collection[Key]) -> Mapping[Key, Mapping[Endpoint, Activity]]:
        """See ``Kernels.activity``."""
        return await self._run(lambda: self._all.activity(keys))

    async def look(self) -> Look:
        """See ``Kernels.look``."""
        return await self._run(self._all.look)

    async def traffic(self) -> Mapping[Key, Activity]:
        """See ``Kernels.traffic``."""
        return await self._run(self._all.traffic)

    @property
    def namespaces(self) -> int:
        """How many there are beside the host's."""
        return self._all.namespaces

    @property
    def _all(self) -> Kernels:
        assert self._kernels is not None
        return self._kernels

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

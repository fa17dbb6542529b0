"""Runs the kernel's part in a thread of its own: netlink blocks, and the event loop must not."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeVar

from pointsman.vip.kernel import Kernel, Report
from pointsman.vip.model import Table

T = TypeVar("T")


class KernelWorker:
    """A Kernel, opened, used and closed in one and the same thread."""

    def __init__(self, open_: Callable[[], AbstractContextManager[Kernel]]) -> None:
        self._opened = open_()
        self._kernel: Kernel | None = None
        self._thread = ThreadPoolExecutor(1, "kernel")

    async def open(self) -> None:
        """Open the kernel; raises Fatal when that can't be done here."""
        try:
            self._kernel = await self._run(self._opened.__enter__)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise

    async def close(self) -> None:
        """Close it, and leave what was made as it is."""
        await self._run(lambda: self._opened.__exit__(None, None, None))
        self._thread.shutdown()

    async def sync(self, table: Table) -> Report:
        """See ``Kernel.sync``."""
        kernel = self._kernel
        assert kernel is not None
        return await self._run(lambda: kernel.sync(table))

    async def prepare(self) -> Report:
        """See ``Kernel.prepare``."""
        kernel = self._kernel
        assert kernel is not None
        return await self._run(kernel.prepare)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

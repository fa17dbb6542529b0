import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pointsman.discovery.errors import Fatal
from pointsman.vip.kernel import Kernel, Report
from pointsman.vip.model import Table
from pointsman.worker import KernelWorker


class Written(Kernel):
    """A kernel that only notes in which thread it was used."""

    def __init__(self) -> None:
        self.threads = [threading.get_ident()]

    def sync(self, table: Table) -> Report:
        self.threads.append(threading.get_ident())
        return Report(surroundings=len(table))

    def prepare(self) -> Report:
        self.threads.append(threading.get_ident())
        return Report()


def test_all_is_done_in_one_thread_that_is_not_the_loops() -> None:
    threads: list[int] = []

    @contextmanager
    def opened() -> Iterator[Kernel]:
        kernel = Written()
        try:
            yield kernel
        finally:
            threads.extend([*kernel.threads, threading.get_ident()])

    async def test() -> None:
        worker = KernelWorker(opened)
        await worker.open()
        assert await worker.sync({}) == Report()
        await worker.prepare()
        await worker.close()

    asyncio.run(test())
    assert len(threads) == 4
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


def test_what_goes_wrong_at_opening_is_told() -> None:
    @contextmanager
    def opened() -> Iterator[Kernel]:
        raise Fatal("no ip_vs")
        yield

    async def test() -> None:
        with pytest.raises(Fatal, match="no ip_vs"):
            await KernelWorker(opened).open()

    asyncio.run(test())

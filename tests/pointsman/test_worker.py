import asyncio
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import pytest

from pointsman.discovery.errors import Fatal
from pointsman.kernels import Kernels
from pointsman.vip.elect import Target
from pointsman.vip.model import Key
from pointsman.vip.namespaces import Namespace
from pointsman.vip.parts import Look, Report
from pointsman.worker import KernelWorker


class Written(Kernels):
    """Kernels that only note in which thread they were used."""

    def __init__(self) -> None:
        self.threads = [threading.get_ident()]

    def sync(
        self,
        targets: Mapping[Key, Target],
        changed: Collection[Key],
        now: float,
        *,
        whole: bool = False,
        thorough: bool = False,
    ) -> Report:
        self.threads.append(threading.get_ident())
        assert now > 0
        assert whole
        return Report(surroundings=len(targets))

    def follow(self, namespaces: Collection[Namespace]) -> tuple[str, ...]:
        self.threads.append(threading.get_ident())
        return ("none",)

    def look(self) -> Look:
        self.threads.append(threading.get_ident())
        return Look()


def test_all_is_done_in_one_thread_that_is_not_the_loops() -> None:
    threads: list[int] = []

    @contextmanager
    def opened() -> Iterator[Kernels]:
        kernels = Written()
        try:
            yield kernels
        finally:
            threads.extend([*kernels.threads, threading.get_ident()])

    async def test() -> None:
        worker = KernelWorker(opened)
        await worker.open()
        assert await worker.sync({}, (), whole=True) == Report()
        assert await worker.follow(()) == ("none",)
        assert await worker.look() == Look()
        await worker.close()

    asyncio.run(test())
    assert len(threads) == 5
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


def test_what_goes_wrong_at_opening_is_told() -> None:
    @contextmanager
    def opened() -> Iterator[Kernels]:
        raise Fatal("no ip_vs")
        yield

    async def test() -> None:
        with pytest.raises(Fatal, match="no ip_vs"):
            await KernelWorker(opened).open()

    asyncio.run(test())

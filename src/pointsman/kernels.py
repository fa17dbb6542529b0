"""The kernels of this host and of further network namespaces, brought to the same targets."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import TypeAlias

import msgspec

from pointsman.discovery.errors import Fatal, Transient
from pointsman.vip.elect import Target
from pointsman.vip.kernel import Kernel
from pointsman.vip.model import Activity, Endpoint, Key
from pointsman.vip.namespaces import Namespace, inside
from pointsman.vip.parts import Look, Report

Open: TypeAlias = Callable[[Namespace], AbstractContextManager[Kernel]]
"""Gives the kernel's part of the namespace that the thread is in."""


class Kernels:
    """All of them; blocking, for one thread at a time."""

    def __init__(self, host: Kernel, open_: Open, forget: Callable[[Namespace], None]) -> None:
        """``forget`` removes what is remembered of a namespace, once it is gone."""
        self.host = host
        self._open = open_
        self._forget = forget
        self._others: dict[Namespace, tuple[Kernel, ExitStack]] = {}

    def __enter__(self) -> "Kernels":
        return self

    def __exit__(self, *_error: object) -> None:
        for _, opened in self._others.values():
            opened.close()
        self._others.clear()

    def follow(self, namespaces: Collection[Namespace]) -> tuple[str, ...]:
        """Have exactly these namespaces beside the host's; return why one can't be had."""
        complaints: list[str] = []
        for gone in self._others.keys() - set(namespaces):
            self._others.pop(gone)[1].close()
            self._forget(gone)
        for new in sorted(set(namespaces) - self._others.keys()):
            try:
                with inside(new.path):
                    complaints += self._opened(new)
            except Transient as error:
                complaints.append(_complaint(new, error))
        return tuple(complaints)

    def _opened(self, new: Namespace) -> Iterator[str]:
        """Open the kernel's part of a namespace; yield why that can't be done."""
        opened = ExitStack()
        try:
            self._others[new] = (opened.enter_context(self._open(new)), opened)
        except (Transient, Fatal) as error:  # what is fatal there is not so here
            opened.close()
            yield _complaint(new, error)

    @property
    def namespaces(self) -> int:
        """How many there are beside the host's."""
        return len(self._others)

    def sync(
        self,
        targets: Mapping[Key, Target],
        changed: Collection[Key],
        now: float,
        *,
        whole: bool = False,
        thorough: bool = False,
    ) -> Report:
        """Do what ``Kernel.sync`` does for each, the host's first.

        Raises Transient when the host's can't follow; of another that is a complaint.
        """
        return self._each(
            lambda kernel: kernel.sync(targets, changed, now, whole=whole, thorough=thorough)
        )

    def adopt(self, targets: Mapping[Key, Target], now: float) -> Report:
        """Do what ``Kernel.adopt`` does for each, as ``sync``."""
        return self._each(lambda kernel: kernel.adopt(targets, now))

    def flush(self) -> Report:
        """Do what ``Kernel.flush`` does for each."""
        return self._each(lambda kernel: kernel.flush())

    def _each(self, work: Callable[[Kernel], Report]) -> Report:
        report = work(self.host)
        for namespace, (kernel, _) in self._others.items():
            try:
                with inside(namespace.path):
                    found = _tried(namespace, kernel, work)
            except Transient as error:
                found = Report(complaints=(_complaint(namespace, error),))
            report = _joined(report, found)
        return report

    def look(self) -> Look:
        """See ``Kernel.look``: of the host's."""
        return self.host.look()

    def activity(self, keys: Collection[Key]) -> Mapping[Key, Mapping[Endpoint, Activity]]:
        """See ``Kernel.activity``: of the host's."""
        return self.host.activity(keys)

    def traffic(self) -> Mapping[Key, Activity]:
        """See ``Kernel.traffic``: of the host's."""
        return self.host.traffic()


def _tried(namespace: Namespace, kernel: Kernel, work: Callable[[Kernel], Report]) -> Report:
    """Do it in a namespace; what goes wrong there, be it fatal, is a complaint here."""
    try:
        return work(kernel)
    except (Transient, Fatal) as error:
        return Report(complaints=(_complaint(namespace, error),))


def _complaint(namespace: Namespace, error: Exception) -> str:
    return f"network namespace {namespace.name}: {error}"


def _joined(one: Report, other: Report) -> Report:
    wakes = [wake for wake in (one.wake, other.wake) if wake is not None]
    return msgspec.structs.replace(
        one,
        changes=one.changes + other.changes,
        failures=one.failures + other.failures,
        surroundings=one.surroundings + other.surroundings,
        repaired=one.repaired + other.repaired,
        foreign=one.foreign | other.foreign,
        complaints=one.complaints + other.complaints,
        wake=min(wakes, default=None),
    )

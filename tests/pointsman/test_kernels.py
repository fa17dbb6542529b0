import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from pointsman.discovery.errors import Fatal, Transient
from pointsman.kernels import Kernels
from pointsman.vip.dry import DryOwned, DryRoutes
from pointsman.vip.elect import Target
from pointsman.vip.kernel import Kernel
from pointsman.vip.memory import MemoryIpvs
from pointsman.vip.model import Endpoint, Key, Protocol, RealServer, Table, VirtualServer
from pointsman.vip.namespaces import Namespace
from pointsman.vip.owned import Memory
from pointsman.vip.parts import Wants
from pointsman.vip.sysctl import Sysctl

KEY = Key(Protocol.TCP, "10.1.1.1", 80)
SERVER = VirtualServer(real_servers={Endpoint("10.0.0.1", 80): RealServer()})
TARGETS = {KEY: Target(SERVER)}


def kernel(servers: MemoryIpvs) -> Kernel:
    return Kernel(servers, DryRoutes(), None, Sysctl(), DryOwned(Memory()), Wants())


class Box:
    """Kernels of which each namespace has a table of its own."""

    def __init__(self) -> None:
        self.host = MemoryIpvs()
        self.others: dict[str, MemoryIpvs] = {}
        self.closed: list[str] = []
        self.forgotten: list[str] = []
        self.opened_in: list[int] = []
        self.kernels = Kernels(kernel(self.host), self.open, self.forget)

    @contextmanager
    def open(self, namespace: Namespace) -> Iterator[Kernel]:
        self.opened_in.append(Path("/proc/thread-self/ns/net").stat().st_ino)
        if namespace.name == "bad":
            raise Transient("no ip_vs there")
        servers = self.others[namespace.name] = MemoryIpvs()
        yield kernel(servers)
        self.closed.append(namespace.name)

    def forget(self, namespace: Namespace) -> None:
        self.forgotten.append(namespace.name)


@pytest.fixture
def namespace(network: Callable[[str], None]) -> Iterator[Namespace]:
    """Give a network namespace that a sleeping process holds."""
    network("link set lo up")
    with subprocess.Popen(["unshare", "--net", "sleep", "60"]) as process:
        path = Path(f"/proc/{process.pid}/ns/net")
        home = Path("/proc/thread-self/ns/net").stat().st_ino
        while path.stat().st_ino == home:
            os.sched_yield()
        yield Namespace("one", str(path), path.stat().st_ino)
        process.kill()


def test_a_further_namespace_has_the_same_table_and_loses_it_with_itself(
    namespace: Namespace,
) -> None:
    box = Box()
    assert box.kernels.follow({namespace}) == ()
    assert box.opened_in == [namespace.inode]
    box.kernels.sync(TARGETS, (), 0, whole=True)
    assert box.host.table() == box.others["one"].table() == {KEY: SERVER}
    assert box.kernels.namespaces == 1
    assert box.kernels.follow(()) == ()
    assert (box.closed, box.forgotten) == (["one"], ["one"])
    box.kernels.sync({}, {KEY}, 0)
    assert box.others["one"].table() == {KEY: SERVER}


def test_one_that_comes_late_is_brought_to_all_of_it(namespace: Namespace) -> None:
    box = Box()
    box.kernels.sync(TARGETS, (), 0, whole=True)
    box.kernels.follow({namespace})
    report = box.kernels.sync(TARGETS, (), 0)
    assert box.others["one"].table() == {KEY: SERVER}
    assert len(report.changes) == 2


def test_one_that_cannot_be_had_is_a_complaint_and_the_others_follow(namespace: Namespace) -> None:
    box = Box()
    gone = Namespace("gone", "/proc/0/ns/net", 1)
    bad = Namespace("bad", namespace.path, 2)
    first, second = sorted(box.kernels.follow({namespace, gone, bad}))
    assert first == "network namespace bad: no ip_vs there"
    assert second.startswith("network namespace gone: ")
    box.kernels.sync(TARGETS, (), 0, whole=True)
    assert box.others["one"].table() == {KEY: SERVER}


def test_one_without_ip_vs_or_the_right_to_it_ends_nobody_else(namespace: Namespace) -> None:
    class Forbidden(MemoryIpvs):
        def table(self) -> Table:
            raise Fatal("no right")

    box = Box()
    forbidden = Kernels(kernel(box.host), lambda _: nullcontext(kernel(Forbidden())), box.forget)
    assert forbidden.follow({namespace}) == ()
    report = forbidden.sync(TARGETS, (), 0)
    assert report.complaints == ("network namespace one: no right",)
    assert box.host.table() == {KEY: SERVER}


def test_one_that_vanished_unseen_is_a_complaint(namespace: Namespace) -> None:
    box = Box()
    box.kernels.follow({namespace})
    (found,) = box.kernels._others.items()
    box.kernels._others = {Namespace("one", "/proc/0/ns/net"): found[1]}
    report = box.kernels.sync(TARGETS, (), 0, whole=True)
    assert report.complaints[0].startswith("network namespace one: ")
    assert box.host.table() == {KEY: SERVER}


def test_flush_clears_all_of_them(namespace: Namespace) -> None:
    box = Box()
    box.kernels.follow({namespace})
    box.kernels.sync(TARGETS, (), 0)
    assert len(box.kernels.flush().changes) == 2
    assert box.host.table() == box.others["one"].table() == {}


def test_at_the_end_all_are_closed_and_remembered(namespace: Namespace) -> None:
    box = Box()
    with box.kernels as kernels:
        kernels.follow({namespace})
    assert (box.closed, box.forgotten) == (["one"], [])

"""The order in which names and kernel follow the cluster."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import dns.message
import pytest

from pointsman.checking import Checking
from pointsman.discovery.errors import Transient
from pointsman.discovery.model import Agent, Cluster, Task
from pointsman.discovery.model import Change as ClusterChange
from pointsman.dns.answer import Responder
from pointsman.dns.records import NameRules
from pointsman.dns.zone import Soa, Zone, Zones
from pointsman.events import Ring
from pointsman.healthcheck.asking import CheckRules
from pointsman.healthcheck.checker import Ask
from pointsman.healthcheck.model import (
    Check,
    Outcome,
    Place,
    Probe,
    Result,
    Status,
    Target,
    Tcp,
    Timing,
)
from pointsman.healthcheck.probes import ask
from pointsman.kernels import Kernels
from pointsman.metrics import Metrics
from pointsman.pipeline import Rules, VipRules
from pointsman.reconcile import Reconciler
from pointsman.telling import Telling
from pointsman.testing import cluster, discovery, port, task
from pointsman.vip.addresses import Range
from pointsman.vip.checks import Checks
from pointsman.vip.guard import Guard
from pointsman.vip.kernel import Kernel
from pointsman.vip.memory import MemoryIpvs, MemorySettings
from pointsman.vip.model import Change, Failure
from pointsman.vip.owned import Owned
from pointsman.vip.parts import Wants
from pointsman.worker import KernelWorker

RANGE = Range("11.0.0.0", "11.255.255.255")
NAME = "web.marathon.l4lb.thisdcos.directory."


GUARD = Guard()


class Surroundings:
    def sync(self, addresses: Sequence[str]) -> int:
        return 0

    def remove(self) -> int:
        return 0


class Box:
    """A reconciler over a kernel in memory, which asks DNS at each change it is sent."""

    def __init__(self, folder: Path, guard: Guard = GUARD, probe: Ask | None = None) -> None:
        self.servers = MemoryIpvs()
        self.settings = MemorySettings()
        self.events = Ring()
        self.seen: list[tuple[str, str]] = []
        self.names = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60)
        apex = "l4lb.thisdcos.directory."
        self.vips = Zone(apex, Soa(f"ns1.{apex}", f"root.{apex}"), 5)
        self.responder = Responder(Zones(self.names, self.vips))
        box = self

        class Watched(MemoryIpvs):
            def apply(self, changes: Sequence[Change]) -> tuple[Failure, ...]:
                box.seen += [(str(change).split()[0], box.ask(NAME)) for change in changes[:1]]
                return box.servers.apply(changes)

            def table(self) -> dict:  # type: ignore[type-arg]
                return dict(box.servers.table())

        @contextmanager
        def opened() -> Iterator[Kernels]:
            owned = Owned(folder / "owned.json")
            wants = Wants((RANGE,), {"some.setting": "1"})
            kernel = Kernel(Watched(), Surroundings(), None, self.settings, owned, wants)
            with Kernels(kernel, lambda _: nullcontext(kernel), lambda _: None) as kernels:
                yield kernels

        self.worker = KernelWorker(opened)
        self.metrics = Metrics()
        checks = Checks(CheckRules(Timing(interval=0.1, edge=0.1, fall=1), tcp=probe is not None))
        rules = Rules(NameRules(), VipRules(ranges=(RANGE,)), checks=checks)
        self.judged = asyncio.Event()
        self.checking = Checking(folder / "health", self.judged.set, probe=probe or ask)
        checking = self.checking
        self.reconciler = Reconciler(
            rules, apex, 5, self.responder, self.worker, self.metrics, guard, checking,
            Telling(self.events),
        )  # fmt: skip

    def ask(self, name: str) -> str:
        """Return the address that DNS gives, or the code of its answer."""
        data = self.responder.udp(dns.message.make_query(name, "A").to_wire(), "127.0.0.1")
        assert isinstance(data, bytes)
        answer = dns.message.from_wire(data)
        return str(answer.answer[0][0]) if answer.answer else answer.rcode().name

    def follow(self, *clusters: Cluster) -> None:
        async def run() -> None:
            await self.worker.open()
            try:
                for one in clusters:
                    await self.reconciler.run_once(one, whole=True)
            finally:
                await self.worker.close()

        asyncio.run(run())


def web(**changes: Any) -> Task:
    return task("web.1", discovery=discovery("web", port(31000, VIP_0="/web:80")), **changes)


def test_dcos_oss_4939_a_vips_name_appears_after_the_kernel_has_it_and_is_gone_before(
    tmp_path: Path,
) -> None:
    box = Box(tmp_path)
    box.follow(cluster(web()), cluster())
    assert box.seen == [("add", "SERVFAIL"), ("delete", "NXDOMAIN")]


def test_once_it_is_served_the_name_has_its_address(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.follow(cluster(web()))
    assert box.ask(NAME) == "11.225.36.193"
    assert box.ask("web.marathon.mesos.") == "10.0.0.11"
    assert [str(key) for key in box.servers.table()] == ["tcp 11.225.36.193:80"]


def test_what_happens_is_told_in_its_order_with_reasons(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.follow(cluster(web()), cluster(web()), cluster())
    told = [(e.kind, e.what, e.before, e.after) for e in box.events.page(None, 100).events]
    key, real = "tcp 11.225.36.193:80", "tcp 11.225.36.193:80 -> 10.0.0.11:31000"
    assert told == [
        ("task", "web.1", "", "TASK_RUNNING"),
        ("leader", "master", "", "10.0.0.1:5050"),
        ("kernel", key, "", "wlc"),
        ("kernel", real, "", "weight 1"),
        ("name", "web.marathon", "", "11.225.36.193"),
        ("task", "web.1", "TASK_RUNNING", ""),
        ("name", "web.marathon", "11.225.36.193", ""),
        ("kernel", key, "wlc, 1 real servers", ""),
    ]
    assert box.events.page(None, 1).events[0].why == (
        "nothing stands behind it since task web.1 ended"
    )


def test_a_kernel_that_cannot_follow_leaves_names_of_tasks_following(tmp_path: Path) -> None:
    (tmp_path / "owned.json").mkdir()  # nothing can be remembered
    box = Box(tmp_path)
    with pytest.raises(Transient):
        box.follow(cluster(web(), task("job.1")))
    assert box.ask("job.marathon.mesos.") == "10.0.0.11"
    assert box.ask(NAME) == "SERVFAIL"


def test_surroundings_that_cannot_be_set_leave_the_rest_working(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = Box(tmp_path)
    box.settings.complaint = "sysctl x can't be set"
    box.follow(cluster(web()), cluster(web()))
    assert box.ask(NAME) == "11.225.36.193"
    said = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert said == ["surroundings: sysctl x can't be set; VIPs go on without it"]  # once


def test_a_complaint_stands_until_all_is_looked_at_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = Box(tmp_path)
    box.settings.complaint = "sysctl x can't be set"

    async def run() -> None:
        await box.worker.open()
        for whole in (True, False, True):
            await box.reconciler.run_once(cluster(web()), whole=whole)
            assert box.reconciler.complaints == {"sysctl x can't be set"}
        box.settings.complaint = ""
        await box.reconciler.run_once(cluster(web()), whole=True)
        assert box.reconciler.complaints == frozenset()
        await box.worker.close()

    asyncio.run(run())
    assert len([r for r in caplog.records if r.levelname == "WARNING"]) == 1


def test_what_was_done_is_counted(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.follow(cluster(web()), cluster(web()))
    text = box.metrics.text().decode()
    assert 'pointsman_kernel_changes_total{kind="AddServer"} 1.0' in text
    assert 'pointsman_kernel_changes_total{kind="AddReal"} 1.0' in text
    assert "pointsman_virtual_servers 1.0" in text
    assert "pointsman_tasks 1.0" in text


def test_queries_are_answered_while_a_large_view_is_published(tmp_path: Path) -> None:
    box = Box(tmp_path)
    many = [task(f"job{n}.1", ports=(n,)) for n in range(1000)]
    answers: list[str] = []

    async def ask() -> None:
        while True:
            answers.append(box.ask("job7.marathon.mesos."))
            await asyncio.sleep(0)

    async def run() -> None:
        await box.worker.open()
        asking = asyncio.create_task(ask())
        await box.reconciler.run_once(cluster(*many), whole=True)
        asking.cancel()
        await box.worker.close()

    asyncio.run(run())
    # Not loaded, then loading slice by slice, never a "no such name" from half a view.
    assert set(answers[:-1]) <= {"SERVFAIL", "10.0.0.11"}
    assert len(answers) > 10


@pytest.mark.parametrize("change", [ClusterChange(), None])
def test_what_a_probe_finds_changes_names_and_kernel(
    tmp_path: Path, change: ClusterChange | None, caplog: pytest.LogCaptureFixture
) -> None:
    broken = set[str]()

    async def probe(probe: Probe, place: Place) -> Result:
        lost = place.address in broken
        return Result(Outcome.REFUSED, "refused") if lost else Result(Outcome.GOOD)

    box = Box(tmp_path, probe=probe)
    other = Agent("S2", "10.0.0.12", 5051)
    both = cluster(web(), task("web.2", other, discovery=web().discovery))

    def real_servers() -> set[str]:
        (server,) = box.servers.table().values()
        return {endpoint.address for endpoint in server.real_servers}

    async def run() -> None:
        await box.worker.open()
        try:
            await box.reconciler.run_once(both, whole=True)
            assert real_servers() == {"10.0.0.11", "10.0.0.12"}
            broken.add("10.0.0.12")
            async with asyncio.timeout(10):
                await box.judged.wait()
            await box.reconciler.run_once(both, change, whole=False)
        finally:
            await box.worker.close()
            await box.checking.close()

    caplog.set_level("INFO")
    asyncio.run(run())
    assert real_servers() == {"10.0.0.11"}
    assert box.ask("web.marathon.mesos.") == "10.0.0.11"
    said = [r.getMessage() for r in caplog.records if r.name == "pointsman.events"]
    assert any(
        line.startswith("tcp 10.0.0.12:31000: up -> lost; refused; after ")
        and line.endswith("; for web.2")
        for line in said
    )
    assert 'pointsman_health_changes_total{state="lost"} 1.0' in box.metrics.text().decode()


def test_first_views_leave_what_changed_before_to_the_others_should_they_fail(
    tmp_path: Path,
) -> None:
    box = Box(tmp_path)
    box.checking._judged = {Target("10.0.0.11", 31000, Check(Tcp())): (Status(), Status())}
    box.follow(cluster(web()))
    assert box.checking.take()

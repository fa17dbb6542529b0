"""The order and the ownership of what is done to the kernel, on doubles of it."""

import errno
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.discovery.errors import Transient
from pointsman.vip.addresses import Range
from pointsman.vip.elect import Target
from pointsman.vip.kernel import READ, RETRY, Kernel
from pointsman.vip.memory import MemoryIpvs, MemorySettings
from pointsman.vip.model import (
    Change,
    DeleteServer,
    Endpoint,
    Failure,
    Forwarding,
    Key,
    Protocol,
    RealServer,
    Settings,
    Table,
    VirtualServer,
)
from pointsman.vip.owned import Memory, Owned, Standing
from pointsman.vip.parts import Wants

NAMED, OTHER = Key(Protocol.TCP, "11.0.0.1", 80), Key(Protocol.TCP, "11.0.0.2", 80)
ADDRESS = Key(Protocol.TCP, "10.1.1.1", 80)
FOREIGN = Key(Protocol.TCP, "10.1.1.1", 443)
RANGE = Range("11.0.0.0", "11.0.0.255")
ONE, TWO = Endpoint("10.0.0.1", 31000), Endpoint("10.0.0.2", 31000)
SERVER = VirtualServer(Settings(), {ONE: RealServer()})
TARGET = Target(SERVER)
DRAINING = Target(VirtualServer(Settings(), {ONE: RealServer(0), TWO: RealServer()}), {ONE: 30.0})
DRAINED = VirtualServer(Settings(), {TWO: RealServer()})
SYSCTLS = {"net.ipv4.vs.expire_nodest_conn": "1", "net.ipv4.vs.conntrack": "1"}


class Routes:
    """A double that writes down what was asked of it."""

    def __init__(self, said: list[str]) -> None:
        self.said = said

    def sync(self, addresses: Sequence[str]) -> int:
        self.said.append(f"routes {' '.join(addresses)}".strip())
        return 0

    def remove(self) -> int:
        self.said.append("remove")
        return 1


class Rules:
    def __init__(self, said: list[str]) -> None:
        self.said = said
        self.there: set[Key] | None = None
        self.missing = ""

    def ensure(self, keys: Collection[Key]) -> int:
        if self.missing:
            raise Transient(self.missing)
        before, self.there = self.there, set(keys)
        return int(before != self.there)

    def admit(self, keys: Iterable[Key]) -> int:
        self.said.append("admit")
        if self.missing:
            raise Transient(self.missing)
        self.there = (self.there or set()) | set(keys)
        return 1

    def dismiss(self, keys: Iterable[Key]) -> int:
        self.said.append("dismiss")
        self.there = (self.there or set()) - set(keys)
        return 1

    def remove(self) -> int:
        before, self.there = self.there, None
        return int(before is not None)


class Spy(MemoryIpvs):
    def __init__(self, said: list[str], table: Table) -> None:
        super().__init__(table)
        self.said = said
        self.read = 0
        self.refused: set[Key] = set()

    def table(self) -> Table:
        self.read += 1
        return super().table()

    def apply(self, changes: Sequence[Change]) -> tuple[Failure, ...]:
        self.said.append("servers")
        refused = [change for change in changes if change.key in self.refused]
        made = super().apply([change for change in changes if change.key not in self.refused])
        return (*made, *(Failure(change, errno.EINVAL) for change in refused))


class Box:
    """A kernel of doubles; made again over the same file it is a restart."""

    def __init__(self, folder: Path, table: Table | None = None) -> None:
        self.said: list[str] = []
        self.folder = folder
        self.servers = Spy(self.said, table or {})
        self.routes = Routes(self.said)
        self.rules = Rules(self.said)
        self.values = MemorySettings(self.said)

    def kernel(
        self,
        *ranges: Range,
        boot: str = "b1",
        timeouts: tuple[int, int, int] = (0, 0, 0),
    ) -> Kernel:
        owned = Owned(self.folder / "owned.json")
        wants = Wants(ranges or (RANGE,), SYSCTLS, True, timeouts, boot)
        return Kernel(self.servers, self.routes, self.rules, self.values, owned, wants)

    @property
    def memory(self) -> Memory:
        return Owned(self.folder / "owned.json").memory


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_a_vip_is_reachable_once_it_is_whole_and_resets_once_it_is_not(box: Box) -> None:
    kernel = box.kernel()
    kernel.sync({}, (), 0, whole=True)
    box.said.clear()
    kernel.sync({NAMED: TARGET, ADDRESS: TARGET}, {NAMED, ADDRESS}, 0)
    assert box.said == ["admit", "servers", "routes 10.1.1.1"]
    box.said.clear()
    kernel.sync({NAMED: TARGET}, {ADDRESS}, 0)
    assert box.said == ["servers", "dismiss", "routes"]


def test_kubernetes_73382_a_change_costs_what_it_changes(box: Box) -> None:
    kernel = box.kernel()
    targets = {NAMED: TARGET, OTHER: TARGET}
    kernel.sync(targets, (), 0, whole=True)
    sent, read = box.servers.sent, box.servers.read
    assert kernel.sync(targets, (), 0).changes == ()
    weight = Target(VirtualServer(Settings(), {ONE: RealServer(5)}))
    assert len(kernel.sync({**targets, OTHER: weight}, {OTHER}, 0).changes) == 1
    assert (box.servers.sent, box.servers.read) == (sent + 1, read)


def test_a_second_pass_sends_nothing(box: Box) -> None:
    box.kernel().sync({NAMED: TARGET}, (), 0, whole=True)
    report = box.kernel().sync({NAMED: TARGET}, (), 0, whole=True)
    assert (report.changes, report.repaired, report.surroundings) == ((), 0, 0)


def test_kube_router_652_a_vip_without_real_servers_changes_nothing_at_any_check(box: Box) -> None:
    kernel = box.kernel()
    nobody = {NAMED: Target(VirtualServer(Settings(), {}))}
    for now in range(3):
        report = kernel.sync(nobody, nobody, now, whole=True)
        assert (report.changes, report.repaired, report.wake) == ((), 0, None)


def test_what_somebody_else_changed_is_repaired_and_counted(box: Box) -> None:
    kernel = box.kernel()
    kernel.sync({NAMED: TARGET, OTHER: TARGET}, (), 0, whole=True)
    box.servers.apply([DeleteServer(NAMED)])
    box.values.values.clear()
    report = kernel.sync({NAMED: TARGET, OTHER: TARGET}, (), 0, whole=True)
    assert box.servers.table() == {NAMED: SERVER, OTHER: SERVER}
    assert report.repaired == 1 + len(SYSCTLS)
    assert kernel.sync({NAMED: TARGET, OTHER: TARGET}, (), 0, whole=True).repaired == 0


def test_most_checks_only_look_and_some_read(box: Box) -> None:
    kernel = box.kernel()
    kernel.sync({NAMED: TARGET}, (), 0, whole=True)
    read = box.servers.read
    for _ in range(2 * READ):
        assert kernel.sync({NAMED: TARGET}, (), 0, whole=True).changes == ()
    assert box.servers.read == read + 2


def test_a_thorough_check_reads_what_a_look_does_not_show(box: Box) -> None:
    kernel = box.kernel()
    kernel.sync({NAMED: TARGET}, (), 0, whole=True)
    read = box.servers.read
    kernel.sync({NAMED: TARGET}, (), 0, whole=True, thorough=True)
    assert box.servers.read == read + 1


def test_what_is_refused_is_read_and_tried_again(box: Box) -> None:
    kernel = box.kernel()
    kernel.sync({}, (), 0, whole=True)
    box.servers.refused = {NAMED}
    report = kernel.sync({NAMED: TARGET, OTHER: TARGET}, {NAMED, OTHER}, 100)
    assert len(report.failures) == 2
    assert report.wake == 100 + RETRY
    again = kernel.sync({NAMED: TARGET, OTHER: TARGET}, (), 101)
    assert again.wake == 101 + 2 * RETRY
    box.servers.refused.clear()
    assert not kernel.sync({NAMED: TARGET, OTHER: TARGET}, (), 101).failures
    assert box.servers.table() == {NAMED: SERVER, OTHER: SERVER}


def test_a_foreign_virtual_server_stays_even_on_an_address_of_ours(tmp_path: Path) -> None:
    box = Box(tmp_path, {FOREIGN: SERVER})
    kernel = box.kernel()
    kernel.sync({ADDRESS: TARGET}, (), 0, whole=True)
    kernel.sync({}, {ADDRESS}, 0)
    kernel.sync({}, (), 0, whole=True)
    assert box.servers.table() == {FOREIGN: SERVER}


def test_what_is_in_our_ranges_is_ours(tmp_path: Path) -> None:
    box = Box(tmp_path, {NAMED: SERVER})
    box.kernel().sync({}, (), 0, whole=True)
    assert box.servers.table() == {}


def test_an_address_vip_whose_label_went_while_we_were_away_is_deleted(box: Box) -> None:
    box.kernel().sync({ADDRESS: TARGET}, (), 0, whole=True)
    box.kernel().sync({}, (), 0, whole=True)  # a restart
    assert box.servers.table() == {}
    assert box.memory.keys == frozenset()


def test_a_range_that_was_changed_is_cleared_once(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.kernel().sync({NAMED: TARGET}, (), 0, whole=True)
    other = Range("12.0.0.0", "12.0.0.255")
    box.kernel(other).sync({}, (), 0, whole=True)
    assert box.servers.table() == {}
    again = Box(tmp_path, {NAMED: SERVER})
    again.kernel(other).sync({}, (), 0, whole=True)
    assert again.servers.table() == {NAMED: SERVER}


def test_without_a_place_to_remember_nothing_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    box = Box(tmp_path / "file")
    with pytest.raises(Transient):
        box.kernel().sync({ADDRESS: TARGET}, (), 0, whole=True)
    assert box.servers.table() == {}


def test_settings_are_set_once_and_set_back_by_flush(tmp_path: Path) -> None:
    box = Box(tmp_path, {FOREIGN: SERVER})
    before = box.servers.timeouts()
    kernel = box.kernel(timeouts=(0, 0, 77))
    assert kernel.sync({NAMED: TARGET, ADDRESS: TARGET}, (), 0, whole=True).surroundings == 4
    assert kernel.sync({NAMED: TARGET, ADDRESS: TARGET}, (), 0, whole=True).surroundings == 0
    assert box.servers.timeouts() == (*before[:2], 77)
    report = box.kernel().flush()
    assert len(report.changes) == 2
    assert box.servers.table() == {FOREIGN: SERVER}
    assert set(box.values.values.values()) == {"0"}
    assert box.servers.timeouts() == before
    assert box.rules.there is None
    assert box.memory == Memory()


def test_vips_work_without_rules_that_cannot_be_had(box: Box) -> None:
    box.rules.missing = "install ipset"
    kernel = box.kernel()
    report = kernel.sync({NAMED: TARGET}, (), 0, whole=True)
    assert report.complaints == ("install ipset", "install ipset")
    assert box.servers.table() == {NAMED: SERVER}


def test_vips_work_without_settings_that_cannot_be_written(box: Box) -> None:
    box.values.complaint = "read-only"
    direct = RealServer(forwarding=Forwarding.DIRECT)

    def mh(*endpoints: Endpoint) -> Target:
        return Target(VirtualServer(Settings("mh"), dict.fromkeys(endpoints, direct)))

    kernel = box.kernel()
    assert kernel.sync({NAMED: mh(TWO)}, (), 0).complaints == ("read-only", "read-only")
    assert kernel.sync({NAMED: mh(ONE, TWO)}, {NAMED}, 0).failures == ()
    assert list(box.servers.table()[NAMED].real_servers) == [ONE, TWO]


def test_what_will_be_ours_is_remembered_before_it_is_made(box: Box) -> None:
    box.servers.refused = {ADDRESS}
    box.kernel().sync({ADDRESS: TARGET}, (), 0)
    assert box.memory.keys == {ADDRESS}


def test_nothing_is_let_in_where_nobody_serves(box: Box) -> None:
    kernel = box.kernel()
    nobody = Target(VirtualServer(Settings(), {ONE: RealServer(0)}), {ONE: 30.0})
    kernel.sync({NAMED: TARGET, OTHER: nobody}, (), 0, whole=True)
    assert box.rules.there == {NAMED}
    kernel.sync({NAMED: nobody, OTHER: nobody}, {NAMED}, 1, whole=True)
    assert box.rules.there == {NAMED}  # while it drains
    kernel.sync({NAMED: nobody, OTHER: nobody}, (), 31)
    assert box.rules.there == set()
    assert kernel.sync({NAMED: nobody, OTHER: nobody}, (), 32, whole=True).repaired == 0


def test_a_drain_goes_on_and_ends_by_itself(box: Box) -> None:
    kernel = box.kernel()
    kernel.sync({NAMED: TARGET}, (), 0, whole=True)
    box.servers.active[NAMED, ONE] = 3
    report = kernel.sync({NAMED: DRAINING}, {NAMED}, 100)
    assert (report.draining, report.wake) == (1, 101)
    assert box.servers.table() == {NAMED: DRAINING.server}
    assert kernel.sync({NAMED: DRAINING}, (), 101).wake == 102
    box.servers.active[NAMED, ONE] = 0
    kernel.sync({NAMED: DRAINING}, (), 102)
    report = kernel.sync({NAMED: DRAINING}, (), 104)
    assert (report.draining, report.wake) == (0, None)
    assert box.servers.table() == {NAMED: DRAINED}


def test_kubernetes_92019_a_drain_survives_a_restart_with_its_deadline(box: Box) -> None:
    kernel = box.kernel()
    kernel.sync({NAMED: TARGET}, (), 0, whole=True)
    box.servers.active[NAMED, ONE] = 3
    kernel.sync({NAMED: DRAINING}, {NAMED}, 100)
    assert box.memory.drains == {Standing(NAMED, ONE, 130)}
    kernel = box.kernel()
    assert kernel.sync({NAMED: DRAINING}, (), 129, whole=True).draining == 1
    kernel = box.kernel()
    assert kernel.sync({NAMED: DRAINING}, (), 130, whole=True).draining == 0
    assert box.servers.table() == {NAMED: DRAINED}
    assert box.memory.drains == frozenset()


def test_an_old_view_adds_what_is_missing_and_touches_nothing_else(tmp_path: Path) -> None:
    # The kernel was told more than what was saved before the end: it stays right meanwhile.
    newer = VirtualServer(Settings(), {TWO: RealServer()})
    box = Box(tmp_path, {NAMED: newer, FOREIGN: SERVER})
    box.kernel().sync({NAMED: Target(newer), ADDRESS: TARGET}, (), 0, whole=True)
    box.said.clear()
    kernel = box.kernel()
    report = kernel.adopt({NAMED: TARGET, OTHER: TARGET}, 0)
    assert report.programmed == 3
    assert {change.key for change in report.changes} == {OTHER}
    assert box.servers.table() == {
        NAMED: newer, OTHER: SERVER, ADDRESS: SERVER, FOREIGN: SERVER,
    }  # fmt: skip
    assert box.said[-1] == f"routes {ADDRESS.address}"
    assert box.rules.there == {NAMED, OTHER, ADDRESS}
    # What the masters say then counts whole.
    kernel.sync({NAMED: TARGET}, (), 0)
    assert box.servers.table() == {NAMED: SERVER, FOREIGN: SERVER}
    assert box.memory.keys == frozenset()


def test_after_a_reboot_the_clock_is_another_and_drains_begin_anew(tmp_path: Path) -> None:
    box = Box(tmp_path, {NAMED: DRAINING.server})
    box.servers.active[NAMED, ONE] = 3
    box.kernel().sync({NAMED: DRAINING}, (), 5000, whole=True)
    assert box.kernel(boot="b2").sync({NAMED: DRAINING}, (), 10, whole=True).draining == 1
    assert box.memory.drains == {Standing(NAMED, ONE, 40)}


def test_a_new_order_under_mh_breaks_no_connection(box: Box) -> None:
    def mh(*endpoints: Endpoint) -> Target:
        return Target(VirtualServer(Settings("mh"), dict.fromkeys(endpoints, RealServer())))

    kernel = box.kernel()
    kernel.sync({NAMED: mh(TWO)}, (), 0, whole=True)
    box.said.clear()
    kernel.sync({NAMED: mh(ONE, TWO)}, {NAMED}, 0)
    assert box.said == ["expire_nodest_conn=0", "servers", "expire_nodest_conn=1"]
    assert list(box.servers.table()[NAMED].real_servers) == [ONE, TWO]


def test_what_there_is_of_ours_is_told(tmp_path: Path) -> None:
    box = Box(tmp_path, {FOREIGN: SERVER})
    kernel = box.kernel()
    box.servers.active[NAMED, ONE] = 3
    kernel.sync({NAMED: TARGET}, (), 0, whole=True)
    kernel.sync({NAMED: DRAINING}, {NAMED}, 100)
    look = kernel.look()
    assert look.table == {NAMED: DRAINING.server}
    assert look.activity[NAMED][ONE].active == 3
    assert look.deadlines == {(NAMED, ONE): 130}
    assert look.settings["net.ipv4.vs.conntrack"] == "1"


keys = st.sampled_from([NAMED, OTHER, ADDRESS])
targets = st.dictionaries(
    keys,
    st.dictionaries(st.sampled_from([ONE, TWO]), st.integers(1, 2), min_size=1).map(
        lambda found: Target(
            VirtualServer(Settings(), {e: RealServer(w) for e, w in found.items()})
        )
    ),
)


@given(st.lists(st.tuples(targets, st.booleans()), max_size=5))
def test_change_by_change_it_comes_to_what_a_whole_pass_does(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[dict[Key, Target], bool]]
) -> None:
    box = Box(tmp_path_factory.mktemp("kernel"), {FOREIGN: SERVER})
    kernel, before = box.kernel(), dict[Key, Target]()
    kernel.sync({}, (), 0, whole=True)
    for after, restart in steps:
        if restart:
            kernel = box.kernel()
        changed = {k for k in before.keys() | after.keys() if before.get(k) != after.get(k)}
        kernel.sync(after, changed, 0)
        wanted = {key: target.server for key, target in after.items()}
        assert box.servers.table() == {FOREIGN: SERVER, **wanted}
        assert box.memory.keys == {key for key in after if key == ADDRESS}
        assert box.rules.there == set(after)
        before = after
    assert kernel.sync(before, (), 0, whole=True).changes == ()

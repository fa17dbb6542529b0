"""The order and the ownership of what is done to the kernel, on doubles of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from pointsman.discovery.errors import Transient
from pointsman.vip.addresses import Range
from pointsman.vip.kernel import Kernel
from pointsman.vip.memory import MemoryIpvs
from pointsman.vip.model import (
    Change,
    Endpoint,
    Failure,
    Key,
    Protocol,
    RealServer,
    Settings,
    Table,
    VirtualServer,
)
from pointsman.vip.owned import Owned

NAMED = Key(Protocol.TCP, "11.0.0.1", 80)
ADDRESS = Key(Protocol.TCP, "10.1.1.1", 80)
FOREIGN = Key(Protocol.TCP, "10.1.1.1", 443)
RANGE = Range("11.0.0.0", "11.0.0.255")
SERVER = VirtualServer(Settings(), {Endpoint("10.0.0.1", 31000): RealServer()})


class Surroundings:
    """Doubles of link, rules and settings, that write down what was asked of them."""

    def __init__(self, said: list[str]) -> None:
        self.said = said
        self.addresses: list[str] = []

    def sync(self, addresses: Sequence[str]) -> int:
        self.said.append(f"routes {' '.join(addresses)}".strip())
        self.addresses = list(addresses)
        return 0

    def remove(self) -> int:
        self.said.append("remove")
        return 1


class Rules:
    def __init__(self) -> None:
        self.there = False

    def ensure(self) -> int:
        before, self.there = self.there, True
        return int(not before)

    def remove(self) -> int:
        before, self.there = self.there, False
        return int(before)


class Values:
    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def ensure(self, wanted: Mapping[str, str]) -> dict[str, str]:
        before = {
            k: self.values.get(k, "0") for k in wanted if self.values.get(k, "0") != wanted[k]
        }
        self.values.update(wanted)
        return before


class Spy(MemoryIpvs):
    def __init__(self, said: list[str], table: Table) -> None:
        super().__init__(table)
        self.said = said

    def apply(self, changes: Sequence[Change]) -> tuple[Failure, ...]:
        self.said.append("servers")
        return super().apply(changes)


class Box:
    """A kernel of doubles; made again over the same file it is a restart."""

    def __init__(self, folder: Path, table: Table | None = None) -> None:
        self.said: list[str] = []
        self.folder = folder
        self.servers = Spy(self.said, table or {})
        self.routes = Surroundings(self.said)
        self.rules = Rules()
        self.values = Values()

    def kernel(self, *ranges: Range) -> Kernel:
        owned = Owned(self.folder / "owned.json")
        return Kernel(self.servers, self.routes, self.rules, self.values, owned, ranges or (RANGE,))


def test_routes_come_after_the_servers_they_lead_to(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.kernel().sync({NAMED: SERVER, ADDRESS: SERVER})
    assert box.said == ["servers", "routes 10.1.1.1"]


def test_a_second_pass_sends_nothing(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.kernel().sync({NAMED: SERVER})
    report = box.kernel().sync({NAMED: SERVER})
    assert report.changes == ()
    assert box.said == ["servers", "routes", "routes"]


def test_a_foreign_virtual_server_stays_even_on_an_address_of_ours(tmp_path: Path) -> None:
    box = Box(tmp_path, {FOREIGN: SERVER})
    box.kernel().sync({ADDRESS: SERVER})
    box.kernel().sync({})
    assert box.servers.table() == {FOREIGN: SERVER}


def test_what_is_in_our_ranges_is_ours(tmp_path: Path) -> None:
    box = Box(tmp_path, {NAMED: SERVER})
    box.kernel().sync({})
    assert box.servers.table() == {}


def test_an_address_vip_whose_label_went_while_we_were_away_is_deleted(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.kernel().sync({ADDRESS: SERVER})
    box.kernel().sync({})  # a restart
    assert box.servers.table() == {}


def test_a_range_that_was_changed_is_cleared_once(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.kernel().sync({NAMED: SERVER})
    other = Range("12.0.0.0", "12.0.0.255")
    box.kernel(other).sync({})
    assert box.servers.table() == {}
    box.servers.apply([])
    again = Box(tmp_path, {NAMED: SERVER})
    again.kernel(other).sync({})
    assert again.servers.table() == {NAMED: SERVER}


def test_without_a_place_to_remember_nothing_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    box = Box(tmp_path / "file")
    with pytest.raises(Transient):
        box.kernel().sync({ADDRESS: SERVER})
    assert box.servers.table() == {}


def test_settings_are_set_once_and_set_back_by_flush(tmp_path: Path) -> None:
    box = Box(tmp_path, {FOREIGN: SERVER})
    assert box.kernel().prepare().surroundings == 5
    assert box.kernel().prepare().surroundings == 0
    box.kernel().sync({NAMED: SERVER, ADDRESS: SERVER})
    report = box.kernel().flush()
    assert len(report.changes) == 2
    assert box.servers.table() == {FOREIGN: SERVER}
    assert set(box.values.values.values()) == {"0"}
    assert not box.rules.there
    assert Owned(tmp_path / "owned.json").memory.keys == frozenset()

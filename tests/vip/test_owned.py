from pathlib import Path

import pytest

from pointsman.discovery.errors import Transient
from pointsman.vip.addresses import Range
from pointsman.vip.model import Endpoint, Key, Protocol
from pointsman.vip.owned import Memory, Owned, Standing

ONE = Key(Protocol.TCP, "10.1.1.1", 80)
TWO = Key(Protocol.UDP, "fd00::1", 53)
NAMED = Range("11.0.0.0", "11.0.0.255")


def memory(*keys: Key, ranges: tuple[Range, ...] = ()) -> Memory:
    return Memory(frozenset(keys), frozenset(ranges))


def test_what_is_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    Owned(tmp_path / "state/owned.json").keep(memory(ONE, TWO, ranges=(NAMED,)))
    assert Owned(tmp_path / "state/owned.json").memory == memory(ONE, TWO, ranges=(NAMED,))


def test_what_is_no_longer_kept_is_forgotten(tmp_path: Path) -> None:
    owned = Owned(tmp_path / "owned.json")
    owned.keep(memory(ONE, TWO))
    owned.keep(memory(TWO))
    assert Owned(tmp_path / "owned.json").memory == memory(TWO)


@pytest.mark.parametrize("damage", [b"", b"[", b'{"keys": [{"protocol": "x"}]}', b"\xff"])
def test_a_damaged_file_remembers_nothing(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "owned.json").write_bytes(damage)
    assert Owned(tmp_path / "owned.json").memory == memory()


def test_a_file_that_cannot_be_written_is_transient_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    owned = Owned(tmp_path / "state/owned.json")
    with pytest.raises(Transient, match=r"owned\.json"):
        owned.keep(memory(ONE))
    assert owned.memory == memory()


def test_a_virtual_server_is_ours_by_its_range_or_its_label() -> None:
    ours = memory(ONE, ranges=(NAMED,))
    assert ours.covers(ONE)
    assert ours.covers(Key(Protocol.TCP, "11.0.0.7", 80))
    assert not ours.covers(TWO)
    assert not ours.covers(Key(Protocol.TCP, "10.1.1.1", 443))
    assert not ours.covers(Key(0, "0.0.0.0", 0, 7))


def test_drains_are_remembered_with_the_boot_whose_clock_they_are_told_by(tmp_path: Path) -> None:
    found = Memory(
        drains=frozenset({Standing(ONE, Endpoint("10.0.0.1", 80), 12.5)}),
        boot="b1",
        timeouts=(900, 120, 300),
    )
    Owned(tmp_path / "owned.json").keep(found)
    assert Owned(tmp_path / "owned.json").memory == found


def test_cops_6002_a_file_of_an_older_or_newer_version_is_read_as_far_as_it_goes(
    tmp_path: Path,
) -> None:
    older = '{"keys": [{"protocol": 6, "address": "10.1.1.1", "port": 80}], "colour": "red"}'
    (tmp_path / "owned.json").write_text(older)
    assert Owned(tmp_path / "owned.json").memory.keys == {Key(Protocol.TCP, "10.1.1.1", 80)}

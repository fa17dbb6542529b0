from pathlib import Path

import pytest

from pointsman.serials import AHEAD, Serials


def test_zones_begin_at_the_time(tmp_path: Path) -> None:
    serials = Serials(tmp_path / "serial")
    assert serials.first(1000.7) == 1000
    assert Serials(tmp_path / "serial").first(2000.0) == 2000


def used(serials: Serials, serial: int) -> None:
    if serials.use(serial):
        serials.reserve()


def test_a_restart_goes_on_above_what_was_in_use(tmp_path: Path) -> None:
    serials = Serials(tmp_path / "serial")
    last = 1000 + 3 * AHEAD
    for serial in range(1000, last + 1, 7):  # far more changes than seconds
        used(serials, serial)
    for now in (900.0, 1003.0):  # the clock was set back, or only seconds have passed
        assert Serials(tmp_path / "serial").first(now) > last - 7
    assert Serials(tmp_path / "serial").first(1e6) == 1_000_000


def test_a_reload_goes_on_where_it_was(tmp_path: Path) -> None:
    serials = Serials(tmp_path / "serial")
    used(serials, 5000)
    assert serials.first(4000.0) == 5001
    assert serials.first(6000.0) == 6000


def test_the_file_is_written_seldom(tmp_path: Path) -> None:
    serials, written = Serials(tmp_path / "serial"), 0
    for serial in range(AHEAD):
        if serials.use(serial):
            serials.reserve()
            written += 1
    assert written <= 3


def test_serials_go_round(tmp_path: Path) -> None:
    serials = Serials(tmp_path / "serial")
    used(serials, 2**32 - 5)
    assert Serials(tmp_path / "serial").first(2.0**32 - 9) == AHEAD - 4


def test_a_file_that_can_not_be_read_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "serial").write_text("nonsense")
    assert Serials(tmp_path / "serial").first(7.0) == 7
    assert f"{tmp_path}/serial" in caplog.text


def test_a_file_that_can_not_be_written_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    used(Serials(tmp_path / "file" / "serial"), 7)
    assert "after a restart secondaries might take the zone for an old one" in caplog.text

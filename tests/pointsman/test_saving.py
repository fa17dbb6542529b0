import asyncio
from pathlib import Path

import pytest

from pointsman.discovery.saved import Saved
from pointsman.saving import save
from pointsman.testing import cluster, task


def at_the_end(path: Path, *found: object) -> None:
    """Begin with the first cluster, and end with the last."""
    seen = list(found)

    async def run() -> None:
        saving = asyncio.create_task(
            save(Saved(path), lambda: seen.pop(0) if len(seen) > 1 else seen[0])  # type: ignore[arg-type, return-value]
        )
        await asyncio.sleep(0)
        saving.cancel()
        await asyncio.gather(saving, return_exceptions=True)

    asyncio.run(run())


def test_what_changed_is_saved_at_the_end(tmp_path: Path) -> None:
    last = cluster(task())
    at_the_end(tmp_path / "cluster", None, last)
    assert Saved(tmp_path / "cluster").load()[0] == last


def test_what_did_not_change_is_not_written(tmp_path: Path) -> None:
    at_the_end(tmp_path / "cluster", cluster(task()))
    at_the_end(tmp_path / "cluster", None)
    assert not (tmp_path / "cluster").exists()


def test_what_can_not_be_written_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cluster").mkdir()
    at_the_end(tmp_path / "cluster", None, cluster(task()))
    (record,) = caplog.records
    assert record.getMessage().endswith("; a restart without a master would serve less")

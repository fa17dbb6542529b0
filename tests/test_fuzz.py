"""A short run of each target of scripts/fuzz; the long ones are by command."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "fuzz/run.py"
NATIVE = sorted(path.stem for path in RUN.parent.glob("target_*.c"))
TARGETS = sorted({path.stem for path in RUN.parent.glob("target_*.py")} - {*NATIVE})
SECONDS = 5
RUNS = {"target_native_packet": 200_000, "target_native_table": 1_000}


@pytest.mark.skipif(not importlib.util.find_spec("atheris"), reason="no atheris for this Python")
@pytest.mark.parametrize("target", TARGETS)
def test_no_bytes_break_a_target(target: str, tmp_path: Path) -> None:
    run(target, tmp_path, "--minutes", str(SECONDS / 60))


@pytest.mark.parametrize("target", NATIVE)
def test_no_bytes_break_a_target_in_c(target: str, tmp_path: Path) -> None:
    run(target, tmp_path, "--runs", str(RUNS[target]))


def run(target: str, folder: Path, *words: str) -> None:
    """Run a target to its good end."""
    name = target.removeprefix("target_").replace("_", "-")
    command = [sys.executable, str(RUN), name, "--folder", str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "stat::number_of_executed_units" in done.stderr

"""A short run of each target of scripts/fuzz; the long ones are by command."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "fuzz/run.py"
TARGETS = sorted(path.stem.removeprefix("target_") for path in RUN.parent.glob("target_*.py"))
SECONDS = 5


@pytest.mark.skipif(not importlib.util.find_spec("atheris"), reason="no atheris for this Python")
@pytest.mark.parametrize("target", TARGETS)
def test_no_bytes_break_a_target(target: str, tmp_path: Path) -> None:
    command = [sys.executable, str(RUN), target, "--minutes", str(SECONDS / 60)]
    done = subprocess.run(
        [*command, "--folder", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "stat::number_of_executed_units" in done.stderr

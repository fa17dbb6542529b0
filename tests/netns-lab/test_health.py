"""Health checks on a real kernel under load: what breaks is let go of, and nobody notices after."""

import re
import subprocess
from pathlib import Path

import pytest

LAB = Path(__file__).parents[2] / "netns-lab/lab"


@pytest.mark.timeout(600)
def test_no_request_fails_once_a_broken_server_is_removed_and_flapping_is_damped() -> None:
    scenes = ["kill", "stop", "black-hole", "full-disk", "flap"]
    done = subprocess.run([LAB, "checks", *scenes], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"Pointsman +[\d.]+ s +\d+ +(\d+) ", done.stdout)
    assert rows == ["0"] * 4, done.stdout
    changes = dict(re.findall(r"(\w+): (\d+) changes of the VIP", done.stdout))
    assert 1 <= int(changes["pointsman"]) <= 3, done.stdout
    assert "flapping, held for" in done.stdout

"""The promise: a service moves, and its callers never notice."""

import re
import subprocess
from pathlib import Path

import pytest

LAB = Path(__file__).parents[2] / "netns-lab/lab"


@pytest.mark.timeout(600)
def test_all_instances_are_replaced_under_load_and_no_request_fails() -> None:
    # Hundreds of requests a second, short and kept alive, and some 5 s long; the program that
    # balances them is killed meanwhile.
    done = subprocess.run([LAB, "roll"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"(\d+) requests, (\d+) failed", done.stdout)
    assert found, done.stdout
    sent, failed = map(int, found.groups())
    assert sent > 2000
    assert failed == 0

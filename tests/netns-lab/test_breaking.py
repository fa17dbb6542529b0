"""Every kind of fault for real, in one lab in one guest: broken, looked at, and healed."""

import ast
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pointlab.site import guest, mesos

HERE = Path(__file__).parent
GUEST = HERE / "breaking_guest.py"
CHECKS = [
    "pause_task", "kill_task", "stop_task", "programs", "black_hole", "netem", "partition", "deaf",
    "clock", "disk", "conntrack", "clear", "wipe", "crash", "leader", "paused_leader", "zookeeper",
    "everything", "left",
]  # fmt: skip
PATIENCE = 1500
"""Seconds; two to three minutes on a machine that does nothing else."""


@functools.cache
def results() -> dict[str, str]:
    """Run all of them, once; return what went wrong with each."""
    with tempfile.TemporaryDirectory(dir=mesos.ROOT / ".lab") as scratch:
        file = Path(scratch, "results")
        boot = [] if guest.kernel_has_ipvs() else [guest.RUN]
        env = {
            **os.environ,
            "UML_MEM": guest.MEMORY,
            "UML_TIMEOUT": str(PATIENCE),
            "PYTHONPATH": str(HERE.parents[1] / "netns-lab"),
        } | ({"LAB_GUEST": "1"} if boot else {})
        done = subprocess.run(
            [*boot, sys.executable, str(GUEST), str(file)],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        assert file.exists(), done.stdout
        found: dict[str, str] = json.loads(file.read_text())
        return found


@pytest.mark.timeout(PATIENCE)
def test_all_that_is_tried_in_the_guest_is_reported_here() -> None:
    body = ast.parse(GUEST.read_text()).body
    names = {node.name for node in body if isinstance(node, ast.FunctionDef)}

    assert {*CHECKS} <= names
    assert {*CHECKS} == {*results()}


@pytest.mark.timeout(PATIENCE)
@pytest.mark.parametrize("check", CHECKS)
def test_fault_is_seen_and_healed(check: str) -> None:
    assert results()[check] == ""

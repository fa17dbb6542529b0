"""Each test of this folder has a network namespace of its own, on a kernel that has ip_vs."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
_NEWNET = 0x40000000  # CLONE_NEWNET


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("kernel")


@pytest.fixture(autouse=True)
def own_namespace() -> Iterator[None]:
    """Give the test an empty network namespace, with its loopback up."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as home:
        assert libc.unshare(_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            assert libc.setns(home.fileno(), _NEWNET) == 0

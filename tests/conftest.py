import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_NEWNET = 0x40000000  # CLONE_NEWNET

# Of a shell's background job interrupts are ignored, which processes started here would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/golden anew, to be reviewed"
    )


@pytest.fixture
def network() -> Iterator[Callable[[str], None]]:
    """Give the test an empty network namespace, with its loopback up, and `ip` for it."""
    if os.getuid():
        pytest.skip("a network namespace needs root")
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as home:
        assert libc.unshare(_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            _ip("link set lo up")
            yield _ip
        finally:
            assert libc.setns(home.fileno(), _NEWNET) == 0


@pytest.fixture
def eth0(network: Callable[[str], None]) -> Callable[[str], None]:
    """Give the test such a namespace with a link eth0 that has no addresses yet."""
    network("link add eth0 type veth peer name peer")
    network("link set eth0 addrgenmode none up")
    network("link set peer addrgenmode none up")
    return network


def _ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)

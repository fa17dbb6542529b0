"""Runs the tests that are marked as ``kernel`` on a kernel that has ip_vs.

Where this machine's kernel has it, they run here. Where not, all of a folder that were selected run
in one user-mode-linux, by a pytest inside it; it writes down its reports, and the pytest outside
gives them out as its own (as pytest-xdist does for its workers).
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
REPORTS = "POINTSMAN_KERNEL_REPORTS"
PATIENCE = 1800
MEMORY = "3G"
"""Of the guest, which takes what it uses."""
_NEWNET = 0x40000000  # CLONE_NEWNET

# Of a shell's background job interrupts are ignored, which processes started here would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/golden anew, to be reviewed"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("kernel"):
            # The first of them waits for the guest, which runs them all.
            item.add_marker(pytest.mark.timeout(PATIENCE))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    if not item.get_closest_marker("kernel") or REPORTS in os.environ or _has_ipvs():
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    guest = _guest(item.session, item.path.parent)
    for report in guest.reports.get(item.nodeid) or [_missing(item, guest.said)]:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if REPORTS in os.environ:
        data = _config.hook.pytest_report_to_serializable(config=_config, report=report)
        with Path(os.environ[REPORTS]).open("a") as file:
            file.write(json.dumps(data) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    global _config
    _config = config


class Guest(NamedTuple):
    """What a guest told of the tests of a folder."""

    reports: dict[str, list[pytest.TestReport]]
    """By test."""
    said: str


_config: pytest.Config
_guests: dict[Path, Guest] = {}


def _guest(session: pytest.Session, folder: Path) -> Guest:
    """Run all selected tests of a folder that need the guest, once."""
    if folder in _guests:
        return _guests[folder]
    chosen = [
        item.nodeid
        for item in session.items
        if item.path.parent == folder and item.get_closest_marker("kernel")
    ]
    scratch = ROOT / f".lab/kernel-tests/{os.getpid()}"  # other runs may be under way
    scratch.mkdir(parents=True, exist_ok=True)
    reports, arguments = scratch / "reports", scratch / "arguments"
    reports.unlink(missing_ok=True)
    arguments.write_text("\n".join(chosen))
    command = [
        str(ROOT / "netns-lab/uml/run"), sys.executable, "-m", "pytest", "-q",
        "-p", "no:cacheprovider", f"--rootdir={session.config.rootpath}", f"@{arguments}",
    ]  # fmt: skip
    variables = {REPORTS: str(reports), "UML_TIMEOUT": str(PATIENCE), "UML_MEM": MEMORY}
    done = subprocess.run(
        command,
        cwd=session.config.rootpath,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    guest = _guests[folder] = Guest({}, done.stdout)
    for line in reports.read_text().splitlines() if reports.exists() else ():
        report = session.config.hook.pytest_report_from_serializable(
            config=session.config, data=json.loads(line)
        )
        guest.reports.setdefault(report.nodeid, []).append(report)
    shutil.rmtree(scratch)
    return guest


def _missing(item: pytest.Item, said: str) -> pytest.TestReport:
    """Return the failure of a test of which the guest told nothing."""
    why = f"the user-mode-linux told nothing of this test; what it printed:\n{said[-4000:]}"
    return pytest.TestReport(
        item.nodeid, item.location, dict.fromkeys(item.keywords, 1), "failed", why, "call"
    )


def _has_ipvs() -> bool:
    """Tell whether this kernel has ip_vs, and we the right to it."""
    return Path("/proc/net/ip_vs").exists() and os.getuid() == 0


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Have the whole program serve the real cluster in a file, without balancing; give its address.

    That is a loopback address of its own, with DNS at port 5353 and HTTP at port 8123.
    """
    pid, folder = os.getpid(), tmp_path_factory.mktemp("served")
    host = f"127.77.{pid >> 8 & 255}.{pid & 255 or 1}"
    (folder / "pointsman.toml").write_text(f"""
        state_dir = "{folder}/state"
        discovery = {{ file = "{ROOT}/tests/data/mesos/running-state.json" }}
        dns = {{ listen = ["{host}:5353"] }}
        vip = {{ enabled = false }}
        http = {{ listen = "{host}:8123" }}
    """)
    command = [sys.executable, "-m", "pointsman", "run", "--config", f"{folder}/pointsman.toml"]
    log = folder / "log"
    with log.open("wb") as file, subprocess.Popen(command, stderr=file) as process:
        try:
            while not log.read_text().endswith("pointsman: ready\n"):
                assert process.poll() is None, log.read_text()
                time.sleep(0.02)
            yield host
        finally:
            process.terminate()


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

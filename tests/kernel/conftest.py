"""Runs the tests of this folder on a kernel that has ip_vs.

Where this machine's kernel has it, they run here. Where not, all that were selected run in one
user-mode-linux, by a pytest inside it; it writes down its reports, and the pytest outside gives
them out as its own (as pytest-xdist does for its workers). Either way each test has a network
namespace of its own.
"""

import ctypes
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
REPORTS = "POINTSMAN_KERNEL_REPORTS"
PATIENCE = 1800
_NEWNET = 0x40000000  # CLONE_NEWNET


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("kernel")
            # The first of them waits for the guest, which runs them all.
            item.add_marker(pytest.mark.timeout(PATIENCE))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    if not item.path.is_relative_to(HERE) or REPORTS in os.environ or _has_ipvs():
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in _guest_reports(item.session).get(item.nodeid) or [_missing(item)]:
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


_config: pytest.Config
_reports: dict[str, list[pytest.TestReport]] | None = None
_said = ""


def _guest_reports(session: pytest.Session) -> dict[str, list[pytest.TestReport]]:
    """Run all selected tests of this folder in the guest, once; return their reports by test."""
    global _reports, _said
    if _reports is not None:
        return _reports
    _reports = {}
    chosen = [item.nodeid for item in session.items if item.path.is_relative_to(HERE)]
    scratch = ROOT / f".lab/kernel-tests/{os.getpid()}"  # other runs may be under way
    scratch.mkdir(parents=True, exist_ok=True)
    reports, arguments = scratch / "reports", scratch / "arguments"
    reports.unlink(missing_ok=True)
    arguments.write_text("\n".join(chosen))
    command = [
        str(ROOT / "netns-lab/uml/run"), sys.executable, "-m", "pytest", "-q",
        "-p", "no:cacheprovider", f"--rootdir={session.config.rootpath}", f"@{arguments}",
    ]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=session.config.rootpath,
        env={**os.environ, REPORTS: str(reports), "UML_TIMEOUT": str(PATIENCE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    _said = done.stdout
    for line in reports.read_text().splitlines() if reports.exists() else ():
        report = session.config.hook.pytest_report_from_serializable(
            config=session.config, data=json.loads(line)
        )
        _reports.setdefault(report.nodeid, []).append(report)
    shutil.rmtree(scratch)
    return _reports


def _missing(item: pytest.Item) -> pytest.TestReport:
    """Return the failure of a test of which the guest told nothing."""
    why = f"the user-mode-linux told nothing of this test; what it printed:\n{_said[-4000:]}"
    return pytest.TestReport(
        item.nodeid, item.location, dict.fromkeys(item.keywords, 1), "failed", why, "call"
    )


def _has_ipvs() -> bool:
    """Tell whether this kernel has ip_vs, and we the right to it."""
    return Path("/proc/net/ip_vs").exists() and os.getuid() == 0


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

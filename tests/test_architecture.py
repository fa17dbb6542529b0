"""Rules of the code that no linter knows."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("discovery", "dns", "healthcheck", "vip")
MOST_LINES = 400

# A folder may import itself, the standard library, and these.
MAY_IMPORT = {
    "discovery": set[str](),
    "dns": {"discovery", "healthcheck"},
    "healthcheck": {"discovery"},
    "vip": {"discovery", "healthcheck"},
}

# The modules that may do I/O; all others are pure functions over values.
DOES_IO = {
    "discovery/access.py",
    "discovery/account.py",
    "discovery/files.py",
    "discovery/master.py",
    "discovery/pieces.py",
    "discovery/questions.py",
    "discovery/saved.py",
    "discovery/statefile.py",
    "discovery/stream.py",
    "discovery/watch.py",
    "discovery/zookeeper.py",
    "dns/exchange.py",
    "dns/forwarder.py",
    "dns/interfaces.py",
    "dns/listening.py",
    "dns/race.py",
    "dns/notify.py",
    "dns/tcp.py",
    "dns/threads.py",
    "dns/udp.py",
    "healthcheck/checker.py",
    "healthcheck/connecting.py",
    "healthcheck/probe_dns.py",
    "healthcheck/probe_exec.py",
    "healthcheck/probe_tcp.py",
    "healthcheck/probe_udp.py",
    "healthcheck/stream.py",
    "healthcheck/tls.py",
    "vip/link.py",
    "vip/listing.py",
    "vip/netfilter.py",
    "vip/namespaces.py",
    "vip/netlink.py",
    "vip/owned.py",
    "vip/sysctl.py",
}
IO_PACKAGES = {
    "aiohttp", "asyncio", "kazoo", "logging", "os", "pathlib", "pyroute2", "select", "shutil",
    "socket", "ssl", "subprocess", "threading", "time",
}  # fmt: skip


def modules(*folders: str) -> list[str]:
    """Return the paths of modules, relative to the root."""
    return sorted(str(p.relative_to(ROOT)) for f in folders for p in (ROOT / f).glob("**/*.py"))


def imports(path: str) -> Iterator[str]:
    """Yield the full names that a module imports."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize(
    "path", modules(*FOLDERS, "src/pointsman", "netns-lab/pointlab", "netns-lab/mesos", "bench")
)
def test_a_module_can_be_read_at_one_sitting(path: str) -> None:
    assert len((ROOT / path).read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", [m for m in modules(*FOLDERS) if m not in DOES_IO])
def test_only_the_listed_modules_touch_the_world(path: str) -> None:
    assert not {name.partition(".")[0] for name in imports(path)} & IO_PACKAGES


@pytest.mark.parametrize("path", sorted(DOES_IO))
def test_the_list_names_none_that_does_not(path: str) -> None:
    assert {name.partition(".")[0] for name in imports(path)} & IO_PACKAGES


@pytest.mark.parametrize("path", modules(*FOLDERS))
def test_imports_between_the_folders_go_one_way(path: str) -> None:
    here = path.partition("/")[0]
    there = {name.split(".")[1] for name in imports(path) if name.startswith("pointsman.")}
    assert there <= MAY_IMPORT[here] | {here}


@pytest.mark.parametrize("path", modules(*FOLDERS, "src/pointsman"))
def test_a_module_has_its_tests(path: str) -> None:
    folder, _, name = path.rpartition("/")
    if name in ("__init__.py", "__main__.py", "testing.py", "doubles.py"):
        return
    places = (folder.removeprefix("src/"), "kernel", "mesos")
    assert any((ROOT / "tests" / place / f"test_{name}").exists() for place in places)

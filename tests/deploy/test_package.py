"""The wheel and the Debian package, from nothing: installed, used, upgraded, removed."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pointlab.servers.debian import Debian
from pointlab.site.process import Processes, wait_for
from pointsman import __version__

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts/package"
STATE = ROOT / "tests/data/mesos/running-state.json"
CONFIG = "etc/pointsman/pointsman.toml"
MINE = """\
# what the operator wrote
[discovery]
file = "/etc/pointsman/state.json"
[dns]
listen = ["127.0.0.1:53"]
[vip]
enabled = false
"""
AS_ITSELF = [
    *("setpriv", "--reuid", "pointsman", "--regid", "pointsman", "--init-groups", "--no-new-privs"),
    *(f"--{kind}-caps=-all,+net_bind_service" for kind in ("inh", "ambient")),
    "--bounding-set=-all,+net_bind_service",
]
NATIVE = "from pointsman.dns import _native"
NATIVE_CALLS = {
    *("recvmmsg", "sendmmsg", "sendmsg", "poll", "eventfd2", "write", "getrandom", "futex"),
    *("getpriority", "setpriority"),
    *("clone3", "rseq", "set_robust_list", "rt_sigprocmask", "sched_yield", "exit"),
    *("mmap", "mprotect", "madvise", "munmap"),
}
"""What the native responder asks of the kernel, its threads' beginning and end included."""


def test_the_wheel_installs_into_an_environment_of_its_own(packages: Path, tmp_path: Path) -> None:
    (wheel,) = packages.glob("*.whl")
    subprocess.run(["/usr/bin/python3", "-m", "venv", tmp_path / "venv"], check=True)
    here = tmp_path / "venv/bin"
    subprocess.run([here / "pip", "install", "--quiet", wheel], check=True, capture_output=True)
    command: list[str | Path] = [
        here / "pointsman",
        "resolve",
        "web.marathon.mesos",
        "A",
        "--state",
        STATE,
    ]
    assert "127.0.0.11" in subprocess.check_output(command, text=True)
    subprocess.run([here / "python", "-c", NATIVE], check=True)


def test_no_package_is_made_without_what_builds_the_extension(tmp_path: Path) -> None:
    env = {**os.environ, "DIST": str(tmp_path), "CC": "false"}
    done = subprocess.run([SCRIPT], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "apt-get install gcc libc6-dev python3-dev" in done.stderr
    assert not [*tmp_path.iterdir()]


@pytest.mark.long
def test_the_debian_package_is_the_same_when_it_is_made_again(package: Path) -> None:
    # Whoever has the source can see that nothing else is in it.
    again = package.parent / "again"
    env = {**os.environ, "DIST": str(again)}
    subprocess.run([SCRIPT], env=env, check=True, capture_output=True)
    assert (again / package.name).read_bytes() == package.read_bytes()


def test_it_installs_and_starts_nothing(debian: Debian) -> None:
    said = (debian.tree / "tmp/said").read_text()
    assert "Pointsman is not started yet" in said
    assert debian.run(["pointsman", "--version"]) == f"pointsman {__version__}\n"
    # This machine's kernel may have no ip_vs: then it says that too, and exits with 1.
    said = debian.run(["sh", "-c", "pointsman check --offline || true"])
    assert f"/{CONFIG}: good" in said
    assert "the configuration names can be read" in said
    assert not [*(debian.tree / "etc/systemd/system").glob("*.wants/pointsman*")]
    assert "uid=" in debian.run(["id", "pointsman"])
    assert debian.run(["dpkg", "--verify", "pointsman"]) == ""


def test_it_has_the_extension_and_asks_for_the_c_library_that_its_libraries_need(
    debian: Debian, package: Path
) -> None:
    debian.run(["/opt/pointsman/bin/python3", "-c", NATIVE])
    libraries = [*(debian.tree / "opt/pointsman").rglob("*.so*")]
    assert "_native.abi3.so" in {library.name for library in libraries}
    said = subprocess.check_output(["objdump", "--private-headers", *libraries], text=True)
    needed = max(int(minor) for minor in re.findall(r"GLIBC_2\.(\d+)", said))
    depends = subprocess.check_output(["dpkg-deb", "--field", package, "Depends"], text=True)
    assert f"libc6 (>= 2.{needed})" in depends


def test_the_unit_lets_the_native_responder_call_what_it_calls(debian: Debian) -> None:
    said = debian.run(["systemd-analyze", "syscall-filter", "--no-pager"])
    groups = {
        name: re.findall(r"^ {4}([@\w-]+)$", calls, re.MULTILINE)
        for name, calls in re.findall(r"^(@[\w-]+)\n((?: .*\n)*)", said, re.MULTILINE)
    }

    def expand(word: str) -> set[str]:
        return set().union(*map(expand, groups[word])) if word in groups else {word}

    unit = (debian.tree / "lib/systemd/system/pointsman.service").read_text()
    allowed: set[str] = set()
    for tilde, words in re.findall("^SystemCallFilter=(~?)(.*)$", unit, re.MULTILINE):
        named = set().union(*map(expand, words.split()))
        allowed = allowed - named if tilde else allowed | named
    assert "reboot" not in allowed
    assert allowed >= NATIVE_CALLS


def test_systemd_finds_no_fault_with_the_unit_and_little_exposed(debian: Debian) -> None:
    unit = "/lib/systemd/system/pointsman.service"
    assert debian.run(["systemd-analyze", "verify", unit]) == ""
    said = debian.run(["systemd-analyze", "security", "--offline=true", "--no-pager", unit])
    found = re.search(r"level for pointsman.service: ([0-9.]+)", said)
    assert found
    assert float(found[1]) < 2


def test_it_has_an_environment_of_its_own_that_knows_nothing_of_where_it_was_made(
    debian: Debian, package: Path
) -> None:
    home = debian.run(["/opt/pointsman/bin/python3", "-c", "import sys; print(sys.prefix)"])
    assert home == "/opt/pointsman\n"
    command: list[str | Path] = ["grep", "-rl", "pointsman-package", debian.tree / "opt/pointsman"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == ""


def test_it_serves_dns_as_a_user_of_its_own(debian: Debian, tmp_path: Path) -> None:
    shutil.copy(STATE, debian.tree / "etc/pointsman/state.json")
    (debian.tree / CONFIG).write_text(MINE)
    debian.run(["install", "-d", "-o", "pointsman", "/var/lib/pointsman"])
    space, processes = f"pointsman-{os.getpid()}-package", Processes(tmp_path)
    subprocess.run(["ip", "netns", "add", space], check=True)
    ask = ["ip", "netns", "exec", space, "dig", "+short", "+tries=1", "@127.0.0.1"]
    ask.append("web.marathon.mesos")
    try:
        subprocess.run(["ip", "-n", space, "link", "set", "lo", "up"], check=True)
        command = debian.command([*AS_ITSELF, "pointsman", "run"])
        processes.start("pointsman", command, netns=space)
        wait_for(
            lambda: "127.0.0.11" in subprocess.run(ask, capture_output=True, text=True).stdout,
            "an answer",
        )
    finally:
        processes.stop("pointsman")
        subprocess.run(["ip", "netns", "del", space], check=True)
    assert "stopped" in processes.log("pointsman").read_text()
    kept = debian.run(["stat", "-c", "%U", "/var/lib/pointsman/cluster"])
    assert kept == "pointsman\n"


def test_an_upgrade_keeps_the_configuration(debian: Debian, package: Path) -> None:
    assert (debian.tree / CONFIG).read_text() == MINE
    debian.run(["dpkg-deb", "-R", f"/tmp/{package.name}", "/tmp/next"])
    control = debian.tree / "tmp/next/DEBIAN/control"
    control.write_text(re.sub("(?m)^Version: .*", r"\g<0>.1", control.read_text()))
    shipped = debian.tree / "tmp/next" / CONFIG
    shipped.write_text(shipped.read_text() + "# and more\n")
    debian.run(["dpkg-deb", "-Zgzip", "-z1", "-b", "/tmp/next", "/tmp/next.deb"])
    said = debian.run(["dpkg", "--force-confold", "-i", "/tmp/next.deb"])
    assert "not started yet" not in said
    assert (debian.tree / CONFIG).read_text() == MINE
    version = debian.run(["dpkg-query", "-W", "-f", "${Version}", "pointsman"])
    assert version == f"{__version__}.1"


def test_removing_keeps_what_is_the_operators_and_purging_leaves_nothing(debian: Debian) -> None:
    (debian.tree / "etc/pointsman/state.json").unlink()
    debian.run(["dpkg", "--remove", "pointsman"])
    assert not (debian.tree / "opt/pointsman").exists()
    assert (debian.tree / CONFIG).read_text() == MINE
    assert (debian.tree / "var/lib/pointsman/cluster").exists()
    debian.run(["dpkg", "--purge", "pointsman"])
    words = "find / -xdev -name *pointsman* -not -path /tmp/* -not -path /proc/*"
    left = debian.run(words.split()).split()
    assert left == []
    assert "pointsman" not in (debian.tree / "etc/passwd").read_text()


@pytest.mark.skipif(not shutil.which("lintian"), reason="lintian is not installed")
def test_lintian_has_no_complaint(package: Path) -> None:
    done = subprocess.run(
        ["lintian", "--fail-on", "error,warning", "--allow-root", package],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout

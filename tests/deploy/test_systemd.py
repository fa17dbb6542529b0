"""The unit under a real systemd as process 1, with a real IPVS: what guest.sh did, and what it saw.

The Debian in which the package was installed is booted on the user-mode-linux.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pointlab.servers.debian import Debian

ROOT = Path(__file__).parents[2]
STATE = ROOT / "tests/data/mesos/running-state.json"
CONFIG = """\
[discovery]
file = "/etc/pointsman/state.json"
[dns]
listen = ["127.0.0.1:53", "198.51.100.1:53"]
"""
RESOLVERS = (ROOT / "docs/resolvers.md").read_text()
WEB = ["127.0.0.11", "127.0.0.12"]
VIPS = [
    "-A -t 11.225.36.193:80 -s wlc",
    "-a -t 11.225.36.193:80 -r 127.0.0.11:10000 -m -w 1",
    "-a -t 11.225.36.193:80 -r 127.0.0.12:10000 -m -w 1",
]
CHAINS = [f"-A POINTSMAN-{name}" for name in ("IN", "POST", "PRE")]

pytestmark = pytest.mark.long

Seen = dict[str, list[str]]


@pytest.fixture(scope="module")
def seen(debian: Debian) -> Seen:
    """Give what the steps of guest.sh printed, by the step's name."""
    debian.install(
        *("systemd-sysv", "udev", "systemd-resolved", "iproute2", "ipvsadm", "bind9-dnsutils")
    )
    shutil.copy(STATE, debian.tree / "etc/pointsman/state.json")
    (debian.tree / "etc/pointsman/pointsman.toml").write_text(CONFIG)
    for path, ini in re.findall(r"```ini\n# (/etc/systemd/network/\S+).*\n([^`]*)```", RESOLVERS):
        (debian.tree / path[1:]).write_text(ini)  # the later for systemd-resolved
    uml, script = ROOT / "netns-lab/uml", Path(__file__).with_name("guest.sh")
    done = subprocess.run(
        [uml / "run", uml / "boot.sh", debian.tree, script],
        env={**os.environ, "UML_EXEC": "1", "UML_TIMEOUT": "500"},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    found: Seen = {}
    lines: list[str] = []
    for line in done.stdout.splitlines():
        if line.startswith("== "):
            lines = found.setdefault(line.removeprefix("== "), [])
        else:
            lines.append(line.strip())
    assert "journal" in found, done.stdout + done.stderr
    print("\n".join(found["journal"]))
    return found


def test_systemd_is_process_1(seen: Seen) -> None:
    assert seen["process 1"] == ["systemd"]


def test_it_starts_when_it_serves(seen: Seen) -> None:
    assert seen["start"] == ["active"]
    assert seen["dns"] == WEB
    assert seen["kernel"] == VIPS


def test_native_threads_answer_within_the_sandbox(seen: Seen) -> None:
    assert seen["native"] == [*WEB, "2", *2 * ["(dns) -10"]]  # one for each address


def test_it_is_not_root(seen: Seen) -> None:
    rights = dict(line.split(":\t", 1) for line in seen["rights"])
    assert "0" not in rights["Uid"].split()
    # CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, and CAP_NET_RAW for iptables-legacy
    assert int(rights["CapEff"], 16) == 1 << 12 | 1 << 10 | 1 << 13
    assert rights["NoNewPrivs"] == "1"
    assert rights["Seccomp"] == "2"
    assert "pointsman 700 /var/lib/pointsman" in seen["state"]
    assert "pointsman 600 /var/lib/pointsman/virtual-servers.json" in seen["state"]


def test_it_may_write_the_settings_of_the_network_and_make_rules(seen: Seen) -> None:
    assert seen["settings"] == ["1", "1", "1"]
    assert seen["rules"] == CHAINS


def test_even_root_could_write_nothing_else_where_it_lives(seen: Seen) -> None:
    said = "\n".join(seen["sandbox"])
    for path in ("/etc/x", "/usr/x", "/var/x"):
        assert re.search(f"{path}.*Read-only file system", said)
    for path in ("/proc/sys/kernel/printk", "/sys/kernel/x", "/proc/sysrq-trigger"):
        assert re.search(f"cannot create {path}", said)
    assert re.search("/dev/mem.*No such file", said)
    assert re.search("/root.*(No such file|Permission denied)", said)
    assert seen["sandbox"][-1] == "1"


def test_a_reload_keeps_the_process(seen: Seen) -> None:
    assert seen["reload"] == ["the same process"]


def test_a_reload_that_is_refused_changes_nothing(seen: Seen) -> None:
    assert seen["refused"] == ["the same process", *WEB]


def test_networkd_makes_the_address_that_all_nodes_have(seen: Seen) -> None:
    assert seen["networkd"] == ["198.51.100.1/32"]


def test_resolved_asks_the_link_with_that_address_about_our_zones(seen: Seen) -> None:
    assert seen["resolved"] == WEB


def test_one_that_hangs_is_killed_tells_where_and_starts_again(seen: Seen) -> None:
    assert seen["hang"] == [
        "3",  # lines of the kernel's table, all the while
        "1",  # restart
        "Fatal Python error: Aborted",
        "Watchdog timeout",
        "in _run_once",
        *WEB,
    ]


def test_a_stop_leaves_the_kernel_forwarding(seen: Seen) -> None:
    assert seen["stop"] == ["inactive"]
    assert seen["kernel after the stop"] == VIPS
    assert seen["rules after the stop"] == CHAINS


def test_what_comes_while_none_runs_waits_in_the_socket_unit(seen: Seen) -> None:
    assert seen["socket"] == ["inactive", *WEB, "active"]


def test_with_the_drop_in_further_namespaces_have_vips(seen: Seen) -> None:
    assert seen["namespaces"][-6:] == VIPS * 2
    assert not any(line.startswith("Uid:\t0") for line in seen["namespaces"])


def test_with_the_drop_in_dns_alone_needs_no_right_but_to_its_port(seen: Seen) -> None:
    assert "CapEff:\t0000000000000400" in seen["dns only"]
    assert seen["dns only"][-2:] == WEB


def test_flushing_removes_all_that_the_service_made(seen: Seen) -> None:
    assert seen["flush"][0].startswith("removed 3 virtual servers; ")  # of the namespaces, too
    assert seen["flush"][2:] == ['Device "pointsman0" does not exist.', "0"]


def test_nothing_has_failed(seen: Seen) -> None:
    assert seen["failed"] == []

"""Breaks a lab in every way and looks, by other means, whether it is broken and healed.

usage: breaking_guest.py FILE; test_breaking.py runs it where the kernel has ip_vs. FILE gets what
went wrong, by kind.
"""

import contextlib
import functools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from pointlab.faults.breaking import Breaking
from pointlab.faults.faults import LEADERLESS
from pointlab.site import apps, netns, process, topology
from pointlab.site.lab import ON_NODE, Lab
from pointlab.site.process import with_variable
from pointlab.watch.recording import Fault

PORT = 9999
wait_for = functools.partial(process.wait_for, patience=150.0)
"""Long enough for a guest on a machine that has other work."""
SRV = "_web._tcp.marathon.mesos"
Endpoints = set[tuple[str, int]]


class Site:
    """A lab with an app of three instances."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.breaking = Breaking(lab)

    def do(self, words: str) -> Fault:
        """Break something and return the fault."""
        return self.breaking.do(words.split()).fault

    def heal(self, words: str) -> None:
        """Heal it, which ends the fault."""
        self.breaking.undo(words.split())
        assert words not in {fault.words for fault in self.lasting()}

    def lasting(self) -> list[Fault]:
        """Return what lasts, by what another process can read."""
        return [broken.fault for broken in Breaking(self.lab).journal.lasting()]

    def has_leader(self) -> bool:
        """Tell whether the journal says that a master leads."""
        return LEADERLESS not in {fault.words for fault in self.lasting()}

    def address(self, node: str) -> str:
        """Return the address that a node is known by."""
        return self.lab.node(node).address

    def heard(self, source: str, at: str, count: int = 1, patience: float = 0.7) -> int:
        """Return how many datagrams of so many arrive at a node."""
        with (
            self._socket(at, PORT) as to,
            self._socket(source) as out,
        ):
            to.settimeout(patience)
            for _ in range(count):
                out.sendto(b"x", (self.address(at), PORT))
            got = 0
            with contextlib.suppress(TimeoutError):
                while True:
                    to.recv(10)
                    got += 1
        return got

    def trip(self, one: str, other: str) -> float:
        """Return how many seconds a datagram takes there and back."""
        with self._socket(one) as near, self._socket(other, PORT) as far:
            near.settimeout(5)
            far.settimeout(5)
            began = time.monotonic()
            near.sendto(b"x", (self.address(other), PORT))
            far.sendto(*far.recvfrom(10))
            near.recv(10)
            return time.monotonic() - began

    def answers(self, node: str) -> bool:
        """Tell whether DNS answers there."""
        asked = f"dig +time=1 +tries=1 +short leader.mesos @{self.address(node)}"
        return self.lab.output(asked, "client").startswith("10.31.")

    def running(self) -> Endpoints:
        """Return where the app serves, by Mesos."""
        found = self.lab.cluster.running("web").values()
        return {(t["agent"], t["ports"][0]) for t in found if t.get("healthy")}

    def kernel(self, node: str) -> Endpoints:
        """Return where a node's kernel sends the app's requests."""
        listed = self.lab.output("ipvsadm -Ln", node)
        found = re.findall(r"-> (10\.31\.\S+):(\d+) +\S+ +[1-9]", listed)
        return {(address, int(port)) for address, port in found}

    def dns(self, node: str) -> Endpoints:
        """Return where the app is, by a node's DNS."""
        asked = f"dig +time=1 +tries=1 +noall +answer +additional {SRV} SRV @{self.address(node)}"
        listed = self.lab.output(asked, "client")
        found = re.findall(r"SRV\s+\d+ \d+ (\d+) (\S+)", listed)
        addresses = dict(re.findall(r"^(\S+)\s+\d+\s+IN\s+A\s+(\S+)", listed, re.MULTILINE))
        return {(addresses[name], int(port)) for port, name in found}

    def agree(self) -> bool:
        """Tell whether the app is whole, and every kernel and DNS says what Mesos says."""
        truth = self.running()
        nodes = [one.name for one in self.lab.topology.running("pointsman")]
        return len(truth) == 3 and all(
            self.kernel(node) == truth == self.dns(node) for node in nodes
        )

    def task(self, node: str) -> str:
        """Return an instance on a node."""
        found = self.lab.cluster.running("web")
        return min(t for t, v in found.items() if v["agent"] == self.address(node))

    def _socket(self, node: str, port: int = 0) -> socket.socket:
        with netns.inside(self.lab.netns(node)):
            opened = socket.socket(type=socket.SOCK_DGRAM)
        opened.bind((self.address(node), port))
        return opened


def state(pid: int) -> str:
    """Return the state of a process as the kernel has it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def pause_task(site: Site) -> None:
    """An instance, named by its app and node."""
    task = site.task("agent2")
    pids = with_variable("TASK", task)
    fault = site.do("pause web@agent2")
    assert fault.tasks == {task}
    assert {state(pid) for pid in pids} == {"T"}
    site.heal("pause web@agent2")
    assert "T" not in {state(pid) for pid in pids}


def kill_task(site: Site) -> None:
    """Its framework starts another."""
    task = site.task("agent1")
    pids = with_variable("TASK", task)
    site.do(f"kill {task}")
    assert pids
    assert not any(Path(f"/proc/{pid}/environ").exists() and state(pid) != "Z" for pid in pids)
    wait_for(lambda: task not in site.lab.cluster.running("web"), "its end")
    site.heal(f"kill {task}")
    wait_for(lambda: len(site.running()) == 3, "another one")


def stop_task(site: Site) -> None:
    """It may end as it likes."""
    task = site.task("agent3")
    site.do(f"stop {task}")
    wait_for(lambda: not with_variable("TASK", task), "its end")
    site.heal(f"stop {task}")
    wait_for(lambda: len(site.running()) == 3, "another one")


def programs(site: Site) -> None:
    """Pointsman killed, paused and restarted."""
    name = "pointsman-agent1"
    for kind in ("kill", "pause"):
        fault = site.do(f"{kind} {name}")
        assert fault.programs == {"agent1"}
        assert not site.answers("agent1")
        if kind == "pause":
            assert state(site.lab.processes.pid(name)) == "T"
        site.heal(f"{kind} {name}")
        wait_for(lambda: site.answers("agent1"), f"DNS after {kind}")
    before = site.lab.processes.pid(name)
    site.do(f"restart {name}")
    assert site.lab.processes.pid(name) != before
    wait_for(lambda: site.answers("agent1"), "DNS after restart")


def leader(site: Site) -> None:
    """Another master leads after a while, and nobody is left behind."""
    old = site.lab.cluster.leader().name
    site.do("kill leader")
    assert not site.lab.processes.alive(old)
    assert not site.has_leader()
    wait_for(site.has_leader, "another one that leads")
    assert site.lab.cluster.leader().name != old
    site.heal("kill leader")
    assert site.lab.processes.alive(old)


def paused_leader(site: Site) -> None:
    """It ends when it goes on and sees that it leads no more; it is started again."""
    old = site.lab.cluster.leader().name
    site.do("pause leader")
    assert state(site.lab.processes.pid(old)) == "T"
    wait_for(site.has_leader, "another one that leads")
    site.heal("pause leader")
    assert len([1 for _, leads in site.lab.cluster.elected() if leads]) == 1
    assert len([*site.lab.cluster.elected()]) == 3


def zookeeper(site: Site) -> None:
    """Nothing vanishes from DNS while nobody leads."""
    fault = site.do("kill zookeeper")
    assert fault.blind

    def leaderless() -> bool:
        return not any(leads for _, leads in site.lab.cluster.elected())

    wait_for(leaderless, "the end of the leader")
    assert len(site.dns("agent1")) == 3
    site.heal("kill zookeeper")
    assert site.lab.cluster.leader()


def crash(site: Site) -> None:
    """A whole machine."""
    lab = site.lab
    site.do("crash agent3")
    assert not Path("/run/netns", lab.netns("agent3")).exists()
    assert not with_variable(ON_NODE, f"{lab.name}/agent3")
    site.heal("crash agent3")
    assert lab.processes.alive("agent3")
    wait_for(lambda: site.answers("agent3"), "its DNS")
    wait_for(lambda: lab.cluster.metrics()["master/slaves_active"] == 3, "its agent")
    wait_for(lambda: len(site.running()) == 3, "all instances")


def black_hole(site: Site) -> None:
    """Its cable is out."""
    site.do("black-hole agent2")
    listed = subprocess.run(
        ["ip", "-netns", site.lab.netns("switch"), "link", "show", "agent2.lan"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "state DOWN" in listed.stdout
    assert not site.heard("client", "agent2")
    site.heal("black-hole agent2")
    wait_for(lambda: site.heard("client", "agent2"), "a datagram")


def netem(site: Site) -> None:
    """Late, lost and doubled, one beside the other."""
    assert site.trip("client", "agent1") < 0.25
    site.do("delay agent1 200")
    assert site.trip("client", "agent1") >= 0.39
    site.do("duplicate agent1 100")
    assert site.heard("client", "agent1") > 1
    assert site.trip("client", "agent1") >= 0.39
    site.heal("duplicate agent1 100")
    assert site.heard("client", "agent1") == 1
    site.do("loss agent1 50")
    site.heal("delay agent1 200")
    # Half of them is lost at its port; of 200 that is 100, but for seven standard deviations.
    assert 50 < site.heard("client", "agent1", 200) < 150
    assert 0 < site.heard("agent1", "client", 200) < 150
    site.heal("loss agent1 50")
    assert site.heard("client", "agent1", 200) == 200


def partition(site: Site) -> None:
    """Neither side hears the other; a third hears both."""
    fault = site.do("partition agent1 agent2,agent3")
    assert fault.nodes == {"agent1"}
    for other in ("agent2", "agent3"):
        assert not site.heard(other, "agent1")
        assert not site.heard("agent1", other)
    assert site.heard("client", "agent1")
    assert site.heard("agent3", "agent2")
    site.heal("partition agent1 agent2,agent3")
    assert site.heard("agent2", "agent1")
    assert site.heard("agent1", "agent3")


def deaf(site: Site) -> None:
    """One way only; two of them that overlap end one by one."""
    site.do("deaf agent1 agent2")
    site.do("deaf agent1 agent2,agent3")
    site.heal("deaf agent1 agent2")
    assert not site.heard("agent2", "agent1")
    assert not site.heard("agent3", "agent1")
    assert site.heard("agent1", "agent2")
    site.heal("deaf agent1 agent2,agent3")
    assert site.heard("agent2", "agent1")


def clock(site: Site) -> None:
    """A step of an hour."""

    def ahead() -> float:
        return time.time() - time.monotonic()

    if not os.environ.get("LAB_GUEST"):
        with contextlib.suppress(ValueError):
            site.do("clock 3600")
            raise AssertionError("the machine's clock was changed")
        return
    before = ahead()
    site.do("clock 3600")
    assert 3599 < ahead() - before < 3601


def disk(site: Site) -> None:
    """Nothing can be written there."""
    folder = site.lab.folder / "pointsman-agent1/state"
    site.do("disk-full agent1")
    assert shutil.disk_usage(folder).free == 0
    with contextlib.suppress(OSError):
        (folder / "more").write_bytes(b"x" * 5000)
        raise AssertionError("there was room")
    assert site.answers("agent1")
    site.heal("disk-full agent1")
    assert shutil.disk_usage(folder).free > 1 << 20
    (folder / "more").unlink(missing_ok=True)


def conntrack(site: Site) -> None:
    """A stranger's connection finds no place."""
    limit = Path("/proc/sys/net/netfilter/nf_conntrack_max")
    before = limit.read_text()
    assert site.answers("agent1")
    site.do("conntrack-full agent1")
    assert any(not site.heard("client", "agent1") for _ in range(20))
    site.heal("conntrack-full agent1")
    assert limit.read_text() == before
    assert int(site.lab.output("conntrack -C", "agent1")) < 1000
    wait_for(lambda: site.answers("agent1"), "its DNS")


def clear(site: Site) -> None:
    """The table stays empty while Pointsman is paused, and is mended after."""
    assert site.kernel("edge")
    site.do("pause pointsman-edge")
    fault = site.do("clear edge")
    assert fault.until
    assert not site.kernel("edge")
    site.heal("pause pointsman-edge")
    wait_for(lambda: site.kernel("edge") == site.running(), "the table")


def wipe(site: Site) -> None:
    """The routes too."""
    shown = "ip route show table local dev pointsman0"
    assert site.lab.output(shown, "edge")
    site.do("pause pointsman-edge")
    site.do("wipe edge")
    assert not site.lab.output(shown, "edge")
    site.heal("pause pointsman-edge")
    wait_for(lambda: site.lab.output(shown, "edge"), "the routes")


def everything(site: Site) -> None:
    """Several at once are healed together, and the lab agrees again."""
    for words in ("pause pointsman-agent1", "delay agent2 20 5", "deaf agent3 client",
                  "black-hole edge", "kill master1", "pause web@agent1"):  # fmt: skip
        site.do(words)
    site.heal("")
    wait_for(site.agree, "agreement")


CHECKS: dict[str, Callable[[Site], None]] = {
    one.__name__: one
    for one in (
        pause_task, kill_task, stop_task, programs, black_hole, netem, partition, deaf, clock, disk,
        conntrack, clear, wipe, crash, leader, paused_leader, zookeeper, everything,
    )
}  # fmt: skip
"""In an order in which one does not wait for what another broke."""


def main(file: Path) -> None:
    """Do all, and end with something broken, of which nothing may be left either."""
    results: dict[str, str] = {}
    lab = Lab("faults", topology.load("flat"))
    try:
        lab.start()
        lab.wait()
        site = Site(lab)
        lab.cluster.keep("web", 3, **apps.web(lab.topology, "web"))
        wait_for(site.agree, "the app")
        for name, check in CHECKS.items():
            began = time.monotonic()
            try:
                check(site)
                wait_for(lambda: not site.lasting(), "the end of what came of it")
                results[name] = ""
            except Exception:  # noqa: BLE001 - the others are tried all the same
                results[name] = traceback.format_exc()
                site.breaking.undo()
            print(f"{name}: {time.monotonic() - began:.1f} s {results[name]}", flush=True)
        for words in ("pause master1", "pause web@agent2", "disk-full agent1", "crash agent3"):
            site.do(words)
    finally:
        lab.stop()
    file.write_text(json.dumps(results | {"left": left(lab)}))


def left(lab: Lab) -> str:
    """Return what is left of a lab that was stopped."""
    mounts = [line for line in Path("/proc/mounts").read_text().split() if str(lab.folder) in line]
    spaces = [path.name for path in Path("/run/netns").glob("lab-faults*")]
    return " ".join([*map(str, with_variable("LAB_NAME", lab.name)), *mounts, *spaces])


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""A real server that gets connections and answers nothing is probed at once."""

import socket
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path

from pointlab.servers.daemon import Daemon, ipvsadm, state, task
from pointlab.site import netns
from pointlab.site.process import wait_for
from pointsman.doubles import MasterDouble

VIP, REAL = "11.1.2.3", "10.1.0.21"
NODE = "10.1.0.11"


def ip(*lines: str, name: str = "") -> None:
    where = ["-netns", name] if name else []
    subprocess.run(["ip", *where, "-batch", "-"], input="\n".join(lines), text=True, check=True)


def test_who_gets_connections_and_answers_nothing_is_probed_before_its_time(tmp_path: Path) -> None:
    with ExitStack() as opened:
        ip("netns add r1", "link add v1 type veth peer name eth0 netns r1", "link set v1 up",
           f"address add {NODE}/24 dev v1")  # fmt: skip
        opened.callback(ip, "netns delete r1")
        ip("link set lo up", f"address add {REAL}/24 dev eth0", "link set eth0 up", name="r1")
        with netns.inside("r1"):
            opened.enter_context(socket.create_server((REAL, 80), backlog=100))
        labels = {
            "VIP_0": f"{VIP}:80",
            # By itself it would be probed again in an hour.
            "VIP_0_HEALTHCHECK": "tcp interval=3600 edge=0.2 timeout=0.5 fall=2",
            "VIP_0_NO_LIVE": "refuse",
        }
        master = opened.enter_context(MasterDouble(state(task("web.1", REAL, 80, labels=labels))))
        daemon = Daemon(tmp_path, master.address, node=NODE, health="passive = 2.5")
        daemon.start()
        opened.callback(daemon.kill)
        wait_for(lambda: any(REAL in line for line in ipvsadm()), "the virtual server")
        assert daemon.health() == {"web.1": "up"}
        ip("link set eth0 down", name="r1")

        def gone() -> bool:
            with suppress(OSError):
                socket.create_connection((VIP, 80), 0.1).close()
            return daemon.health() == {"web.1": "lost"}

        wait_for(gone, "the end of the one that answers nothing")
        assert "gets connections and answers nothing" in daemon.log.read_text()

"""A router's BIRD learns VIPs from a node, by its ExaBGP or BIRD, as docs/announce.md sets them up.

The test is the node, in a network namespace of its own; the router is in another one.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pointlab.site import netns
from pointlab.site.process import Processes, wait_for

ROOT = Path(__file__).parents[2]
BGP = ROOT / ".lab/bgp/usr"
POINTSMAN = "/opt/pointsman/bin/pointsman announce"
ROUTER = """\
router id 10.0.0.254;
log stderr all;
protocol device {
}
protocol kernel {
  ipv4 { export all; };
}
protocol bgp node {
  local 10.0.0.254 as 65001;
  neighbor 10.0.0.1 as 65000;
  ipv4 { import all; export none; };
  ipv6 { import all; export none; };
}
"""


def documented(name: str) -> str:
    """Return the configuration that docs/announce.md shows after a file's name."""
    text = (ROOT / "docs/announce.md").read_text()
    found = re.search(rf"`{re.escape(name)}`.*?^```text\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


class Pointsman:
    """What a Pointsman says over HTTP of the VIPs it serves."""

    def __init__(self) -> None:
        self.weights: dict[str, int] = {}
        """Of the one real server of each VIP."""
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                if self.path == "/v1/vips":
                    self.wfile.write(json.dumps(double.vips()).encode())

            def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - its name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def vips(self) -> list[dict[str, Any]]:
        return [
            {"vip": ip, "ip": ip, "protocol": "tcp", "backend": [{"weight": weight}]}
            for ip, weight in self.weights.items()
        ]


class Lab:
    """A node that serves VIPs, and a router that it peers with."""

    def __init__(self, folder: Path, pointsman: Pointsman) -> None:
        self.folder = folder
        self.pointsman = pointsman
        self.processes = Processes(folder)
        self.router = f"router-{os.getpid()}"
        config = folder / "pointsman.toml"
        port = pointsman.server.server_address[1]
        config.write_text(
            f'[discovery]\nmasters = ["10.0.0.9:5050"]\n[http]\nlisten = "127.0.0.1:{port}"\n'
        )
        self.announce = f"{sys.executable} -m pointsman announce --config {config} --interval 0.1"

    def bird(self, name: str, config: str, namespace: str = "") -> None:
        path = self.folder / f"{name}.conf"
        path.write_text(config)
        bird = str(BGP / "sbin/bird")
        subprocess.run([bird, "-p", "-c", path], check=True)
        socket = str(self.folder / f"{name}.ctl")
        self.processes.start(name, [bird, "-f", "-c", str(path), "-s", socket], netns=namespace)
        asked = [str(BGP / "sbin/birdc"), "-s", socket, "show status"]
        wait_for(
            lambda: subprocess.run(asked, capture_output=True, check=False).returncode == 0,
            f"{name} to answer",
        )

    def exabgp(self) -> None:
        path = self.folder / "exabgp.conf"
        path.write_text(documented("/etc/exabgp/exabgp.conf").replace(POINTSMAN, self.announce))
        env = {
            "PYTHONPATH": str(BGP / "lib/python3/dist-packages"),
            "exabgp_daemon_user": "root",
            "exabgp_api_cli": "false",
        }
        self.processes.start("exabgp", ["/usr/bin/python3", "-m", "exabgp", str(path)], env)

    def routes(self) -> dict[str, str]:
        """Return what the router has: prefixes and next hops."""
        shown = subprocess.run(
            [BGP / "sbin/birdc", "-s", self.folder / "router.ctl", "show route"],
            capture_output=True,
            text=True,
            check=True,
        )
        return dict(re.findall(r"^(\S+/\d+) .*\n\s+via (\S+)", shown.stdout, re.MULTILINE))

    def has(self, *prefixes: str) -> None:
        """Wait until the router has these routes alone."""
        wait_for(lambda: set(self.routes()) == set(prefixes), f"{prefixes} at the router")


@pytest.fixture
def lab(network: Callable[[str], None], tmp_path: Path) -> Iterator[Lab]:
    if not BGP.exists():
        pytest.skip("the BGP routers are not there: scripts/install")
    pointsman = Pointsman()
    serving = threading.Thread(target=pointsman.server.serve_forever, args=(0.01,))
    serving.start()
    made = Lab(tmp_path, pointsman)
    try:
        network(f"netns add {made.router}")
        network(f"link add eth0 type veth peer name eth0 netns {made.router}")
        for at, last in (("", 1), (f"-n {made.router} ", 254)):
            network(f"{at}addr add 10.0.0.{last}/24 dev eth0")
            network(f"{at}addr add fd00::{last}/64 dev eth0 nodad")
            network(f"{at}link set eth0 up")
        made.bird("router", ROUTER, made.router)
        yield made
    finally:
        for name in reversed(made.processes.names()):
            made.processes.stop(name)
        subprocess.run(["ip", "netns", "del", made.router], check=False)
        pointsman.server.shutdown()
        pointsman.server.server_close()
        serving.join()


def test_exabgp_tells_a_router_of_vips_as_they_come_and_go(
    lab: Lab, network: Callable[[str], None]
) -> None:
    weights = lab.pointsman.weights
    weights |= {"11.1.2.3": 1, "11.1.2.4": 0, "fd01:c::9": 1}
    lab.exabgp()
    lab.has("11.1.2.3/32", "fd01:c::9/128")
    assert lab.routes() == {"11.1.2.3/32": "10.0.0.1", "fd01:c::9/128": "fd00::1"}

    # What the router's kernel sends to the VIP arrives here.
    network("route add local 11.0.0.0/8 dev lo")
    with ThreadingHTTPServer(("11.1.2.3", 0), BaseHTTPRequestHandler) as here:

        def reached() -> bool:
            netns.connect(lab.router, "11.1.2.3", here.server_port, 2).close()
            return True

        wait_for(reached, "a connection to the VIP")

    weights["11.1.2.3"] = 0
    lab.has("fd01:c::9/128")
    weights["11.1.2.3"] = weights["11.1.2.4"] = 1
    lab.has("11.1.2.3/32", "11.1.2.4/32", "fd01:c::9/128")


def test_a_route_that_a_killed_announcer_left_is_withdrawn_by_the_next(lab: Lab) -> None:
    weights = lab.pointsman.weights
    weights |= {"11.1.2.3": 1, "11.1.2.4": 1}
    lab.exabgp()
    lab.has("11.1.2.3/32", "11.1.2.4/32")
    pid = lab.processes.pid("exabgp")
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    lab.processes.send("exabgp", signal.SIGSTOP)
    os.kill(int(child), signal.SIGKILL)
    del weights["11.1.2.3"]
    lab.processes.send("exabgp", signal.SIGCONT)
    lab.has("11.1.2.4/32")
    lab.processes.stop("exabgp")
    lab.has()


def test_bird_tells_a_router_of_vips_as_they_come_and_go(lab: Lab) -> None:
    weights = lab.pointsman.weights
    file, socket = lab.folder / "run/vips.conf", lab.folder / "node.ctl"
    weights["11.1.2.3"] = 1
    # BIRD may start before: at a boot the folder is there, and empty.
    file.parent.mkdir()
    config = documented("/etc/bird/bird.conf")
    assert "/run/pointsman-bird" in config
    lab.bird("node", config.replace("/run/pointsman-bird", str(file.parent)))
    words = [
        *lab.announce.split(), "--format", "bird", "--output", str(file),
        "--reload", f"{BGP / 'sbin/birdc'} -s {socket} configure",
    ]  # fmt: skip
    lab.processes.start("announce", words)
    lab.has("11.1.2.3/32")
    weights |= {"11.1.2.4": 1, "fd01:c::9": 1}
    lab.has("11.1.2.3/32", "11.1.2.4/32", "fd01:c::9/128")
    assert lab.routes()["11.1.2.4/32"] == "10.0.0.1"
    assert lab.routes()["fd01:c::9/128"] == "fd00::1"
    weights["11.1.2.3"] = 0
    lab.has("11.1.2.4/32", "fd01:c::9/128")
    lab.processes.stop("announce")
    lab.has()

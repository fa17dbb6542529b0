"""Keeps keepalived's or BIND's file as Mesos has it, as a site without Pointsman would do it.

usage: refresher.py keepalived|zones FOLDER PID-FILE HOST:PORT[,…]

Asks the masters for ``/state`` every 2 s (one that does not lead sends on to the leader), writes
the files of FOLDER when they would be other than they are, and has the server read them (SIGHUP).
While no master answers all stands. Only tasks that run, and are healthy if they have a check, are
told.
"""

import ipaddress
import json
import os
import signal
import sys
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

INTERVAL = 2.0
"""Seconds from one question to the next."""
TIMEOUT = 2.0
TTL = 5
"""Seconds; equal to that of Pointsman in the lab."""
CHECK, PATIENCE, FALL = 1.0, 0.8, 3
"""Equal to those of Pointsman in the topology: seconds between checks and for one, and how many
failures take a server out."""
VIPS = "10.99.0.0/24"
"""An administrator of keepalived gives addresses from here; here the app's name does."""
MESOS, VIP_NAMES = "mesos", "l4lb.thisdcos.directory"
"""The zones."""


class Instance(NamedTuple):
    """A task that serves."""

    app: str
    framework: str
    id: str
    address: str
    port: int
    vip_port: int

    @property
    def label(self) -> str:
        """Its own name."""
        return f"{self.app}-{zlib.crc32(self.id.encode()):08x}"


def vip(app: str) -> str:
    """Return the address of an app's VIP."""
    network = ipaddress.ip_network(VIPS)
    return str(network[1 + zlib.crc32(app.encode()) % (network.num_addresses - 2)])


def instances(state: Mapping[str, Any]) -> list[Instance]:
    """Return the tasks of a master's ``/state`` that serve behind a VIP."""
    agents = {agent["id"]: agent["hostname"] for agent in state["slaves"]}
    found = []
    for framework in state["frameworks"]:
        for task in framework["tasks"]:
            if task["state"] != "TASK_RUNNING" or task["slave_id"] not in agents:
                continue
            last: dict[str, Any] = max(
                task["statuses"], key=lambda status: status["timestamp"], default={}
            )
            if not last.get("healthy", "health_check" not in task):
                continue
            for number, vip_port in _ports(task):
                where = agents[task["slave_id"]], number, vip_port
                found.append(Instance(task["name"], framework["name"], task["id"], *where))
    return sorted(found)


def _ports(task: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Yield each port with that of its VIP, where its label asks for one by name."""
    for port in task.get("discovery", {}).get("ports", {}).get("ports", []):
        for label in port.get("labels", {}).get("labels", []):
            if label["key"] == "VIP_0" and label["value"].startswith("/"):
                yield port["number"], int(label["value"].rpartition(":")[2])


def keepalived(found: Iterable[Instance]) -> dict[str, str]:
    """Return keepalived's configuration, by the name of its file."""
    text = "global_defs {\n  script_user root\n}\n"
    servers: dict[tuple[str, int], list[Instance]] = {}
    for one in found:
        servers.setdefault((vip(one.app), one.vip_port), []).append(one)
    for (address, port), listed in sorted(servers.items()):
        text += f"""
virtual_server {address} {port} {{
  lvs_sched wlc
  lvs_method NAT
  protocol TCP
  delay_loop {CHECK}
"""
        for one in listed:
            text += f"""
  real_server {one.address} {one.port} {{
    weight 1
    HTTP_GET {{
      url {{
        path /
        status_code 200
      }}
      connect_timeout {PATIENCE}
      retry {FALL - 1}
      delay_before_retry {CHECK}
    }}
  }}
"""
        text += "}\n"
    return {"keepalived.conf": text}


def zones(found: Iterable[Instance]) -> dict[str, str]:
    """Return BIND's zones but for their heads, by the names of their files."""
    mesos, vips = set(), set()
    for one in found:
        domain = f"{one.framework}.{MESOS}."
        mesos |= {
            f"{one.app}.{domain} A {one.address}",
            f"{one.label}.{domain} A {one.address}",
            f"_{one.app}._tcp.{domain} SRV 0 1 {one.port} {one.label}.{domain}",
        }
        vips.add(f"{one.app}.{one.framework}.{VIP_NAMES}. A {vip(one.app)}")
    named = ((MESOS, mesos), (VIP_NAMES, vips))
    return {f"{zone}.zone": "".join(f"{line}\n" for line in sorted(of)) for zone, of in named}


def head(zone: str, serial: int) -> str:
    """Return the beginning of a zone."""
    soa = f"@ SOA ns.{zone}. root.{zone}. {serial} 600 60 86400 1"
    return f"$TTL {TTL}\n{soa}\n@ NS ns.{zone}.\nns.{zone}. A 127.0.0.1\n"


KINDS: dict[str, Callable[[Iterable[Instance]], dict[str, str]]] = {
    "keepalived": keepalived,
    "zones": zones,
}


def write(folder: Path, name: str, text: str) -> None:
    """Put a file in the place of the last."""
    if name.endswith(".zone"):
        text = head(name.removesuffix(".zone"), int(time.time())) + text
    new = folder / f"{name}.new"
    new.write_text(text)
    new.replace(folder / name)


def ask(masters: Iterable[str]) -> Mapping[str, Any] | None:
    """Return the state by the leading master; None while none answers."""
    for master in masters:
        try:
            with urllib.request.urlopen(f"http://{master}/state", timeout=TIMEOUT) as reply:
                state: dict[str, Any] = json.load(reply)
        except (OSError, ValueError, HTTPException) as error:
            print(f"{master}: {error}", flush=True)
            continue
        if state.get("leader") == state.get("pid"):
            return state
    return None


def run(kind: str, folder: Path, pid_file: Path, masters: list[str]) -> None:
    """Refresh for ever."""
    before: dict[str, str] = {}
    due = time.monotonic()
    while True:
        state = ask(masters)
        after = KINDS[kind](instances(state)) if state else before
        changed = [name for name in after if after[name] != before.get(name)]
        for name in changed:
            write(folder, name, after[name])
        if changed:
            try:
                os.kill(int(pid_file.read_text()), signal.SIGHUP)
                before = after
                print(f"written: {', '.join(changed)}", flush=True)
            except (OSError, ValueError) as error:
                print(f"{pid_file}: {error}", flush=True)  # again with the next question
        now = time.monotonic()
        due = max(due + INTERVAL, now)
        time.sleep(due - now)


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4].split(","))

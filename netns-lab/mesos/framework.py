"""A small framework on Mesos's v1 scheduler API; as ``marathon`` it keeps apps at their number.

usage: framework.py --masters HOST:PORT[,…] [--name marathon] [--control ADDRESS:PORT]
                    [--id-file FILE] [--health FOLDER]

Control, in JSON over HTTP on --control:
  GET    /framework         its id, its master, the agents it had offers of
  GET    /tasks             what it was told of each task: {id: {state, healthy, agent, ports,
                            "since": the CLOCK_MONOTONIC second of its state, ...}}
  GET    /history           all that it was told: {"history": [{"at", task, state, ...}, ...]}
  POST   /tasks             launch one task or a list of them:
     {"id": "web.1", "name": "web", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32,
      "ports": 2 or [31001],      how many host ports, or which
      "labels": {...}, "agent": "10.0.0.11" (its hostname), "health": {HealthCheck},
      "discovery": {DiscoveryInfo},  here, in "health" and in "raw" "$0" is the first host port
      "executor": "NAME",         shares one executor of an agent; without "cmd" it runs no process
      "raw": {...}}               put over the TaskInfo; null takes a field away
  DELETE /tasks/ID          end it
  DELETE /tasks             end those of a list of ids
  PUT    /tasks/ID/health   true or false: what its executor reports from now on; null: what
                            its check says
  PUT    /acknowledge       true or false: whether status updates are acknowledged; those held
                            back are when it is true again
  GET    /apps              {id: {"instances": 3, "tasks": [...], "discovery": {...}}}
  PUT    /apps/ID           a task as above without "id", and "instances": run that many of it, on
                            the agents with the fewest; one that ends is replaced elsewhere;
                            for an app that is there, only what changes: {"instances": 5};
                            "end": "web.1" is the first to go of those too many
  POST   /quit, /teardown   end, leaving the tasks or ending them too
"""

import argparse
import contextlib
import http.client
import http.server
import json
import threading
import time
import urllib.parse
from collections import Counter
from pathlib import Path
from typing import Any

from control import Json, control
from offers import TERMINAL, UP, free_ports, moment, scalar, suits_best, take_ports, task_info

from recordio import records

HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
AWAY = (OSError, http.client.HTTPException)
"""What a master that does not answer raises."""
BATCH = 100
"""How many tasks an agent may have of which it has not told yet: with a thousand it is busy for
longer than it may leave its master's pings unanswered."""
CHOOSY = 3.0
"""Seconds that a task of an app waits for an offer of the agent that suits it best."""


def say(*words: object) -> None:
    """Write a line to the log."""
    print(time.strftime("%H:%M:%S"), *words, flush=True)


class Framework:
    """The scheduler's side: offers and updates in, launches and kills out."""

    def __init__(self, name: str, masters: list[str], control: str, id_file: Path | None) -> None:
        self.lock = threading.RLock()
        self.agents: dict[str, str] = {}
        """Agent ids by hostname."""
        self.tasks: dict[str, Json] = {}
        self.history: list[Json] = []
        self.apps: dict[str, Json] = {}
        self.id = ""
        self.master = ""
        self._name = name
        self._masters = masters
        self._control = control
        self._id_file = id_file
        self._stream = ""
        self._connection = http.client.HTTPConnection("", timeout=3)
        self._calling = threading.Lock()
        self._pending: list[Json] = []
        self._held: dict[str, Json] | None = None
        """Acknowledgements held back, by the update's id; None while none are."""
        self._doomed: set[str] = set()
        """Tasks to kill as soon as they are said to be up, or their agent to be there."""
        self._ending: set[str] = set()
        """Tasks that were asked to end, which are the first of those too many."""
        self._launched: Counter[str] = Counter()
        if id_file and id_file.exists():
            self.id = id_file.read_text().strip()

    def run(self) -> None:
        """Follow the leading master for ever."""
        turn = 0
        while True:
            master = self._masters[turn % len(self._masters)]
            try:
                self._subscribe(master)
            except AWAY as error:
                say("master", master, type(error).__name__, error)
            turn += 1
            time.sleep(1)

    def launch(self, specs: list[Json]) -> None:
        """Ask for tasks; each starts with a fitting offer."""
        with self.lock:
            for spec in specs:
                self.tasks[spec["id"]] = {
                    "state": "PENDING",
                    "name": spec.get("name", spec["id"]),
                    "app": spec.get("app", ""),
                    "executor": spec.get("executor", ""),
                }
                self._doomed.discard(spec["id"])
                self._pending.append(spec | {"asked": time.monotonic()})
        if specs:
            with contextlib.suppress(*AWAY):  # one that comes back makes offers of its own accord
                self.call("REVIVE")

    def kill(self, task_ids: list[str]) -> None:
        """End tasks; those that wait for an offer wait no more."""
        with self.lock:
            # Of one that has ended a master says that it is unknown.
            task_ids = [t for t in task_ids if self.tasks.get(t, {}).get("state") not in TERMINAL]
            self._ending |= {*task_ids}
            waiting = {spec["id"] for spec in self._pending}.intersection(task_ids)
            self._pending = [spec for spec in self._pending if spec["id"] not in waiting]
            for task_id in waiting:
                self.tasks[task_id]["state"] = "TASK_KILLED"
            early = {task_id for task_id in task_ids if self._early(task_id)}
            self._doomed |= early
        for task_id in task_ids:
            if task_id not in waiting | early:
                self._kill(task_id)

    def _kill(self, task_id: str) -> None:
        try:
            self.call("KILL", kill={"task_id": {"value": task_id}})
        except AWAY:
            with self.lock:
                self._doomed.add(task_id)

    def _kill_doomed(self, task_ids: set[str]) -> None:
        with self.lock:
            those = self._doomed & task_ids
            self._doomed -= those
        for task_id in those:
            self._kill(task_id)

    def _early(self, task_id: str) -> bool:
        """Tell whether the executor that a task shares may not be there yet.

        An agent gives up an executor whose tasks are all killed before it is there, and fails
        those that are launched on it meanwhile.
        """
        task = self.tasks.get(task_id, {})
        if task.get("state") != "LAUNCHED" or not task["executor"]:
            return False
        there = {
            (t.get("agent"), t.get("executor")) for t in self.tasks.values() if t["state"] in UP
        }
        return (task["agent"], task["executor"]) not in there

    def keep(self, app: str, spec: Json) -> None:
        """Run an app as this says, at its number of instances, from now on."""
        with self.lock:
            self._ending |= {spec.pop("end", "")}
            self.apps[app] = self.apps.get(app, {"instances": 1}) | spec
        self._fill(app)

    def acknowledge(self, on: bool) -> None:
        """Acknowledge status updates from now on, or hold that back."""
        with self.lock:
            held = self._held or {}
            self._held = None if on else held
        for kept in held.values() if on else ():
            self.call("ACKNOWLEDGE", acknowledge=kept)

    def teardown(self) -> None:
        """End the framework with all its tasks."""
        self.call("TEARDOWN")
        if self._id_file:
            self._id_file.unlink(missing_ok=True)  # the master takes it no more

    def describe(self) -> Json:
        """Return the framework's id, its master and the agents it had offers of."""
        return {"id": self.id, "master": self.master, "agents": self.agents}

    def instances(self, app: str) -> list[str]:
        """Return the ids of an app's tasks that have not ended."""
        return [
            id_ for id_, t in self.tasks.items() if t["app"] == app and t["state"] not in TERMINAL
        ]

    def call(self, kind: str, **more: Any) -> None:
        """Make a call to the master."""
        body = json.dumps({"type": kind, "framework_id": {"value": self.id}, **more})
        headers = {**HEADERS, "Mesos-Stream-Id": self._stream}
        with self._calling:
            try:
                self._connection.request("POST", "/api/v1/scheduler", body, headers)
                reply = self._connection.getresponse()
                text = reply.read().decode()
            except AWAY:
                self._connection.close()  # the next call opens it again
                raise
        if reply.status != 202:
            say("call", kind, reply.status, text)

    def _fill(self, app: str, avoid: str = "") -> None:
        """Start or kill as many tasks of an app as its number asks for."""
        with self.lock:
            spec, there = self.apps[app], sorted(self.instances(app), key=self._ending.__contains__)
            missing = int(spec["instances"]) - len(there)
            first = self._launched[app] + 1
            self._launched[app] += max(missing, 0)
            self.launch(
                [
                    spec | {"id": f"{app}.{number}", "name": app, "app": app, "avoid": avoid}
                    for number in range(first, first + missing)
                ]
            )
            surplus = there[len(there) + missing :] if missing < 0 else []
        self.kill(surplus)

    def _subscribe(self, master: str) -> None:
        """Handle one subscription until it ends; one that doesn't lead redirects."""
        connection = http.client.HTTPConnection(master, timeout=25)
        info: Json = {
            "user": "root",
            "name": self._name,
            "roles": ["*"],
            "failover_timeout": 600.0,
            "checkpoint": True,
            "capabilities": [
                {"type": "MULTI_ROLE"},
                {"type": "PARTITION_AWARE"},
                {"type": "TASK_KILLING_STATE"},
            ],
            "hostname": self._control.rpartition(":")[0],
            "webui_url": f"http://{self._control}/",
        }
        body: Json = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        if self.id:
            info["id"] = {"value": self.id}
            body["framework_id"] = {"value": self.id}
        connection.request("POST", "/api/v1/scheduler", json.dumps(body), HEADERS)
        reply = connection.getresponse()
        if reply.status == 307:
            leader = urllib.parse.urlsplit(reply.getheader("Location") or "").netloc
            if leader and leader != master:
                self._subscribe(leader)
            return
        if reply.status != 200:
            say("subscribe", master, reply.status, reply.read())
            return
        self.master, self._stream = master, reply.getheader("Mesos-Stream-Id") or ""
        with self._calling:
            self._connection.close()
            self._connection = http.client.HTTPConnection(master, timeout=3)
        for event in records(reply):
            self._handle(event)

    def _handle(self, event: Json) -> None:
        match event["type"]:
            case "SUBSCRIBED":
                self.id = event["subscribed"]["framework_id"]["value"]
                if self._id_file:
                    self._id_file.write_text(self.id)
                say("subscribed", self.id, "at", self.master)
                over = {*TERMINAL, "PENDING"}
                known = [t for t, v in self.tasks.items() if v["state"] not in over]
                if known:
                    tasks = [{"task_id": {"value": t}} for t in known]
                    self.call("RECONCILE", reconcile={"tasks": tasks})
            case "OFFERS":
                self._offered(event["offers"]["offers"])
            case "UPDATE":
                self._updated(event["update"]["status"])
            case "HEARTBEAT":
                pass
            case kind:
                say(kind, json.dumps(event)[:300])

    def _updated(self, status: Json) -> None:
        task_id = status["task_id"]["value"]
        with self.lock:
            task = self.tasks.setdefault(task_id, {"app": ""})
            if task.get("state") != status["state"]:
                task["since"] = time.monotonic()
            task |= {k: status.get(k) for k in ("state", "healthy", "message", "reason")}
            self.history.append({"at": time.monotonic(), **moment(task_id, task, status)})
        if len(self.tasks) < 200:
            say(
                "update", task_id, status["state"], status.get("healthy"), status.get("message", "")
            )
        if status["state"] in UP:
            self._kill_doomed({task_id})
        if status.get("uuid"):
            kept = {k: status[k] for k in ("agent_id", "task_id", "uuid")}
            with self.lock:
                held = self._held
                if held is not None:
                    held[status["uuid"]] = kept
            if held is None:
                self.call("ACKNOWLEDGE", acknowledge=kept)
        if task["app"] in self.apps:
            # One that ended is replaced; one that comes back with its agent may be too many.
            self._fill(task["app"], avoid=task.get("agent", ""))

    def _offered(self, offers: list[Json]) -> None:
        with self.lock:
            here = {o["hostname"]: o["agent_id"]["value"] for o in offers}
            self.agents |= here
            up = {t for t, v in self.tasks.items() if v["state"] in UP and v.get("agent") in here}
            self._kill_doomed(up)
            for offer in offers:
                infos = self._fitting(offer)
                refuse = {"refuse_seconds": 0.2 if self._pending else 60}
                if infos:
                    say(
                        "launch",
                        [i["task_id"]["value"] for i in infos][:8],
                        "on",
                        offer["hostname"],
                    )
                    launch = {"type": "LAUNCH", "launch": {"task_infos": infos}}
                    accept = {
                        "offer_ids": [offer["id"]],
                        "filters": {"refuse_seconds": 0.1},
                        "operations": [launch],
                    }
                    self.call("ACCEPT", accept=accept)
                else:
                    self.call("DECLINE", decline={"offer_ids": [offer["id"]], "filters": refuse})

    def _fitting(self, offer: Json) -> list[Json]:
        """Return the pending tasks that an offer has room for, and take them off the list."""
        host = offer["hostname"]
        free, cpus, mem = free_ports(offer), scalar(offer, "cpus"), scalar(offer, "mem")
        if any(spec.get("executor") for spec in self._pending):
            cpus, mem = cpus - 0.1, mem - 32  # for the executor itself
        busy = [t for t in self.tasks.values() if t["state"] == "LAUNCHED" and t["agent"] == host]
        infos: list[Json] = []
        for spec in list(self._pending):
            if len(busy) + len(infos) >= BATCH:
                break
            if not self._suits(spec, host):
                continue
            needs = spec.get("cpus", 0.1), spec.get("mem", 32)
            if cpus < needs[0] or mem < needs[1]:
                continue
            ports = take_ports(free, spec.get("ports", 0))
            if ports is None:
                continue
            cpus, mem = cpus - needs[0], mem - needs[1]
            infos.append(task_info(spec, offer, ports))
            self.tasks[spec["id"]] |= {
                "state": "LAUNCHED", "agent": host, "ports": ports,
                "agent_id": offer["agent_id"]["value"],
            }  # fmt: skip
            self._pending.remove(spec)
        return infos

    def _suits(self, spec: Json, host: str) -> bool:
        """Tell whether a task should start on this host; one of an app is choosy for a while."""
        if spec.get("agent"):
            return bool(spec["agent"] == host)
        if not spec.get("app") or time.monotonic() - spec["asked"] > CHOOSY:
            return True
        there = [self.tasks[t].get("agent", "") for t in self.instances(spec["app"])]
        return suits_best(host, self.agents, there, spec["avoid"])


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--masters", required=True)
    parser.add_argument("--name", default="marathon")
    parser.add_argument("--control", default="127.0.0.1:5060")
    parser.add_argument("--id-file", type=Path)
    parser.add_argument("--health", type=Path, default=Path("/nonexistent"))
    options = parser.parse_args()
    masters = options.masters.split(",")
    framework = Framework(options.name, masters, options.control, options.id_file)
    host, _, port = options.control.rpartition(":")
    server = http.server.ThreadingHTTPServer((host, int(port)), control(framework, options.health))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    framework.run()


if __name__ == "__main__":
    main()

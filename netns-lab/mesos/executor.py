"""An executor for a real Mesos agent, on its v1 HTTP API; the agent starts one for each task.

One that tasks share by its name stays until the agent ends it.
It runs a task's command in a session of its own and does its COMMAND, HTTP or TCP health check.
Some things are for the lab: a file ``$LAB_HEALTH/<task id>`` with ``true`` or ``false`` overrules
the check; the label ``LAB_NETWORK`` gives the task a network of its own (container.py), and
``LAB_ADDRESSES=10.9.0.5,fd00::5`` only has it tell of such addresses; ``LAB_COMMAND`` is a command
for a task of an executor that tasks share, to which Mesos gives none.
"""

import base64
import contextlib
import http.client
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from container import Container, label

from recordio import records

Json = dict[str, Any]

AGENT = os.environ["MESOS_AGENT_ENDPOINT"]
PATH = f"/{os.environ.get('MESOS_SLAVE_PID', 'slave(1)@').split('@')[0]}/api/v1/executor"
IDS = {
    "executor_id": {"value": os.environ["MESOS_EXECUTOR_ID"]},
    "framework_id": {"value": os.environ["MESOS_FRAMEWORK_ID"]},
}
HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
HEALTH = Path(os.environ.get("LAB_HEALTH", "/nonexistent"))
ADDRESS = AGENT.rpartition(":")[0]
GRACE = 3_000_000_000
"""Nanoseconds from SIGTERM to SIGKILL, where the task does not say."""
PATIENCE = 60.0
"""Seconds without an agent after which the tasks are ended."""
CHECKED = "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"


class Running:
    """A task from its launch to its end; one without a command has no process."""

    def __init__(self, info: Json) -> None:
        self.info = info
        self.id: str = info["task_id"]["value"]
        self.check: Json | None = info.get("health_check")
        told = label(info, "LAB_COMMAND")
        self.command: Json = {"value": told} if told else info.get("command", {})
        network = label(info, "LAB_NETWORK")
        self.container = Container(info) if network not in ("", "host") else None
        self.process: subprocess.Popen[bytes] | None = None
        self.killed = False
        self.told = False
        """Whether the agent was told that it runs."""
        self.healthy: bool | None = None
        """What was reported last."""
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start its process, unless it was ended before; raises OSError or SubprocessError."""
        variables = self.command.get("environment", {}).get("variables", [])
        env = os.environ | {v["name"]: v.get("value", "") for v in variables} | {"TASK": self.id}
        command: str = self.command["value"]
        with self._lock:
            if self.killed:
                return
            if self.container:
                self.process = self.container.start(command, env)
            else:
                argv = ["/bin/sh", "-c", command]
                self.process = subprocess.Popen(argv, env=env, start_new_session=True)

    def end(self) -> None:
        """End it: SIGTERM, then SIGKILL after its grace period."""
        grace = self.info.get("kill_policy", {}).get("grace_period", {}).get("nanoseconds", GRACE)
        with self._lock:
            self.killed = True
            if self.process:
                threading.Thread(target=_end, args=(self.process, grace / 1e9), daemon=True).start()


def _end(process: "subprocess.Popen[bytes]", grace: float) -> None:
    for number, wait in ((signal.SIGTERM, grace), (signal.SIGKILL, 1.0)):
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, number)
            process.wait(wait)
            return


class Executor:
    """Runs tasks and tells the agent of them.

    Only a process and a health check have a thread: thousands of tasks without them cost little.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, Running] = {}
        self._unacknowledged: dict[str, Json] = {}
        self._lock = threading.RLock()
        self._updates: queue.SimpleQueue[Json] = queue.SimpleQueue()

    def run(self) -> None:
        """Serve the agent until it was away for too long."""
        for target in (self._send, self._force):
            threading.Thread(target=target, daemon=True).start()
        last = time.monotonic()
        while time.monotonic() - last < PATIENCE:
            try:
                self._subscribe()
                last = time.monotonic()
            except (OSError, ValueError, http.client.HTTPException) as error:
                print("agent:", error, file=sys.stderr, flush=True)
            time.sleep(0.2)
        for task in list(self._tasks.values()):
            self._kill(task)
        time.sleep(4)

    def _subscribe(self) -> None:
        """Handle events until the connection ends."""
        connection = http.client.HTTPConnection(AGENT)
        with self._lock:
            known = {
                "unacknowledged_tasks": [t.info for t in self._tasks.values()],
                "unacknowledged_updates": list(self._unacknowledged.values()),
            }
        body = json.dumps({"type": "SUBSCRIBE", **IDS, "subscribe": known})
        connection.request("POST", PATH, body, HEADERS)
        reply = connection.getresponse()
        if reply.status != 200:
            raise OSError(f"subscribe: {reply.status} {reply.read()!r}")
        for event in records(reply):
            self._handle(event)

    def _handle(self, event: Json) -> None:
        match event["type"]:
            case "LAUNCH":
                self._launch(event["launch"]["task"])
            case "LAUNCH_GROUP":
                for info in event["launch_group"]["task_group"]["tasks"]:
                    self._launch(info)
            case "KILL":
                if task := self._tasks.get(event["kill"]["task_id"]["value"]):
                    self._kill(task)
            case "ACKNOWLEDGED":
                with self._lock:
                    self._unacknowledged.pop(event["acknowledged"]["uuid"], None)
            case "SHUTDOWN":
                if not self._tasks:
                    os._exit(0)
                for task in list(self._tasks.values()):
                    self._kill(task)

    def _launch(self, info: Json) -> None:
        task = Running(info)
        with self._lock:
            self._tasks[task.id] = task
        self._update(task, "TASK_STARTING")
        if task.command.get("value"):
            threading.Thread(target=self._process, args=(task,), daemon=True).start()
        else:
            self._runs(task)

    def _process(self, task: Running) -> None:
        """Run the process of a task from its start to its end."""
        try:
            task.start()
        except (OSError, subprocess.SubprocessError) as error:
            self._over(task, "TASK_FAILED", message=str(error))
            return
        if task.process:
            self._runs(task)
        code = task.process.wait() if task.process else 0
        if task.container:
            try:
                task.container.remove()
            except OSError as error:
                print(task.id, error, file=sys.stderr, flush=True)
        state = "TASK_KILLED" if task.killed else "TASK_FAILED" if code else "TASK_FINISHED"
        self._over(task, state, message=f"Command exited with status {code}")

    def _runs(self, task: Running) -> None:
        self._update(task, "TASK_RUNNING", **_addresses(task))
        task.told = True
        if task.check:
            threading.Thread(target=self._watch, args=(task, task.check), daemon=True).start()

    def _kill(self, task: Running) -> None:
        if task.process and not task.killed:
            self._update(task, "TASK_KILLING")
        task.end()
        if not task.command.get("value"):
            self._over(task, "TASK_KILLED")

    def _over(self, task: Running, state: str, **more: Any) -> None:
        with self._lock:
            # Before the update: what hears of it must not find the task still here.
            if not self._tasks.pop(task.id, None):
                return
            self._update(task, state, **more)
            # One that tasks share stays until its agent ends it: more may be on their way.
            if "executor" not in task.info and not self._tasks:
                threading.Thread(target=self._leave, daemon=True).start()

    def _leave(self) -> None:
        """End the executor once the agent has its updates."""
        for _ in range(50):
            if not self._unacknowledged:
                break
            time.sleep(0.1)
        os._exit(0)

    def _watch(self, task: Running, check: Json) -> None:
        """Report the health of a task with a check at its first result and at each change.

        As Mesos's own checker: failures within the grace period do not count until a first
        success; too many in a row end the task.
        """
        grace_ends = time.monotonic() + check.get("grace_period_seconds", 10)
        time.sleep(check.get("delay_seconds", 15))
        failures = 0
        while task.id in self._tasks and not task.killed:
            healthy = _forced(task.id)
            if healthy is None:
                good = _passes(check, task.container)
                if good or task.healthy is not None or time.monotonic() >= grace_ends:
                    failures = 0 if good else failures + 1
                    healthy = good
                if failures >= check.get("consecutive_failures", 3) > 0:
                    self._report(task, healthy=False)
                    self._kill(task)
                    return
            self._report(task, healthy=healthy)
            time.sleep(check.get("interval_seconds", 10))

    def _force(self) -> None:
        """Report what health tasks without a check are given, for ever."""
        while True:
            time.sleep(0.1)
            with contextlib.suppress(OSError):
                for file in HEALTH.iterdir():
                    task = self._tasks.get(file.name)
                    if task and task.told and not task.check:
                        self._report(task, healthy=_forced(task.id))

    def _report(self, task: Running, *, healthy: bool | None) -> None:
        """Report a health if it is known and another one than before."""
        with self._lock:
            if healthy in (None, task.healthy) or task.id not in self._tasks or task.killed:
                return
            task.healthy = healthy
            more = _addresses(task)
            self._update(task, "TASK_RUNNING", healthy=healthy, reason=CHECKED, **more)

    def _update(self, task: Running, state: str, **more: Any) -> None:
        """Have the agent told of a task, in the order of the calls."""
        status = {
            "task_id": {"value": task.id},
            "state": state,
            "source": "SOURCE_EXECUTOR",
            "uuid": base64.b64encode(uuid.uuid4().bytes).decode(),
            "timestamp": time.time(),
            **more,
        }
        with self._lock:
            self._unacknowledged[status["uuid"]] = {"status": status}
            self._updates.put(status)

    def _send(self) -> None:
        """Tell the agent, for ever, of what it does not know by a subscription."""
        connection = http.client.HTTPConnection(AGENT, timeout=10)
        while True:
            status = self._updates.get()
            for _ in range(20):
                if status["uuid"] not in self._unacknowledged:
                    break
                try:
                    if _call(connection, "UPDATE", update={"status": status}) == 202:
                        break
                except (OSError, http.client.HTTPException):
                    connection.close()  # the next call opens it again
                time.sleep(0.5)


def _call(connection: http.client.HTTPConnection, kind: str, **more: Any) -> int:
    connection.request("POST", PATH, json.dumps({"type": kind, **IDS, **more}), HEADERS)
    reply = connection.getresponse()
    body = reply.read()
    if reply.status != 202:
        print(kind, reply.status, body, file=sys.stderr, flush=True)
    return reply.status


def _addresses(task: Running) -> Json:
    """Return the container status that gives a task its addresses, or those of its label."""
    if task.container:
        return task.container.status()
    listed = [a for a in label(task.info, "LAB_ADDRESSES").split(",") if a]
    if not listed:
        return {}
    addresses = [{"protocol": "IPv6" if ":" in a else "IPv4", "ip_address": a} for a in listed]
    return {"container_status": {"network_infos": [{"ip_addresses": addresses}]}}


def _forced(task_id: str) -> bool | None:
    try:
        return {"true": True, "false": False}.get((HEALTH / task_id).read_text().strip())
    except OSError:
        return None


def _passes(check: Json, container: Container | None) -> bool:
    """Do a health check once."""
    limit = check.get("timeout_seconds", 20)
    where = check.get("type", "").lower()
    protocol = check.get(where, {}).get("protocol", "IPv4")
    address = container.address(protocol) if container else ADDRESS
    try:
        match check.get("type", "COMMAND"):
            case "TCP":
                socket.create_connection((address, check["tcp"]["port"]), limit).close()
                return True
            case "HTTP":
                http_ = check["http"]
                connection = http.client.HTTPConnection(address, http_["port"], timeout=limit)
                connection.request("GET", http_.get("path", "/"))
                return 200 <= connection.getresponse().status < 400
            case _:
                command = check["command"]["value"]
                return (
                    subprocess.run(command, shell=True, timeout=limit, check=False).returncode == 0
                )
    except (OSError, subprocess.SubprocessError, http.client.HTTPException):
        return False


if __name__ == "__main__":
    Executor().run()

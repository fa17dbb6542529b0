"""An executor for a real Mesos agent, on its v1 HTTP API; the agent starts it for each task.

It runs a task's command in a session of its own and does its COMMAND, HTTP or TCP health check.
Two things are for the lab: a file ``$LAB_HEALTH/<task id>`` with ``true`` or ``false`` overrules
the check, and the label ``LAB_ADDRESSES=10.9.0.5,fd00::5`` gives the task these addresses of a
container, as a containerizer with networks of its own reports them.
"""

import base64
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

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
PATIENCE = 60.0
"""Seconds without an agent after which the tasks are ended."""
CHECKED = "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"


class NoProcess:
    """In place of the process of a task without a command: thousands of them cost little."""

    def __init__(self) -> None:
        self._over = threading.Event()

    def poll(self) -> int | None:
        """Return the exit code once it has ended."""
        return -signal.SIGTERM if self._over.is_set() else None

    def wait(self) -> int:
        """Wait for its end and return the exit code."""
        self._over.wait()
        return -signal.SIGTERM

    def end(self) -> None:
        """End it."""
        self._over.set()


class Running:
    """A task that runs."""

    def __init__(self, info: Json, process: "subprocess.Popen[bytes] | NoProcess") -> None:
        self.info = info
        self.process = process
        self.killed = False

    def end(self, grace: float = 3.0) -> None:
        """End it: SIGTERM, then SIGKILL after the grace."""
        self.killed = True
        if isinstance(self.process, NoProcess):
            self.process.end()
        else:
            threading.Thread(target=self._end, args=(self.process, grace), daemon=True).start()

    @staticmethod
    def _end(process: "subprocess.Popen[bytes]", grace: float) -> None:
        for number, wait in ((signal.SIGTERM, grace), (signal.SIGKILL, 1.0)):
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, number)
                process.wait(wait)
                return


class Executor:
    """Runs tasks and tells the agent of them."""

    def __init__(self) -> None:
        self._tasks: dict[str, Running] = {}
        self._unacknowledged: dict[str, Json] = {}
        self._lock = threading.RLock()
        self._closing = threading.Event()

    def run(self) -> None:
        """Serve the agent until all tasks are over, or it was away for too long."""
        last = time.monotonic()
        while not self._closing.is_set() and time.monotonic() - last < PATIENCE:
            try:
                if self._subscribe():
                    last = time.monotonic()
            except (OSError, ValueError, http.client.HTTPException) as error:
                print("agent:", error, file=sys.stderr, flush=True)
            time.sleep(0.2)
        for task in list(self._tasks.values()):
            task.end()
        time.sleep(4)

    def _subscribe(self) -> bool:
        """Handle events until the connection ends; return whether there was one."""
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
        return True

    def _handle(self, event: Json) -> None:
        match event["type"]:
            case "LAUNCH":
                self._launch(event["launch"]["task"])
            case "LAUNCH_GROUP":
                for info in event["launch_group"]["task_group"]["tasks"]:
                    self._launch(info)
            case "KILL":
                if task := self._tasks.get(event["kill"]["task_id"]["value"]):
                    task.end()
            case "ACKNOWLEDGED":
                with self._lock:
                    self._unacknowledged.pop(event["acknowledged"]["uuid"], None)
            case "SHUTDOWN":
                if not self._tasks:
                    os._exit(0)
                for task in list(self._tasks.values()):
                    task.end()

    def _launch(self, info: Json) -> None:
        threading.Thread(target=self._task, args=(info,), daemon=True).start()

    def _task(self, info: Json) -> None:
        """Run one task from its start to its end."""
        id_ = info["task_id"]["value"]
        command = info.get("command", {"value": ""})
        variables = command.get("environment", {}).get("variables", [])
        env = os.environ | {v["name"]: v.get("value", "") for v in variables} | {"TASK": id_}
        self._update(id_, "TASK_STARTING")
        process: subprocess.Popen[bytes] | NoProcess = NoProcess()
        if command["value"]:
            argv = ["/bin/sh", "-c", command["value"]]
            process = subprocess.Popen(argv, env=env, start_new_session=True)
        task = self._tasks[id_] = Running(info, process)
        self._update(id_, "TASK_RUNNING", **_addresses(info))
        threading.Thread(target=self._watch, args=(task,), daemon=True).start()
        code = process.wait()
        state = "TASK_KILLED" if task.killed else "TASK_FAILED" if code else "TASK_FINISHED"
        # Before the update: what hears of it must not find the task still here.
        del self._tasks[id_]
        self._update(id_, state, message=f"Command exited with status {code}")
        if not self._tasks:
            for _ in range(50):
                if not self._unacknowledged:
                    break
                time.sleep(0.1)
            os._exit(0)

    def _watch(self, task: Running) -> None:
        """Report the health of a task at its first result and at each change.

        As Mesos's own checker: failures within the grace period do not count until a first
        success; too many in a row end the task.
        """
        id_, check = task.info["task_id"]["value"], task.info.get("health_check")
        interval = (
            check.get("interval_seconds", 10) if check else 0.1 if len(self._tasks) < 50 else 2
        )
        grace_ends = time.monotonic() + (check or {}).get("grace_period_seconds", 10)
        if check:
            time.sleep(check.get("delay_seconds", 15))
        last, failures = None, 0
        while task.process.poll() is None:
            healthy = _forced(id_)
            if healthy is None and check:
                good = _passes(check)
                if good or last is not None or time.monotonic() >= grace_ends:
                    failures = 0 if good else failures + 1
                    healthy = good
                if failures >= check.get("consecutive_failures", 3) > 0:
                    self._report(task, healthy=False)
                    task.end()
                    return
            if healthy is not None and healthy != last:
                last = healthy
                self._report(task, healthy=healthy)
            time.sleep(interval)

    def _report(self, task: Running, *, healthy: bool) -> None:
        id_ = task.info["task_id"]["value"]
        self._update(id_, "TASK_RUNNING", healthy=healthy, reason=CHECKED, **_addresses(task.info))

    def _update(self, task_id: str, state: str, **more: Any) -> None:
        status = {
            "task_id": {"value": task_id},
            "state": state,
            "source": "SOURCE_EXECUTOR",
            "uuid": base64.b64encode(uuid.uuid4().bytes).decode(),
            "timestamp": time.time(),
            **more,
        }
        with self._lock:
            self._unacknowledged[status["uuid"]] = {"status": status}
        for _ in range(20):
            with contextlib.suppress(OSError, http.client.HTTPException):
                if _call("UPDATE", update={"status": status}) == 202:
                    return
            time.sleep(0.5)


def _call(kind: str, **more: Any) -> int:
    connection = http.client.HTTPConnection(AGENT, timeout=10)
    try:
        connection.request("POST", PATH, json.dumps({"type": kind, **IDS, **more}), HEADERS)
        reply = connection.getresponse()
        body = reply.read()
        if reply.status != 202:
            print(kind, reply.status, body, file=sys.stderr, flush=True)
        return reply.status
    finally:
        connection.close()


def _addresses(info: Json) -> Json:
    """Return the container status that gives a task the addresses of its label."""
    labels = {x["key"]: x.get("value", "") for x in info.get("labels", {}).get("labels", [])}
    listed = [a for a in labels.get("LAB_ADDRESSES", "").split(",") if a]
    if not listed:
        return {}
    addresses = [{"protocol": "IPv6" if ":" in a else "IPv4", "ip_address": a} for a in listed]
    return {"container_status": {"network_infos": [{"ip_addresses": addresses}]}}


def _forced(task_id: str) -> bool | None:
    try:
        return {"true": True, "false": False}.get((HEALTH / task_id).read_text().strip())
    except OSError:
        return None


def _passes(check: Json) -> bool:
    """Do a health check once."""
    limit = check.get("timeout_seconds", 20)
    try:
        match check.get("type", "COMMAND"):
            case "TCP":
                socket.create_connection((ADDRESS, check["tcp"]["port"]), limit).close()
                return True
            case "HTTP":
                http_ = check["http"]
                connection = http.client.HTTPConnection(ADDRESS, http_["port"], timeout=limit)
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

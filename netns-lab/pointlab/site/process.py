"""Processes by name: started, signalled and ended; known again by a later run (a file)."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")


def free_port() -> int:
    """Return a port of the loopback address for a server: none that clients are given meanwhile."""
    while True:
        port = random.randrange(10_000, 30_000)
        with (
            contextlib.suppress(OSError),
            socket.socket() as tcp,
            socket.socket(type=socket.SOCK_DGRAM) as udp,
        ):
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
            return port


class Service(msgspec.Struct, frozen=True):
    """A process of a node, with the files that it reads when it starts."""

    name: str
    argv: tuple[str, ...]
    files: dict[Path, str] = {}
    sh: str = ""
    """Lines of a shell in the node's namespace, before."""


class Processes:
    """The processes of one lab, with their logs in its folder."""

    def __init__(self, folder: Path, env: Mapping[str, str] = {}) -> None:
        """``env`` is added to the environment of each."""
        self.folder = folder
        self._env = env
        self._file = folder / "processes.json"
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._known: dict[str, list[int]] = {}
        with contextlib.suppress(OSError):
            self._known = json.loads(self._file.read_text())

    def start(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        netns: str = "",
    ) -> None:
        """Start one, in a namespace if named; does nothing when it runs already."""
        if self.alive(name):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        # `ip netns exec` becomes the command: the process is the one that is started here.
        words = ["ip", "netns", "exec", netns, *argv] if netns else [*argv]
        with self.log(name).open("ab") as log:
            child = subprocess.Popen(
                words,
                env={**os.environ, **self._env, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._children[name] = child
        self._known[name] = [child.pid, _started(child.pid)]
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self._known))
        new.replace(self._file)

    def names(self) -> list[str]:
        """Return the names of all that were started, in that order."""
        return list(self._known)

    def pid(self, name: str) -> int:
        """Return the process id; raises KeyError for one that was never started."""
        return self._known[name][0]

    def log(self, name: str) -> Path:
        """Return the file of its output."""
        return self.folder / f"{name}.log"

    def alive(self, name: str) -> bool:
        """Tell whether it runs (a paused one does)."""
        if child := self._children.get(name):
            return child.poll() is None
        pid, started = self._known.get(name, (0, 0))
        return pid > 0 and _started(pid) == started

    def send(self, name: str, number: int) -> None:
        """Send a signal, if it runs."""
        if self.alive(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid(name), number)

    def stop(self, name: str, number: int = signal.SIGTERM, patience: float = 10.0) -> None:
        """End it and wait until it is gone; SIGKILL after so many seconds."""
        self.send(name, number)
        self.send(name, signal.SIGCONT)
        with contextlib.suppress(TimeoutError):
            wait_for(lambda: not self.alive(name), f"the end of {name}", patience)
            return
        self.send(name, signal.SIGKILL)
        wait_for(lambda: not self.alive(name), f"the end of {name}", patience)


def wait_for(condition: Callable[[], T | None], what: str, patience: float = 60.0) -> T:
    """Return the first true value of a condition; a connection that fails counts as false.

    Raises TimeoutError, which says what was waited for.
    """
    ends = time.monotonic() + patience
    last = ""
    while time.monotonic() < ends:
        try:
            if value := condition():
                return value
        except (OSError, ValueError, LookupError) as error:
            last = f" ({error})"
        time.sleep(0.05)
    raise TimeoutError(f"waited {patience:.0f} s in vain for {what}{last}")


def kill_with_variable(name: str, value: str) -> None:
    """End all processes that were started with this variable (SIGKILL), but this one."""
    for pid in with_variable(name, value):
        if pid != os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def with_variable(name: str, value: str) -> list[int]:
    """Return the processes that were started with this variable in their environment."""
    mark = f"\0{name}={value}\0".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in b"\0" + (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def _started(pid: int) -> int:
    """Return when a process started, which tells it from a later one of its id; 0 when ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])

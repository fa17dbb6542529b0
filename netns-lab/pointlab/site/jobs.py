"""Runs commands for another kernel that shares nothing but files.

A job is a folder. Who wants it run writes ``command`` (argv, environment), ``input.0``, ``input.1``
and so on, the last of them empty, and perhaps ``interrupt``; who runs it appends to ``output`` and
``errors``, and at last writes ``status``. What one side reads of a growing file the other may have
cached, so input comes in a new file each time, and output is read by the side whose files they are.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

PAUSE = 0.02
"""Seconds between two looks at the files."""
CHUNK = 65_536


class Job:
    """A command, from the side that wants it run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shown = {"output": 0, "errors": 0}

    @classmethod
    def make(cls, spool: Path, argv: list[str], environment: dict[str, str]) -> "Job":
        """Hand a command over; the environment is put over the other side's."""
        folder = spool / f"{time.time_ns()}-{os.getpid()}.job"
        new = folder.with_suffix(".new")
        new.mkdir()
        (new / "command").write_text(json.dumps({"argv": argv, "environment": environment}))
        new.rename(folder)
        return cls(folder)

    def feed(self, descriptor: int) -> None:
        """Give it all that can be read here; for a thread of its own."""
        number = 0
        with contextlib.suppress(OSError):  # the job is over, or there is no input here
            while True:
                data = os.read(descriptor, CHUNK)
                new = self._folder / "input.new"
                new.write_bytes(data)
                new.rename(self._folder / f"input.{number}")
                number += 1
                if not data:
                    return

    def follow(self, output: IO[bytes], errors: IO[bytes], alive: Callable[[], bool]) -> int:
        """Pass on what it prints until it ends; return its status.

        Raises OSError when the other side is not alive any more.
        """
        while True:
            ended = (self._folder / "status").exists()
            self._show("output", output)
            self._show("errors", errors)
            if ended:
                return int((self._folder / "status").read_text())
            if not alive():
                raise OSError("the guest is gone")
            time.sleep(PAUSE)

    def interrupt(self) -> None:
        """Let it end."""
        (self._folder / "interrupt").touch()

    def remove(self) -> None:
        """Remove its files."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _show(self, name: str, to: IO[bytes]) -> None:
        with contextlib.suppress(FileNotFoundError), (self._folder / name).open("rb") as file:
            file.seek(self._shown[name])
            data = file.read()
            self._shown[name] += len(data)
            to.write(data)
            to.flush()


def serve_jobs(spool: Path, ended: Callable[[], bool]) -> None:
    """Run the jobs of a spool, side by side, until told to end."""
    taken = set()
    while not ended():
        for folder in spool.glob("*.job"):
            if folder.name not in taken:
                taken.add(folder.name)
                threading.Thread(target=_work, args=(folder,), daemon=True).start()
        time.sleep(PAUSE)


def _work(folder: Path) -> None:
    """Run one job from its start to its end."""
    command = json.loads((folder / "command").read_text())
    child = subprocess.Popen(
        command["argv"],
        env=os.environ | command["environment"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdout
    assert child.stderr
    writers = [
        threading.Thread(target=_append, args=(child.stdout, folder / "output")),
        threading.Thread(target=_append, args=(child.stderr, folder / "errors")),
    ]
    for thread in writers:
        thread.start()
    threading.Thread(target=_feed, args=(folder, child), daemon=True).start()
    threading.Thread(target=_obey, args=(folder, child), daemon=True).start()
    status = child.wait()
    for thread in writers:
        thread.join()
    new = folder / "status.new"
    # As a shell does: 128 and the number of the signal that ended it.
    new.write_text(str(status if status >= 0 else 128 - status))
    new.rename(folder / "status")


def _append(source: IO[bytes], file: Path) -> None:
    with source:
        while data := os.read(source.fileno(), CHUNK):
            # Closed each time: that is when the other kernel's file has it.
            with file.open("ab") as to:
                to.write(data)


def _feed(folder: Path, child: "subprocess.Popen[bytes]") -> None:
    number = 0
    assert child.stdin
    with contextlib.suppress(OSError), child.stdin:
        while child.poll() is None:
            try:
                data = (folder / f"input.{number}").read_bytes()
            except FileNotFoundError:
                time.sleep(PAUSE)
                continue
            number += 1
            if not data:
                return
            child.stdin.write(data)
            child.stdin.flush()


def _obey(folder: Path, child: "subprocess.Popen[bytes]") -> None:
    while child.poll() is None:
        if (folder / "interrupt").exists():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(2)
                    return
                os.killpg(child.pid, signal.SIGKILL)
            return
        time.sleep(5 * PAUSE)

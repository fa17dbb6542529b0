"""A lab inside a user-mode-linux, on machines whose own kernel has no ip_vs.

`lab up` leaves the guest running in the background. What is to run in it is put into a folder that
both sides see: a job has its own folder with ``command``, and the guest adds ``output`` (appended
as it comes) and, at last, ``status``.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from pointlab.mesos import ROOT
from pointlab.process import wait_for

LAB = str(ROOT / "netns-lab/lab")
RUN = str(ROOT / "netns-lab/uml/run")
SPOOL = ROOT / ".lab/guest"
MEMORY = "3G"
DAY = 86_400


def kernel_has_ipvs() -> bool:
    """Tell whether this kernel has ip_vs, loading it where that works."""
    if Path("/proc/net/ip_vs").exists():
        return True
    with contextlib.suppress(OSError):
        subprocess.run(["modprobe", "ip_vs"], capture_output=True, check=False)
    return Path("/proc/net/ip_vs").exists()


def foreground(words: list[str]) -> int:
    """Boot a guest for one command of the lab; return its status."""
    return subprocess.run([RUN, LAB, *words], env=_environment(), check=False).returncode


def is_running() -> bool:
    """Tell whether a guest is in the background."""
    try:
        pid = int((SPOOL / "pid").read_text())
        return b"netns-lab/lab" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return False


def boot() -> None:
    """Start a guest in the background and wait until it takes jobs."""
    shutil.rmtree(SPOOL, ignore_errors=True)
    SPOOL.mkdir(parents=True)
    environment = _environment() | {"UML_TIMEOUT": str(7 * DAY)}
    with (SPOOL / "log").open("wb") as log:
        guest = subprocess.Popen(
            [RUN, LAB, "serve"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (SPOOL / "pid").write_text(str(guest.pid))
    wait_for(lambda: (SPOOL / "ready").exists() or guest.poll() is not None, "the guest's kernel")
    if guest.poll() is not None:
        raise OSError(f"the guest did not start:\n{(SPOOL / 'log').read_text()}")


def run(words: list[str]) -> int:
    """Run a command of the lab in the guest; print what it prints, return its status."""
    number = f"{time.time_ns()}"
    new, job = SPOOL / f"{number}.new", SPOOL / f"{number}.job"
    new.mkdir()
    columns = shutil.get_terminal_size().columns
    command = {"words": words, "environment": {"COLUMNS": str(columns), **_tty()}}
    (new / "command").write_text(json.dumps(command))
    new.rename(job)
    shown = 0
    try:
        while True:
            ended = (job / "status").exists()
            with contextlib.suppress(FileNotFoundError), (job / "output").open("rb") as output:
                output.seek(shown)
                data = output.read()
                shown += len(data)
                sys.stdout.buffer.write(data)
                sys.stdout.flush()
            if ended:
                return int((job / "status").read_text())
            if not is_running():
                raise OSError("the guest is gone")
            time.sleep(0.03)
    except KeyboardInterrupt:
        (job / "kill").touch()
        return 130
    finally:
        shutil.rmtree(job, ignore_errors=True)


def serve() -> None:
    """Take jobs, inside the guest, until one of them says that it was the last."""
    (SPOOL / "ready").touch()
    taken = set()
    while not (SPOOL / "end").exists():
        for job in SPOOL.glob("*.job"):
            if job.name not in taken:
                taken.add(job.name)
                threading.Thread(target=_work, args=(job,), daemon=True).start()
        time.sleep(0.03)


def end() -> None:
    """Let the guest power off, from outside, and wait for it."""
    (SPOOL / "end").touch()
    wait_for(lambda: not is_running(), "the end of the guest", 30)
    shutil.rmtree(SPOOL, ignore_errors=True)


def _work(job: Path) -> None:
    command = json.loads((job / "command").read_text())
    child = subprocess.Popen(
        [LAB, *command["words"]],
        env=os.environ | command["environment"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    threading.Thread(target=_kill_when_told, args=(job, child), daemon=True).start()
    assert child.stdout is not None
    while data := child.stdout.read1():  # type: ignore[attr-defined]
        # Closed each time: that is when the host's file has it.
        with (job / "output").open("ab") as output:
            output.write(data)
    status = job / "status.new"
    status.write_text(str(child.wait()))
    status.rename(job / "status")


def _kill_when_told(job: Path, child: "subprocess.Popen[bytes]") -> None:
    while child.poll() is None:
        if (job / "kill").exists():
            child.terminate()
            return
        time.sleep(0.1)


def _environment() -> dict[str, str]:
    columns = str(shutil.get_terminal_size().columns)
    return os.environ | {"UML_MEM": MEMORY, "COLUMNS": columns, "LAB_GUEST": "1", **_tty()}


def _tty() -> dict[str, str]:
    """Say whether a person reads: the guest's console looks like a terminal always."""
    return {"LAB_TTY": "1" if sys.stdout.isatty() else "0"}

"""A lab inside a user-mode-linux, on machines whose own kernel has no ip_vs.

`lab up` leaves the guest running in the background. Neither sockets nor pipes lead from the host
into it, so a command that is to run there is a folder of files that both sides see: jobs.py.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

from pointlab.site.jobs import Job, serve_jobs
from pointlab.site.mesos import ROOT
from pointlab.site.process import wait_for

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


def foreground(words: list[str], seconds: int = 600) -> int:
    """Boot a guest for one command of the lab, of so many seconds at most; return its status."""
    # However this process ends, the guest ends with it.
    argv = ["setpriv", "--pdeathsig", "TERM", RUN, LAB, *words]
    environment = _environment() | {"UML_TIMEOUT": str(seconds)}
    with subprocess.Popen(argv, env=environment) as guest:
        try:
            return guest.wait()
        finally:
            guest.terminate()  # subprocess.run would kill the shell, which then can't clean up


def names() -> list[str]:
    """Return the names of the labs whose guests are in the background."""
    return sorted(path.parent.name for path in SPOOL.glob("*/pid") if is_running(path.parent.name))


def which(name: str) -> str:
    """Return the name of a lab that is up; raises LookupError."""
    up = names()
    if name not in up if name else len(up) != 1:
        there = f"there are {', '.join(up)}" if up else "netns-lab/lab up starts one"
        raise LookupError(f"no lab {name!r} is up; {there}" if name else f"which lab? {there}")
    return name or up[0]


def is_running(name: str) -> bool:
    """Tell whether a lab's guest is in the background."""
    try:
        return LAB.encode() in Path(f"/proc/{_pid(name)}/cmdline").read_bytes()
    except (OSError, ValueError):
        return False


def boot(name: str) -> None:
    """Start a lab's guest in the background and wait until it takes jobs."""
    spool = SPOOL / name
    shutil.rmtree(spool, ignore_errors=True)
    spool.mkdir(parents=True)
    environment = _environment() | {"UML_TIMEOUT": str(7 * DAY)}
    with (spool / "log").open("wb") as log:
        guest = subprocess.Popen(
            [RUN, LAB, "serve", name],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (spool / "pid").write_text(str(guest.pid))
    wait_for(lambda: (spool / "ready").exists() or guest.poll() is not None, "the guest's kernel")
    if guest.poll() is not None:
        raise OSError(f"the guest did not start:\n{(spool / 'log').read_text()}")


def run(name: str, words: list[str]) -> int:
    """Run a command in a lab's guest, as if it ran here; return its status.

    Raises OSError when the guest ends meanwhile.
    """
    columns = str(shutil.get_terminal_size().columns)
    job = Job.make(SPOOL / name, [LAB, *words], {"COLUMNS": columns, **_tty()})
    threading.Thread(target=job.feed, args=(sys.stdin.buffer.fileno(),), daemon=True).start()

    def running() -> bool:
        return is_running(name)

    try:
        return job.follow(sys.stdout.buffer, sys.stderr.buffer, running)
    except KeyboardInterrupt:
        job.interrupt()
        return job.follow(sys.stdout.buffer, sys.stderr.buffer, running)
    finally:
        job.remove()


def serve(name: str) -> None:
    """Take jobs, inside the guest, until it is told to end."""
    spool = SPOOL / name
    (spool / "ready").touch()
    serve_jobs(spool, (spool / "end").exists)


def end(name: str) -> None:
    """Let a guest power off, from outside; one that does not is killed. Removes its files."""
    if is_running(name):
        (SPOOL / name / "end").touch()
        try:
            wait_for(lambda: not is_running(name), "the end of the guest", 30)
        except TimeoutError:
            os.killpg(_pid(name), signal.SIGKILL)  # its session is its own
    shutil.rmtree(SPOOL / name, ignore_errors=True)
    with contextlib.suppress(OSError):
        SPOOL.rmdir()


def _pid(name: str) -> int:
    return int((SPOOL / name / "pid").read_text())


def _environment() -> dict[str, str]:
    columns = str(shutil.get_terminal_size().columns)
    return os.environ | {"UML_MEM": MEMORY, "COLUMNS": columns, "LAB_GUEST": "1", **_tty()}


def _tty() -> dict[str, str]:
    """Say whether a person reads: the guest's console looks like a terminal always."""
    return {"LAB_TTY": "1" if sys.stdout.isatty() else "0"}

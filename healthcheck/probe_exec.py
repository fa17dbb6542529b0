"""The exec probe: a command says how it is, as Nagios plugins do."""

import asyncio
import os
import signal
import subprocess
from contextlib import ExitStack, suppress

from pointsman.healthcheck.model import Exec, Failed, Outcome, Place, Result

MOST_OUTPUT = 4096
"""Octets of the output that are kept; what follows is read and forgotten."""

MOST_REASON = 200
"""Characters of it that make the reason."""

_CHUNK = 65_536
_LAST = 1.0
"""Seconds that a killed command has to be gone; one that hangs in the kernel takes longer."""

_SAYS = {0: "", 1: "warning", 2: "critical", 3: "unknown"}
"""Exit statuses (https://nagios-plugins.org/doc/guidelines.html#AEN78)."""


async def probe(spec: Exec, place: Place) -> Result:
    """Run the command to its end, and see what it says; raises Failed with what went wrong.

    It gets no mark: what it sends goes where the host's routes lead.
    """
    try:
        command = _Command(spec, place)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Failed(Outcome.UNTRIED, f"{spec.words[0]}: {reason}") from error
    try:
        async with asyncio.timeout(place.timeout):
            await command.ended.wait()
    except TimeoutError:
        raise Failed(Outcome.SLOW, f"not ended within {place.timeout:g} s") from None
    finally:
        await command.kill()
    return judge(command.process.returncode, bytes(command.output))


def judge(status: int, output: bytes) -> Result:
    """Say what an exit status means, a negative one for the signal it died by; raises Failed."""
    line = output.decode(errors="replace").strip().partition("\n")[0].strip()[:MOST_REASON]
    line = "".join(char if char.isprintable() else "?" for char in line)
    if status < 0:
        raise Failed(Outcome.BAD, f"died by {_name(-status)}")
    said = ": ".join(filter(None, (_SAYS.get(status, f"exit status {status}"), line)))
    if status > 1:
        raise Failed(Outcome.BAD, said)
    return Result(Outcome.GOOD, said)


class _Command:
    """A command that runs in a session of its own, and what it has said.

    A pidfd tells of its end, in whatever thread the event loop runs, and leaves it a zombie:
    until that is reaped, the number of its process group is nobody else's.
    """

    def __init__(self, spec: Exec, place: Place) -> None:
        self.ended = asyncio.Event()
        self.output = bytearray()
        values = {"{address}": place.address, "{port}": str(place.port)}
        self._loop = asyncio.get_running_loop()
        with ExitStack() as undo:
            self._pipe, end = os.pipe()
            undo.callback(os.close, self._pipe)
            try:
                self.process = _started([_filled(word, values) for word in spec.words], end, place)
            finally:
                os.close(end)
            undo.callback(self.process.wait)
            undo.callback(self._kill)
            self._pidfd = os.pidfd_open(self.process.pid)
            undo.pop_all()
        os.set_blocking(self._pipe, False)
        self._loop.add_reader(self._pipe, self._read)
        self._loop.add_reader(self._pidfd, self._end)

    async def kill(self) -> None:
        """Kill it with all that it started, unless it has ended."""
        if not self.ended.is_set():
            self._kill()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST):
                    await self.ended.wait()

    def _kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _read(self) -> int:
        """Read once; return how many octets there were."""
        try:
            data = os.read(self._pipe, _CHUNK)
        except BlockingIOError:
            return 0
        if not data:
            self._loop.remove_reader(self._pipe)
        self.output += data[: MOST_OUTPUT - len(self.output)]
        return len(data)

    def _end(self) -> None:
        """Reap it, and let go of all that it had."""
        self._kill()  # what it started and left behind
        self.process.wait()
        while self._read() and len(self.output) < MOST_OUTPUT:
            pass
        for fd in (self._pipe, self._pidfd):
            self._loop.remove_reader(fd)
            os.close(fd)
        self.ended.set()


def _started(words: list[str], output: int, place: Place) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd="/",
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "POINTSMAN_ADDRESS": place.address,
            "POINTSMAN_PORT": str(place.port),
        },
        start_new_session=True,
    )


def _filled(word: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(name, value)
    return word


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time one
        return f"signal {number}"

"""What was broken in a lab and what was noted: a file in its folder, of one line for each event.

Every command of the lab is a process of its own, and a recorder is another: all of them append to
this file and read it. A line that was not written to its end is passed over.
"""

from pathlib import Path

import msgspec

from pointlab.watch.recording import Fault, Note


class Broken(msgspec.Struct, frozen=True):
    """A fault and what is to be undone of it."""

    fault: Fault
    plain: str = ""
    """The words with every target found: ``kill master2`` for ``kill leader``; "" for what comes
    of another fault and ends by itself."""


class _Broke(msgspec.Struct, frozen=True, tag="broke"):
    broken: Broken


class _Healed(msgspec.Struct, frozen=True, tag="healed"):
    began: float
    words: str
    at: float


class _Noted(msgspec.Struct, frozen=True, tag="note"):
    note: Note


_Event = _Broke | _Healed | _Noted


class Journal:
    """The journal of a lab; times are seconds of the monotonic clock."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "journal"

    def begin(self) -> None:
        """Forget what is over; what is still broken stays."""
        kept = self.lasting()
        new = self._file.with_suffix(".new")
        new.write_bytes(b"".join(_line(_Broke(broken)) for broken in kept))
        new.replace(self._file)

    def broke(self, fault: Fault, plain: str = "") -> None:
        """Write down what is broken from now on, or was for a time that is known already."""
        self._append(_Broke(Broken(fault, plain)))

    def healed(self, fault: Fault, at: float) -> None:
        """Write down that it lasts no more; what is said first counts."""
        self._append(_Healed(fault.at, fault.words, at))

    def note(self, note: Note) -> None:
        """Write down a step, or what somebody did."""
        self._append(_Noted(note))

    def faults(self) -> tuple[Fault, ...]:
        """Return all that was broken, in that order, with when it was healed."""
        return tuple(broken.fault for broken in self._broken())

    def lasting(self) -> tuple[Broken, ...]:
        """Return what was not healed, in the order in which it was broken."""
        return tuple(broken for broken in self._broken() if broken.fault.until is None)

    def notes(self) -> tuple[Note, ...]:
        """Return what was noted, in that order."""
        return tuple(event.note for event in self._read() if isinstance(event, _Noted))

    def _broken(self) -> list[Broken]:
        found: dict[tuple[float, str], Broken] = {}
        for event in self._read():
            if isinstance(event, _Broke):
                found[event.broken.fault.at, event.broken.fault.words] = event.broken
            elif isinstance(event, _Healed):
                was = found.get((event.began, event.words))
                if was and was.fault.until is None:
                    fault = msgspec.structs.replace(was.fault, until=event.at)
                    found[event.began, event.words] = Broken(fault, was.plain)
        return list(found.values())

    def _read(self) -> list[_Event]:
        lines = self._file.read_bytes().split(b"\n") if self._file.exists() else []
        events = []
        for line in filter(None, lines):
            try:
                events.append(msgspec.json.decode(line, type=_Event))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
        return events

    def _append(self, event: _Event) -> None:
        with self._file.open("ab", buffering=0) as file:
            file.write(_line(event))


def _line(event: _Event) -> bytes:
    """Return its line: ended before it too, so that a torn one spoils no other."""
    return b"\n" + msgspec.json.encode(event) + b"\n"

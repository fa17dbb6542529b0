"""Log lines on standard error: time, level, where, what; for people, for the journal, or JSON."""

import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7))
"""The least level of each syslog priority that is used (RFC 5424 section 6.2.1)."""
_KNOWN = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime"))
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), 127)}
"""Names of tasks stand in messages: none may begin a line, or speak to a terminal."""

_HANDLER = logging.StreamHandler(sys.stderr)


class Plain(logging.Formatter):
    """Lines for people: ``2026-11-27 12:00:00,000 INFO    pointsman: ready``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line, before a traceback if there is one."""
        record.message = record.message.translate(_CONTROLS)
        return super().formatMessage(record)


class Journal(Plain):
    """The same for systemd's journal, which knows the time: each line begins with its priority.

    That is ``<4>`` for a warning (sd-daemon(3)).
    """

    def __init__(self) -> None:
        logging.Formatter.__init__(self, "%(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines; those of a traceback have their priority as well."""
        priority = next((p for level, p in _PRIORITIES if record.levelno >= level), 7)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


class Json(logging.Formatter):
    """One object a line: time, level, logger, message, the fields that were given, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; what is no JSON stands as its text."""
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields = {key: value for key, value in vars(record).items() if key not in _KNOWN}
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode({**fields, **said}, enc_hook=str).decode()


def formatter(format_: str, *, journal: bool) -> logging.Formatter:
    """Return what makes lines of this format (``plain`` or ``json``)."""
    if format_ == "json":
        return Json()
    return Journal() if journal else Plain()


def to_journal(environ: Mapping[str, str], descriptor: int) -> bool:
    """Tell whether a descriptor leads to systemd's journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        there = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM", "") == f"{there.st_dev}:{there.st_ino}"


def set_up(level: str, format_: str = "plain") -> None:
    """Write lines of this level and above; call again to change level or format."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(_HANDLER)
    _HANDLER.setFormatter(formatter(format_, journal=to_journal(os.environ, 2)))
    root.setLevel(level.upper())
    # pyroute2 and asyncio say much below warning that is of no use to an operator.
    for name in ("pyroute2", "asyncio", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.WARNING)

import json
import logging
import os
import subprocess
import sys

import pytest

from pointsman import log

SAYING = (
    "import logging; from pointsman import log; log.set_up('warning'); log.set_up('info', {!r});"
    "logging.getLogger('pointsman').info('said'); logging.getLogger('pointsman').debug('not')"
)


def said(format_: str) -> str:
    """Return what a program writes, and see that it is not on standard output."""
    command = [sys.executable, "-c", SAYING.format(format_)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr


def record(message: str, *words: object, level: int = logging.WARNING, **fields: object) -> str:
    made = {"name": "pointsman", "levelno": level, "levelname": logging.getLevelName(level)}
    one = logging.makeLogRecord({**made, "msg": message, "args": words, "created": 0.25, **fields})
    return f"{log.Plain().format(one)}\0{log.Journal().format(one)}\0{log.Json().format(one)}"


def test_lines_go_to_standard_error_from_their_level_on() -> None:
    (line,) = said("plain").splitlines()
    assert line.endswith("INFO    pointsman: said")


def test_the_format_changes_as_the_level_does() -> None:
    assert json.loads(said("json"))["message"] == "said"


def test_a_line_of_json_has_its_fields_and_the_exception() -> None:
    try:
        raise OSError("full")
    except OSError:
        text = record("%s: %d", "web", 2, kind="health", at={1.5}, exc_info=sys.exc_info())
    line = text.split("\0")[2]
    assert "\n" not in line
    found = json.loads(line)
    assert found.pop("exception").splitlines()[-1] == "OSError: full"
    assert found == {
        "time": "1970-01-01T00:00:00.250+00:00",
        "level": "warning",
        "logger": "pointsman",
        "message": "web: 2",
        "kind": "health",
        "at": [1.5],
    }


def test_a_field_can_not_take_the_place_of_what_is_said() -> None:
    found = json.loads(record("true", level=logging.ERROR, time="never").split("\0")[2])
    assert (found["time"], found["message"]) == ("1970-01-01T00:00:00.250+00:00", "true")


@pytest.mark.parametrize(
    ("level", "priority"),
    [("debug", 7), ("info", 6), ("warning", 4), ("error", 3), ("critical", 3)],
)
def test_the_journal_is_told_the_priority_and_no_time(level: str, priority: int) -> None:
    number = logging.getLevelNamesMapping()[level.upper()]
    assert record("gone", level=number).split("\0")[1] == f"<{priority}>pointsman: gone"


def test_the_lines_of_a_traceback_have_the_priority_of_the_first() -> None:
    lines = record("gone", exc_text="Traceback\n  why").split("\0")[1].splitlines()
    assert lines == ["<4>pointsman: gone", "<4>Traceback", "<4>  why"]


def test_what_a_task_is_called_begins_no_line_and_speaks_to_no_terminal() -> None:
    plain, journal, _ = record("%s", "a\n<0>b\x1b[31m\x7f").split("\0")
    assert plain.endswith(r"pointsman: a\x0a<0>b\x1b[31m\x7f")
    assert journal == r"<4>pointsman: a\x0a<0>b\x1b[31m\x7f"


def test_the_journal_is_there_if_the_descriptor_is_the_one_that_the_environment_names() -> None:
    here, there = os.pipe()
    stat = os.fstat(there)
    named = {"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"}
    assert log.to_journal(named, there)
    assert not log.to_journal({}, there)
    assert not log.to_journal({"JOURNAL_STREAM": "8:1"}, there)
    os.close(there)
    assert not log.to_journal(named, there)
    os.close(here)
    assert isinstance(log.formatter("plain", journal=True), log.Journal)
    assert isinstance(log.formatter("json", journal=True), log.Json)


def test_the_chatter_of_libraries_is_left_out() -> None:
    root = logging.getLogger()
    before = root.level
    try:
        log.set_up("debug")
        assert not logging.getLogger("pyroute2").isEnabledFor(logging.INFO)
    finally:
        root.setLevel(before)

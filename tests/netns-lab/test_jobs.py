import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointlab.site.jobs import Job, serve_jobs
from pointlab.site.process import wait_for


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Path]:
    end = threading.Event()
    serving = threading.Thread(target=serve_jobs, args=(tmp_path, end.is_set))
    serving.start()
    yield tmp_path
    end.set()
    serving.join()


def run(spool: Path, script: str, given: bytes = b"", **environment: str) -> tuple[int, str, str]:
    """Run a shell script as a job; return its status, output and errors."""
    job = Job.make(spool, ["sh", "-c", script], environment)
    read, write = os.pipe()
    os.write(write, given)
    os.close(write)
    job.feed(read)
    os.close(read)
    output, errors = io.BytesIO(), io.BytesIO()
    status = job.follow(output, errors, lambda: True)
    job.remove()
    return status, output.getvalue().decode(), errors.getvalue().decode()


def test_output_errors_and_status_come_back_apart(spool: Path) -> None:
    assert run(spool, "echo out; echo err >&2; exit 7") == (7, "out\n", "err\n")


def test_input_goes_in_up_to_its_end(spool: Path) -> None:
    assert run(spool, "cat; echo end", b"one\ntwo\n") == (0, "one\ntwo\nend\n", "")


def test_environment_is_put_over_the_other_sides(spool: Path) -> None:
    assert run(spool, 'echo "$COLOUR" ${PATH:+path}', COLOUR="blue") == (0, "blue path\n", "")


def test_command_ended_by_a_signal_has_a_shells_status(spool: Path) -> None:
    assert run(spool, "kill -9 $$") == (137, "", "")


def test_interrupt_ends_a_command_with_its_children(spool: Path) -> None:
    ready = spool / "ready"
    job = Job.make(spool, ["sh", "-c", f"touch {ready}; sleep 1000; true"], {})
    wait_for(ready.exists, "the command")
    job.interrupt()

    assert job.follow(io.BytesIO(), io.BytesIO(), lambda: True) == 130


def test_command_that_ignores_an_interrupt_is_killed(spool: Path) -> None:
    ready = spool / "ready"
    job = Job.make(spool, ["sh", "-c", f"trap '' INT; touch {ready}; sleep 1000; true"], {})
    wait_for(ready.exists, "the trap")
    job.interrupt()

    assert job.follow(io.BytesIO(), io.BytesIO(), lambda: True) == 137


def test_other_side_that_is_gone_is_an_error(tmp_path: Path) -> None:
    job = Job.make(tmp_path, ["true"], {})

    with pytest.raises(OSError, match="gone"):
        job.follow(io.BytesIO(), io.BytesIO(), lambda: False)

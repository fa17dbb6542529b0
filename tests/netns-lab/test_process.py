import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointlab.site.process import Processes, wait_for, with_variable


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    for name in started.names():
        started.stop(name, signal.SIGKILL)


def test_process_is_known_by_name_with_its_log(processes: Processes) -> None:
    processes.start("one", ["sh", "-c", "echo here; exec sleep 1000"])

    assert processes.names() == ["one"]
    assert processes.alive("one")
    wait_for(lambda: processes.log("one").read_text() == "here\n", "the log")


def test_stopped_process_is_gone_and_can_be_started_again(processes: Processes) -> None:
    processes.start("one", ["sleep", "1000"])
    first = processes.pid("one")

    processes.stop("one")
    assert not processes.alive("one")

    processes.start("one", ["sleep", "1000"])
    assert processes.alive("one")
    assert processes.pid("one") != first


def test_process_that_runs_is_not_started_twice(processes: Processes) -> None:
    processes.start("one", ["sleep", "1000"])
    first = processes.pid("one")

    processes.start("one", ["sleep", "1000"])

    assert processes.pid("one") == first


def test_paused_process_is_alive_and_can_be_stopped(processes: Processes) -> None:
    processes.start("one", ["sleep", "1000"])

    processes.send("one", signal.SIGSTOP)
    assert processes.alive("one")

    processes.stop("one")
    assert not processes.alive("one")


def test_later_run_knows_the_processes_of_an_earlier_one(processes: Processes) -> None:
    processes.start("one", ["sleep", "1000"])

    later = Processes(processes.folder)

    assert later.names() == ["one"]
    assert later.alive("one")


def test_another_process_of_the_same_number_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "processes.json").write_text(f'{{"one": [{os.getpid()}, 1]}}')

    assert not Processes(tmp_path).alive("one")


def test_process_is_found_by_its_environment() -> None:
    with subprocess.Popen(["sleep", "1000"], env={"LAB_TEST": "web.1", "PATH": "/bin"}) as child:
        try:
            assert with_variable("LAB_TEST", "web.1") == [child.pid]
            assert with_variable("LAB_TEST", "web.") == []
        finally:
            child.kill()


def test_waiting_in_vain_says_for_what_and_why() -> None:
    def refused() -> bool:
        raise ConnectionRefusedError("no")

    with pytest.raises(TimeoutError, match=r"the master \(no\)"):
        wait_for(refused, "the master", 0.01)

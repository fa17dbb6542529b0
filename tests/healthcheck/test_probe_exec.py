import asyncio
import os
import select
import signal
import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.healthcheck.model import Exec, Failed, Outcome, Place, Result
from pointsman.healthcheck.probe_exec import judge, probe

PLACE = Place("192.0.2.1", 8080, 10.0)


async def result(*words: str, place: Place = PLACE) -> Result:
    try:
        return await probe(Exec("check", words), place)
    except Failed as failed:
        return failed.result


def run(*words: str, timeout: float = 10.0) -> Result:
    return asyncio.run(result(*words, place=Place(PLACE.address, PLACE.port, timeout)))


def shell(script: str, timeout: float = 10.0) -> Result:
    return run("/bin/sh", "-c", script, timeout=timeout)


def descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 - links that are gone are fine


def zombies() -> bool:
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> object:
    before = descriptors()
    yield
    assert descriptors() == before
    assert not zombies()


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("exit 0", Result(Outcome.GOOD, "")),
        ("echo all is well; echo more", Result(Outcome.GOOD, "all is well")),
        ("exit 1", Result(Outcome.GOOD, "warning")),
        (
            "echo disk is nearly full >&2; exit 1",
            Result(Outcome.GOOD, "warning: disk is nearly full"),
        ),
        ("echo; echo '  no disk '; exit 2", Result(Outcome.BAD, "critical: no disk")),
        ("exit 3", Result(Outcome.BAD, "unknown")),
        ("echo bad; exit 200", Result(Outcome.BAD, "exit status 200: bad")),
        ("kill -SEGV $$", Result(Outcome.BAD, "died by SIGSEGV")),
        ("kill -40 $$", Result(Outcome.BAD, "died by signal 40")),
    ],
)
def test_the_exit_status_and_the_first_line_tell(script: str, found: Result) -> None:
    assert shell(script) == found


def test_address_and_port_stand_where_the_words_say() -> None:
    assert run("echo", "{address}:{port}", "{other}") == Result(
        Outcome.GOOD, "192.0.2.1:8080 {other}"
    )


def test_no_shell_reads_the_words() -> None:
    assert run("echo", "$HOME;", "`id`", "a  b") == Result(Outcome.GOOD, "$HOME; `id` a  b")


def test_the_environment_is_only_what_is_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    script = "tr '\\0' ' ' < /proc/self/environ"
    words = shell(script).reason.split()
    assert sorted(words) == sorted(
        ["PATH=/usr/bin:/bin", "POINTSMAN_ADDRESS=192.0.2.1", "POINTSMAN_PORT=8080"]
    )


def test_it_runs_in_the_root_with_no_input_in_a_session_of_its_own() -> None:
    assert shell("pwd").reason == "/"
    assert shell("readlink /proc/self/fd/0").reason == "/dev/null"
    leader, session = shell("echo $$ $(cut -d' ' -f6 /proc/self/stat)").reason.split()
    assert leader == session


def test_it_inherits_no_other_descriptors() -> None:
    with socket.socket() as open_:
        os.set_inheritable(open_.fileno(), True)
        assert shell("echo $(ls /proc/$$/fd)").reason.split()[:3] == ["0", "1", "2"]
        assert str(open_.fileno()) not in shell("echo $(ls /proc/$$/fd)").reason.split()


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("/nowhere/check", "No such file or directory"),
        ("nowhere-in-path", "No such file or directory"),
        ("/etc/passwd", "Permission denied"),
        ("/etc", "Permission denied"),
        ("a\0b", "embedded null byte"),
    ],
)
def test_a_program_that_cannot_be_run_is_untried(word: str, reason: str) -> None:
    assert run(word) == Result(Outcome.UNTRIED, f"{word}: {reason}")


def test_a_file_that_is_no_program_is_untried(tmp_path: Path) -> None:
    file = tmp_path / "check"
    file.write_bytes(b"\x7fnonsense")
    file.chmod(0o755)
    assert run(str(file)) == Result(Outcome.UNTRIED, f"{file}: Exec format error")


def test_a_host_without_descriptors_is_not_the_target_s_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(_: int) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", none)
    assert run("sleep", "1000") == Result(Outcome.UNTRIED, "sleep: Too many open files")


def gone(pids: Path) -> bool:
    """Tell whether all these processes end; they are another's children by now."""
    for pid in pids.read_text().split():
        try:
            pidfd = os.pidfd_open(int(pid))
        except ProcessLookupError:
            continue
        try:
            if not select.select([pidfd], [], [], 10.0)[0]:
                return False
        finally:
            os.close(pidfd)
    return True


def test_it_is_killed_at_the_timeout_with_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    found = shell(f"trap '' TERM HUP INT; sleep 1000 & echo $! $$ > {pids}; wait; sleep 1000", 0.5)
    assert found == Result(Outcome.SLOW, "not ended within 0.5 s")
    assert len(pids.read_text().split()) == 2
    assert gone(pids)


def test_what_it_leaves_behind_is_killed_and_not_waited_for(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    assert shell(f"sleep 1000 & echo $! > {pids}; echo fine") == Result(Outcome.GOOD, "fine")
    assert gone(pids)


def test_it_may_close_its_output_and_go_on() -> None:
    assert shell("exec >&- 2>&-; exit 1") == Result(Outcome.GOOD, "warning")
    assert shell("exec >&- 2>&-; sleep 1000", 0.2).outcome == Outcome.SLOW


def test_a_long_output_holds_nothing_up() -> None:
    assert shell("echo first; head -c 10000000 /dev/zero; exit 1") == Result(
        Outcome.GOOD, "warning: first"
    )


def test_an_endless_output_ends_at_the_timeout() -> None:
    assert run("yes", timeout=0.2) == Result(Outcome.SLOW, "not ended within 0.2 s")


def test_a_long_line_is_cut() -> None:
    assert shell("head -c 100000 /dev/zero | tr '\\0' a; exit 2") == Result(
        Outcome.BAD, "critical: " + "a" * 200
    )


def test_a_probe_that_is_given_up_leaves_nothing_behind() -> None:
    async def test() -> None:
        task = asyncio.create_task(result("sleep", "1000"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(test())


def test_many_run_at_once_in_a_loop_of_another_thread() -> None:
    found: list[Result] = []

    async def test() -> None:
        found.extend(await asyncio.gather(*(result("echo", str(n)) for n in range(20))))

    thread = threading.Thread(target=lambda: asyncio.run(test()))
    thread.start()
    thread.join()
    assert found == [Result(Outcome.GOOD, str(n)) for n in range(20)]


def test_a_signal_to_this_process_group_does_not_reach_it() -> None:
    assert shell("cut -d' ' -f5 /proc/self/stat").reason != str(os.getpgrp())


@given(st.integers(-signal.NSIG, 255), st.binary(max_size=400))
def test_random_octets_make_a_reason_that_can_be_printed(status: int, output: bytes) -> None:
    try:
        found = judge(status, output)
    except Failed as failed:
        found = failed.result
    assert (found.outcome == Outcome.GOOD) == (status in (0, 1))
    assert found.reason.isprintable()
    assert len(found.reason) < 230

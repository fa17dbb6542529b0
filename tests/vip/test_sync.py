import pytest

from pointsman.vip.sync import Daemon, Sync, named, read, wanted


def test_the_roles_are_daemons_that_tell_and_that_listen() -> None:
    master, backup = Daemon("master", "eth0", 7), Daemon("backup", "eth0", 7)
    assert wanted(Sync("eth0", 7)) == {master, backup}
    assert wanted(Sync("eth0", 7, "master")) == {master}
    assert wanted(Sync("eth0", 7, "backup")) == {backup}
    assert wanted(Sync()) == frozenset()


@pytest.mark.parametrize(
    "daemon", [Daemon("master", "eth0", 7), Daemon("backup", "bond0.100", 255)]
)
def test_what_is_written_is_read(daemon: Daemon) -> None:
    assert read(bytes(4) + named(daemon)) == daemon


@pytest.mark.parametrize("body", [b"", bytes(8), bytes(4) + named(Daemon("master", "e", 1))[:-4]])
def test_what_is_no_daemon_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="not a sync daemon"):
        read(body)

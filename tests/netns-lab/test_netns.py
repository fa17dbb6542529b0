import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointlab.site import netns


@pytest.fixture
def unnamed() -> Iterator[str]:
    """A namespace without a name, as a container's: that of a process."""
    with subprocess.Popen(
        ["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"in\n")
        process.stdin.flush()
        process.stdout.readline()  # it is in there
        yield f"/proc/{process.pid}/ns/net"
        process.stdin.close()


def test_namespace_without_a_name_is_entered_by_its_path(unnamed: str) -> None:
    home = Path("/proc/thread-self/ns/net").readlink()

    with netns.inside(unnamed):
        assert Path("/proc/thread-self/ns/net").readlink() == Path(unnamed).readlink() != home
    assert Path("/proc/thread-self/ns/net").readlink() == home
    assert netns.exists(unnamed)
    assert netns.inode(unnamed) != netns.inode("/proc/self/ns/net")


def test_one_that_is_not_there_is_said() -> None:
    assert not netns.exists("lab-nowhere")
    with pytest.raises(FileNotFoundError, match="lab-nowhere"), netns.inside("lab-nowhere"):
        pass

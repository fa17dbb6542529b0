import ctypes
import errno
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from pointsman.discovery.errors import Fatal, Transient
from pointsman.discovery.model import Note
from pointsman.vip import namespaces
from pointsman.vip.namespaces import Namespace, inside, read

_NEWNET = 0x4000_0000
_CAP_SYS_ADMIN = 21
_HERE = "/proc/thread-self/ns/net"
libc = ctypes.CDLL(None, use_errno=True)


def inode(path: str) -> int:
    return Path(path).stat().st_ino


def lose_the_right() -> None:
    """Take CAP_SYS_ADMIN from the calling thread alone."""
    header = (ctypes.c_uint32 * 2)(0x2008_0522, 0)  # _LINUX_CAPABILITY_VERSION_3
    data = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, data) == 0
    data[0] &= ~(1 << _CAP_SYS_ADMIN)
    assert libc.capset(header, data) == 0


def _new() -> int:
    """Return a descriptor of a new network namespace, made by a thread that then ends."""

    def make() -> int:
        assert libc.unshare(_NEWNET) == 0, os.strerror(ctypes.get_errno())
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(make).result()


@pytest.fixture
def new() -> Iterator[Callable[[], str]]:
    """Give what makes a network namespace and returns its path."""
    if os.getuid():
        pytest.skip("a network namespace needs root")
    with ExitStack() as stack:

        def make() -> str:
            descriptor = _new()
            stack.callback(os.close, descriptor)
            return f"/proc/self/fd/{descriptor}"

        yield make


def named(name: str, path: str) -> Namespace:
    return Namespace(name, path, inode(path))


def links() -> list[str]:
    return [name for _, name in socket.if_nameindex()]


def test_a_file_names_a_container_and_holds_the_path_of_its_namespace(
    tmp_path: Path, new: Callable[[], str]
) -> None:
    one, two, third = new(), new(), new()
    (tmp_path / "b5e0").write_text(one)
    (tmp_path / "c7aa").write_text(f"{two}\n")
    found, notes = read(tmp_path, [third])
    assert found == {named("b5e0", one), named("c7aa", two), named(third, third)}
    assert notes == ()
    (tmp_path / "b5e0").unlink()
    assert read(tmp_path, [])[0] == {named("c7aa", two)}


def test_another_namespace_behind_the_same_path_is_another(
    tmp_path: Path, new: Callable[[], str]
) -> None:
    path = tmp_path / "netns"
    path.symlink_to(new())
    before, _ = read(tmp_path / "none", [str(path)])
    path.unlink()
    path.symlink_to(new())
    after, _ = read(tmp_path / "none", [str(path)])
    assert before != after


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert read(tmp_path / "none", []) == (frozenset(), ())


def test_a_folder_that_is_none_is_noted(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    note = Note(f"network namespaces in {tmp_path}/file", "Not a directory")
    assert read(tmp_path / "file", []) == (frozenset(), (note,))


def test_what_names_no_namespace_is_left_out_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").write_text("netns/blue")
    (tmp_path / "c").write_bytes(b"/\x00\xff")
    (tmp_path / "d").write_text("/proc/0/ns/net")
    (tmp_path / "e").write_text(str(tmp_path / "a"))
    (tmp_path / "f").write_text("/proc/self/ns/uts")
    (tmp_path / "g").mkdir()
    os.mkfifo(tmp_path / "h")
    (tmp_path / "i").symlink_to(tmp_path / "gone")
    found, notes = read(tmp_path, [])
    assert found == frozenset()
    assert [(n.where.removeprefix("network namespace "), n.why) for n in notes] == [
        ("a", "its file is empty"),
        ("b", "'netns/blue' is not a path"),
        ("c", "'/\\x00\ufffd' is not a path"),
        ("d", "/proc/0/ns/net: No such file or directory"),
        ("e", f"{tmp_path}/a is no network namespace"),
        ("f", "/proc/self/ns/uts is a namespace of another kind"),
        ("g", "its file: Is a directory"),
        ("h", "its file is empty"),
    ]


def test_the_own_namespace_is_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "host").write_text("/proc/self/ns/net")
    why = "/proc/self/ns/net is the namespace of this process"
    assert read(tmp_path, []) == (frozenset(), (Note("network namespace host", why),))


def test_a_second_name_of_a_namespace_is_left_out(tmp_path: Path, new: Callable[[], str]) -> None:
    path = new()
    (tmp_path / "again").write_text(path)
    (tmp_path / "more").write_text(path)
    found, notes = read(tmp_path, [path])
    assert found == {named(path, path)}
    assert notes == (
        Note("network namespace again", f"{path} is the namespace of {path}"),
        Note("network namespace more", f"{path} is the namespace of {path}"),
    )


def test_a_thread_is_inside_with_its_sockets_and_children_and_then_back(
    new: Callable[[], str],
) -> None:
    path = new()
    home = inode(_HERE)
    with inside(path):
        subprocess.run(["ip", "link", "add", "made-there", "type", "veth"], check=True)
        assert "made-there" in links()
        assert Path("/proc/sys/net/ipv4/conf/made-there").exists()
        assert inode(_HERE) == inode(path)
    assert "made-there" not in links()
    assert not Path("/proc/sys/net/ipv4/conf/made-there").exists()
    assert inode(_HERE) == home


def test_an_error_inside_leads_out(new: Callable[[], str]) -> None:
    home = inode(_HERE)
    with pytest.raises(KeyError), inside(new()):
        raise KeyError
    assert inode(_HERE) == home


def test_one_that_is_gone_or_none_is_transient() -> None:
    with pytest.raises(Transient, match=r"/nowhere: No such file"), inside("/nowhere"):
        pass
    if os.getuid() == 0:
        with pytest.raises(Transient, match="it is no network namespace"), inside("/dev/null"):
            pass


def test_without_the_right_to_it_the_capability_is_named(new: Callable[[], str]) -> None:
    path = new()

    def enter() -> str:
        lose_the_right()
        with pytest.raises(Transient) as caught, inside(path):
            pass
        return str(caught.value)

    with ThreadPoolExecutor(1) as pool:
        assert "needs CAP_SYS_ADMIN" in pool.submit(enter).result()


def test_a_thread_that_can_not_come_back_must_end(new: Callable[[], str]) -> None:
    path = new()

    def stay() -> str:
        with pytest.raises(Fatal) as caught, inside(path):
            lose_the_right()
        return str(caught.value)

    with ThreadPoolExecutor(1) as pool:
        assert "can't come back" in pool.submit(stay).result()


def test_errors_of_the_kernel_are_said_in_words() -> None:
    assert namespaces._why(OSError(errno.ENOMEM, "Cannot allocate memory")) == (
        "Cannot allocate memory"
    )

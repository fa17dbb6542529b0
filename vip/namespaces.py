"""The further network namespaces that VIPs are programmed in, and stepping inside them.

DC/OS's convention for containers with a network namespace of their own (CNI plugin ``dcos-l4lb``):
in a folder, ``/var/run/dcos/cni/l4lb``, a file for each, named by the container's id, holds the
path of its namespace.
"""

import ctypes
import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import msgspec

from pointsman.discovery.errors import Fatal, Transient
from pointsman.discovery.model import Note

OWN = "/proc/self/ns/net"
"""The namespace of this process: of its main thread, which never moves."""

_HERE = "/proc/thread-self/ns/net"
_NEWNET = 0x4000_0000  # CLONE_NEWNET
_GET_TYPE = 0xB703  # NS_GET_NSTYPE, linux/nsfs.h
_LONGEST = 4096  # PATH_MAX
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe must not be waited for

_libc = ctypes.CDLL(None, use_errno=True)


class Namespace(msgspec.Struct, frozen=True, order=True):
    """A network namespace, to be known by all three."""

    name: str
    """The container's id; for a configured one its path."""
    path: str
    """For instance ``/proc/123/ns/net`` or ``/run/netns/blue``."""
    inode: int = 0
    """Its number: another one behind the same path has another."""


def read(folder: Path, paths: Sequence[str]) -> tuple[frozenset[Namespace], tuple[Note, ...]]:
    """Return the namespaces there are now, the configured ones at ``paths`` among them.

    What is none, is this process's own, or was named already is left out with a Note. A folder
    that does not exist is an empty one.
    """
    found: list[Namespace] = []
    own = Path(OWN).stat()
    notes: list[Note] = []
    known = {(own.st_dev, own.st_ino): "this process"}
    for name, path in chain(zip(paths, paths, strict=True), _files(folder, notes)):
        try:
            mark = _identity(path)
        except ValueError as error:
            notes.append(Note(f"network namespace {name}", str(error)))
            continue
        if mark in known:
            why = f"{path} is the namespace of {known[mark]}"
            notes.append(Note(f"network namespace {name}", why))
            continue
        known[mark] = name
        found.append(Namespace(name, path, mark[1]))
    return frozenset(found), tuple(notes)


def _files(folder: Path, notes: list[Note]) -> Iterator[tuple[str, str]]:
    """Yield name and content of each file, in order."""
    try:
        files = sorted(folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        notes.append(Note(f"network namespaces in {folder}", error.strerror or str(error)))
        return
    for file in files:
        try:
            yield file.name, _content(file)
        except FileNotFoundError:
            pass  # It went since.
        except OSError as error:
            notes.append(Note(f"network namespace {file.name}", f"its file: {error.strerror}"))


def _content(path: Path) -> str:
    file = os.open(path, _OPEN)
    try:
        return os.read(file, _LONGEST).decode(errors="replace").strip()
    finally:
        os.close(file)


def _identity(path: str) -> tuple[int, int]:
    """Return device and inode of a network namespace; raises ValueError, which says why not."""
    if not path:
        raise ValueError("its file is empty")
    if not path.startswith("/") or not path.isprintable():
        raise ValueError(f"{path[:100]!r} is not a path")
    try:
        file = os.open(path, _OPEN)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    try:
        if fcntl.ioctl(file, _GET_TYPE) != _NEWNET:
            raise ValueError(f"{path} is a namespace of another kind")
        found = os.fstat(file)
    except OSError as error:
        raise ValueError(f"{path} is no network namespace") from error
    finally:
        os.close(file)
    return found.st_dev, found.st_ino


@contextmanager
def inside(path: str) -> Iterator[None]:
    """Have the calling thread be in a namespace; its sockets and child processes stay there.

    Raises Transient when it can't be entered, and Fatal when the thread can't come back: it must
    then do nothing more.
    """
    home = _opened(_HERE)
    try:
        there = _opened(path)
        try:
            _enter(there)
        except OSError as error:
            raise Transient(f"network namespace {path} can't be entered: {_why(error)}") from error
        finally:
            os.close(there)
        try:
            yield
        finally:
            try:
                _enter(home)
            except OSError as error:
                problem = f"a thread can't come back from network namespace {path}: {_why(error)}"
                raise Fatal(problem) from error
    finally:
        os.close(home)


def _opened(path: str) -> int:
    try:
        return os.open(path, _OPEN)
    except OSError as error:
        raise Transient(f"network namespace {path}: {error.strerror}") from error


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _why(error: OSError) -> str:
    if error.errno == errno.EPERM:
        return "that needs CAP_SYS_ADMIN: run as root, or give the unit that capability"
    if error.errno == errno.EINVAL:
        return "it is no network namespace"
    return error.strerror or str(error)

"""What errors of sockets mean, and that packets carry the mark."""

import asyncio
import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from pointsman.healthcheck.connecting import answered_in, connect, connected_in, failed, opened
from pointsman.healthcheck.model import Failed, Outcome, Place, Result

LOCALHOST = "127.0.0.1"


def meaning(number: int) -> Result:
    return failed(OSError(number, os.strerror(number))).result


def outcome(run: Callable[[], object]) -> Result:
    with pytest.raises(Failed) as caught:
        run()
    return caught.value.result


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ECONNREFUSED, Outcome.REFUSED),
        (errno.EHOSTUNREACH, Outcome.UNREACHABLE),
        (errno.EHOSTDOWN, Outcome.UNREACHABLE),
        (errno.ETIMEDOUT, Outcome.UNREACHABLE),
        (errno.ECONNRESET, Outcome.BAD),
        (errno.EPIPE, Outcome.BAD),
        (errno.EPROTO, Outcome.BAD),
        (errno.EADDRNOTAVAIL, Outcome.UNTRIED),
        (errno.EMFILE, Outcome.UNTRIED),
        (errno.ENFILE, Outcome.UNTRIED),
        (errno.ENOBUFS, Outcome.UNTRIED),
        (errno.ENOMEM, Outcome.UNTRIED),
        (errno.ENETUNREACH, Outcome.UNTRIED),
        (errno.ENETDOWN, Outcome.UNTRIED),
        (errno.EPERM, Outcome.UNTRIED),
        (errno.EACCES, Outcome.UNTRIED),
        (errno.EAFNOSUPPORT, Outcome.UNTRIED),
    ],
)
def test_an_error_is_of_the_target_or_of_this_side(number: int, expected: Outcome) -> None:
    assert meaning(number).outcome is expected
    assert meaning(number).reason


def test_an_error_without_a_number_keeps_its_words() -> None:
    assert failed(OSError("odd")).result == Result(Outcome.BAD, "odd")
    assert meaning(errno.EPROTO).reason == "Protocol error"


@pytest.mark.parametrize(
    ("address", "family"), [(LOCALHOST, socket.AF_INET), ("::1", socket.AF_INET6)]
)
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_socket_is_of_the_address_family(
    address: str, family: socket.AddressFamily, kind: socket.SocketKind
) -> None:
    with opened(Place(address, 80, 1.0), kind) as sock:
        assert (sock.family, sock.type) == (family, kind)
        assert not sock.getblocking()
    assert sock.fileno() == -1


@pytest.mark.skipif(os.geteuid() != 0, reason="a mark needs root")
@pytest.mark.parametrize("mark", [0, 7, 0xFFFF_FFFF])
def test_packets_carry_the_mark(mark: int) -> None:
    with opened(Place(LOCALHOST, 80, 1.0, mark), socket.SOCK_STREAM) as sock:
        carried = sock.getsockopt(socket.SOL_SOCKET, socket.SO_MARK)
        assert carried & 0xFFFF_FFFF == mark


def elsewhere(code: str) -> str:
    """Run this in a process of its own, whose rights and limits it may change."""
    start = """
import os, resource, socket
from pointsman.healthcheck.connecting import opened
from pointsman.healthcheck.model import Failed, Place
def attempt(place):
    try:
        with opened(place, socket.SOCK_STREAM):
            print("opened")
    except Failed as failed:
        print(failed.result.outcome, failed.result.reason, sep=": ")
"""
    command = [sys.executable, "-c", start + code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_no_file_left_is_no_fault_of_the_target() -> None:
    assert (
        elsewhere("""
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
attempt(Place("127.0.0.1", 80, 1.0))
""")
        == "untried: too many open files here"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
def test_a_mark_that_may_not_be_set_is_no_fault_of_the_target() -> None:
    assert (
        elsewhere("""
os.setuid(65534)
attempt(Place("127.0.0.1", 80, 1.0, 7))
""")
        == "untried: this process may not set marks, or a firewall here forbids it"
    )


def test_connecting_ends_when_its_time_is_over() -> None:
    with socket.socket() as listening, socket.socket() as first:
        listening.bind((LOCALHOST, 0))
        listening.listen(0)
        first.connect(listening.getsockname())
        place = Place(LOCALHOST, listening.getsockname()[1], 0.2)
        with opened(place, socket.SOCK_STREAM) as sock:
            assert outcome(lambda: asyncio.run(connect(sock, place))) == Result(
                Outcome.UNREACHABLE, "no connection within 0.2 s"
            )


def test_a_connection_ends_by_a_reset() -> None:
    with socket.create_server((LOCALHOST, 0)) as listening:
        place = Place(LOCALHOST, listening.getsockname()[1], 60.0)
        with opened(place, socket.SOCK_STREAM) as sock:
            asyncio.run(connect(sock, place))
            accepted, _ = listening.accept()
        with accepted, pytest.raises(ConnectionResetError):
            accepted.recv(1)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), Result(Outcome.UNREACHABLE, "no connection within 2 s")),
        (ConnectionRefusedError(errno.ECONNREFUSED, ""), meaning(errno.ECONNREFUSED)),
    ],
)
def test_while_connecting_late_means_unreachable(error: OSError, expected: Result) -> None:
    with pytest.raises(Failed) as caught, connected_in(Place(LOCALHOST, 80, 2.0)):
        raise error
    assert caught.value.result == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), Result(Outcome.SLOW, "no handshake within 0.5 s")),
        (ConnectionResetError(errno.ECONNRESET, ""), meaning(errno.ECONNRESET)),
    ],
)
def test_afterwards_late_means_slow(error: OSError, expected: Result) -> None:
    place = Place(LOCALHOST, 80, 0.5)
    with pytest.raises(Failed) as caught, answered_in(place, "handshake"):
        raise error
    assert caught.value.result == expected

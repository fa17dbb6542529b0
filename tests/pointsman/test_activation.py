import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pointsman.activation import Handed, dual, handed
from pointsman.config import parse
from pointsman.discovery.errors import Fatal
from pointsman.doubles import activated

DEPLOY = Path(__file__).parents[2] / "deploy"
UDP, TCP = socket.SOCK_DGRAM, socket.SOCK_STREAM


@pytest.fixture
def given() -> Iterator[ExitStack]:
    """Give what closes the sockets that the service manager of a test has."""
    with ExitStack() as stack:
        yield stack


def opened(
    stack: ExitStack, kind: socket.SocketKind, address: str, *, v6only: bool = True
) -> socket.socket:
    """Return a socket as a service manager has it."""
    one = stack.enter_context(
        socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    )
    if ":" in address:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    one.bind((address, 0))
    return one


def port(of: socket.socket) -> int:
    return int(of.getsockname()[1])


@pytest.mark.parametrize("kind", [UDP, TCP])
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_a_listener_has_the_socket_that_was_bound_for_its_address(
    given: ExitStack, kind: socket.SocketKind, address: str
) -> None:
    manager = opened(given, kind, address)
    ours = Handed(("dns", manager.dup()))
    with ours.bound(kind, address, port(manager)) as one:
        assert one.getsockname() == manager.getsockname()
        assert not one.getblocking()
        assert not one.get_inheritable()
    ours.close()


def test_other_kinds_addresses_and_ports_are_bound_anew(given: ExitStack) -> None:
    manager = opened(given, UDP, "127.0.0.1")
    ours = Handed(("dns", manager.dup()))
    for kind, address, number in (
        (TCP, "127.0.0.1", port(manager)),
        (UDP, "127.0.0.2", port(manager)),
        (UDP, "127.0.0.1", 0),
    ):
        with ours.bound(kind, address, number) as one:
            assert (one.type, one.getsockname()) != (UDP, manager.getsockname())
    with pytest.raises(Fatal, match="is taken"):
        ours.bound(UDP, "0.0.0.0", port(manager))
    ours.close()


def test_an_address_that_a_listener_gave_back_can_be_had_again(given: ExitStack) -> None:
    manager = opened(given, UDP, "127.0.0.1")
    ours = Handed(("dns", manager.dup()))
    ours.bound(UDP, "127.0.0.1", port(manager)).close()
    ours.close_unused()
    ours.bound(UDP, "127.0.0.1", port(manager)).close()
    ours.close()


def test_one_socket_for_both_families_is_that_of_each(given: ExitStack) -> None:
    both = opened(given, UDP, "::", v6only=False)
    ours = Handed(("dns", both.dup()))
    for address in ("0.0.0.0", "::"):
        with ours.bound(UDP, address, port(both)) as one:
            assert one.getsockname() == both.getsockname()
            assert dual(one)
    ours.close()


def test_what_no_listener_asked_for_is_said_once_and_closed(
    given: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    udp, tcp = opened(given, UDP, "127.0.0.1"), opened(given, TCP, "::1")
    local = given.enter_context(socket.socket(socket.AF_UNIX))
    ours = Handed(*((name, one.dup()) for name, one in (("a", udp), ("b", tcp), ("c", local))))
    with caplog.at_level(logging.WARNING):
        ours.close_unused()
        ours.close_unused()
    (said,) = caplog.messages
    assert f"UDP 127.0.0.1:{port(udp)} (a), TCP [::1]:{port(tcp)} (b), AF_UNIX (c)" in said
    with pytest.raises(Fatal, match="is taken"):
        ours.bound(UDP, "127.0.0.1", port(udp))


CHILD = """
import os, sys
from pointsman.activation import handed
ours = handed(os.environ, os.getpid())
with ours.bound(2, "127.0.0.1", int(sys.argv[1])) as one:
    print(one.recv(9).decode(), [key for key in os.environ if key.startswith("LISTEN")])
ours.close_unused()
ours.close()
"""


def test_sockets_are_taken_as_systemd_hands_them_over(given: ExitStack) -> None:
    manager = opened(given, UDP, "127.0.0.1")
    manager.sendto(b"early", manager.getsockname())  # before anybody is there to read
    reading, writing = os.pipe()
    sockets = {"dns": manager.fileno(), "pipe": reading}
    done = subprocess.run(
        activated([sys.executable, "-c", CHILD, str(port(manager))], sockets),
        pass_fds=sockets.values(),
        capture_output=True,
        text=True,
        check=True,
    )
    os.close(reading)
    os.close(writing)
    assert done.stdout == "early []\n"
    assert "pipe, handed over by the service manager: Socket operation on non-socket" in done.stderr


def test_sockets_for_another_process_are_left_alone() -> None:
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "2", "HOME": "/"}
    with socket.socket(socket.AF_INET, UDP) as holder:
        holder.bind(("127.0.0.1", 0))
        with pytest.raises(Fatal, match="is taken"):
            handed(environ, 2).bound(UDP, "127.0.0.1", port(holder))
    assert environ == {"HOME": "/"}


def test_the_deployed_sockets_are_those_of_the_deployed_configuration() -> None:
    config = parse((DEPLOY / "pointsman.toml").read_text())
    unit = (DEPLOY / "pointsman.socket").read_text()
    assert re.findall(r"^ListenDatagram=(.*)$", unit, re.MULTILINE) == [*config.dns.listen]
    assert re.findall(r"^ListenStream=(.*)$", unit, re.MULTILINE) == [
        *config.dns.listen,
        config.http.listen,
    ]

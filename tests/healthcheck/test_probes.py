"""That each kind of probe is asked by its own module; what each finds is tested there."""

import asyncio
import socket

import pytest

from pointsman.healthcheck.model import (
    Dns,
    Exec,
    Grpc,
    Http,
    Outcome,
    Place,
    Probe,
    Result,
    Tcp,
    Udp,
    kind,
)
from pointsman.healthcheck.probes import ask


@pytest.fixture
def nobody() -> Place:
    """Where nobody listens, neither by TCP nor by UDP."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return Place("127.0.0.1", port, 10.0)


@pytest.mark.parametrize("probe", [Tcp(), Http(), Grpc(), Dns(tcp=True), Udp(b"x", b"y")], ids=kind)
def test_each_finds_that_nobody_is_there(probe: Probe, nobody: Place) -> None:
    assert asyncio.run(ask(probe, nobody)).outcome is Outcome.REFUSED


def test_a_command_is_run_with_the_place(nobody: Place) -> None:
    probe = Exec("echo", ("/bin/echo", "{address}:{port}"))
    found = asyncio.run(ask(probe, nobody))
    assert found == Result(Outcome.GOOD, str(nobody))

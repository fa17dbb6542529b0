"""TCP probes of loopback addresses."""

import asyncio
import os
import socket
from collections.abc import Callable

import pytest

from pointsman.healthcheck.model import Failed, Outcome, Place, Result, Tcp
from pointsman.healthcheck.probe_tcp import probe

GOOD = Result(Outcome.GOOD, "connected")


def result(place: Place) -> Result:
    """Return what a probe gives or fails with."""
    try:
        return asyncio.run(probe(Tcp(), place))
    except Failed as failed:
        return failed.result


def listening_at(address: str, backlog: int = 5) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, 0), family=family, backlog=backlog)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_port_where_somebody_listens_is_good(address: str) -> None:
    with listening_at(address) as server:
        assert result(Place(address, server.getsockname()[1], 60.0)) == GOOD


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_port_where_nobody_listens_refuses(address: str) -> None:
    with listening_at(address) as server:
        port = server.getsockname()[1]
    assert result(Place(address, port, 60.0)) == Result(Outcome.REFUSED, "connection refused")


def test_a_full_backlog_is_unreachable() -> None:
    with listening_at("127.0.0.1", backlog=0) as server, socket.socket() as first:
        first.connect(server.getsockname())
        assert result(Place("127.0.0.1", server.getsockname()[1], 0.2)) == Result(
            Outcome.UNREACHABLE, "no connection within 0.2 s"
        )


def test_the_server_is_rid_of_the_connection_at_once() -> None:
    with listening_at("127.0.0.1") as server:
        assert result(Place("127.0.0.1", server.getsockname()[1], 60.0)) == GOOD
        accepted, _ = server.accept()
        with accepted, pytest.raises(ConnectionResetError):
            accepted.recv(1)


@pytest.mark.skipif(os.geteuid() != 0, reason="a mark needs root")
def test_a_mark_does_not_hinder() -> None:
    with listening_at("127.0.0.1") as server:
        assert result(Place("127.0.0.1", server.getsockname()[1], 60.0, 7)) == GOOD


def test_a_network_without_a_way_is_no_fault_of_the_target(network: Callable[[str], None]) -> None:
    assert result(Place("192.0.2.1", 80, 60.0)) == Result(
        Outcome.UNTRIED, "this host has no route to it"
    )


def test_a_way_that_leads_nowhere_is_unreachable(network: Callable[[str], None]) -> None:
    network("route add unreachable 192.0.2.0/24")
    assert result(Place("192.0.2.1", 80, 60.0)) == Result(Outcome.UNREACHABLE, "host unreachable")

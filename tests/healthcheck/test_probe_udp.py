import asyncio
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.healthcheck.model import Failed, Outcome, Place, Result, Udp
from pointsman.healthcheck.probe_udp import probe


def at(sock: socket.socket, timeout: float) -> Place:
    host, port = sock.getsockname()[:2]
    return Place(host, port, timeout)


async def result(spec: Udp, place: Place) -> Result:
    try:
        return await probe(spec, place)
    except Failed as failed:
        return failed.result


def run(
    spec: Udp, *answers: bytes, timeout: float = 5.0, host: str = "127.0.0.1"
) -> tuple[Result, bytes]:
    """Return what is found of a service that answers so, and what it was sent."""

    async def test() -> tuple[Result, bytes]:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as server:
            server.bind((host, 0))
            server.setblocking(False)
            place = Place(host, server.getsockname()[1], timeout)
            task = asyncio.create_task(result(spec, place))
            data, client = await asyncio.get_running_loop().sock_recvfrom(server, 65_535)
            for answer in answers:
                server.sendto(answer, client)
            return await task, data

    return asyncio.run(test())


@pytest.mark.parametrize("payload", [b"", b"ping", bytes(1400)])
def test_the_payload_is_sent_and_any_answer_is_good(payload: bytes) -> None:
    found, sent = run(Udp(payload), b"pong")
    assert found == Result(Outcome.GOOD, "answered 4 octets")
    assert sent == payload


def test_an_empty_answer_is_one() -> None:
    assert run(Udp(), b"")[0] == Result(Outcome.GOOD, "answered 0 octets")


def test_an_answer_that_begins_as_expected_is_good() -> None:
    assert run(Udp(b"ping", b"pong"), b"pong 1")[0].outcome == Outcome.GOOD


def test_another_answer_is_bad() -> None:
    found, _ = run(Udp(b"ping", b"pong"), b"\0" * 1000)
    assert found.outcome == Outcome.BAD
    assert found.reason.startswith("answered b'\\x00")
    assert found.reason.endswith("expected it to begin with b'pong'")
    assert run(Udp(b"ping", b"pong"), b"po", b"pong")[0].outcome == Outcome.BAD
    assert run(Udp(b"ping", b"pong"), b"")[0].outcome == Outcome.BAD


def test_silence_is_good_when_nothing_is_expected() -> None:
    assert run(Udp(), timeout=0.2)[0] == Result(Outcome.GOOD, "no answer, and not refused")


def test_silence_is_slow_when_an_answer_is_expected() -> None:
    found, _ = run(Udp(expect=b"pong"), timeout=0.2)
    assert found == Result(Outcome.SLOW, "no answer within 0.2 s")


@pytest.mark.parametrize("expect", [b"", b"pong"])
def test_where_nobody_listens_it_is_refused(expect: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        place = at(free, 5.0)
    found = asyncio.run(result(Udp(b"ping", expect), place))
    assert found == Result(Outcome.REFUSED, "connection refused")


def test_an_ipv6_service_is_asked() -> None:
    assert run(Udp(b"ping", b"pong"), b"pong", host="::1")[0].outcome == Outcome.GOOD


def test_the_answer_of_another_address_is_not_heard() -> None:
    async def test() -> Result:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger,
        ):
            server.bind(("127.0.0.1", 0))
            server.setblocking(False)
            task = asyncio.create_task(result(Udp(expect=b"a"), at(server, 0.2)))
            _, client = await asyncio.get_running_loop().sock_recvfrom(server, 512)
            forger.sendto(b"a", client)
            return await task

    assert asyncio.run(test()).outcome == Outcome.SLOW


@given(st.binary(max_size=100), st.binary(max_size=2))
@settings(max_examples=30, deadline=None)
def test_random_octets_are_good_exactly_when_they_begin_as_expected(
    data: bytes, expect: bytes
) -> None:
    good = run(Udp(expect=expect), data)[0].outcome == Outcome.GOOD
    assert good == data.startswith(expect)

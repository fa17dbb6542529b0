"""Calls between two ends of h2, without a connection."""

from collections.abc import Callable

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, StreamEnded
from hypothesis import given
from hypothesis import strategies as st

from pointsman.healthcheck import grpc_health
from pointsman.healthcheck.grpc_call import MOST, Call
from pointsman.healthcheck.model import Failed, Outcome, Result

HEADERS = ((":status", "200"), ("content-type", "application/grpc+proto"))
SERVING = b"\0\0\0\0\2\x08\1"
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
Says = Callable[[H2Connection], None]


def call() -> Call:
    return Call("web", "192.0.2.1:80", "http")


def received(of: Call, *parts: bytes) -> Result | None:
    try:
        for part in parts:
            if found := of.receive(part):
                return found
    except Failed as failed:
        return failed.result
    return None


def server(of: Call) -> tuple[H2Connection, list[Event]]:
    """Return the other end, and what it has seen."""
    other = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
    other.initiate_connection()
    return other, list(other.receive_data(of.sending()))


def answered(*says: Says) -> Result | None:
    """Return what is found of a server that says these, after its settings."""
    asking = call()
    other, _ = server(asking)
    for say in says:
        say(other)
    return received(asking, other.data_to_send())


def headers(*fields: tuple[str, str], end: bool = False) -> Says:
    return lambda other: other.send_headers(1, fields, end_stream=end)


def body(data: bytes) -> Says:
    return lambda other: other.send_data(1, data)


def good(status: str = "0", message: str = "", data: bytes = SERVING) -> Result | None:
    said = (("grpc-message", message),) if message else ()
    return answered(
        headers(*HEADERS), body(data), headers(("grpc-status", status), *said, end=True)
    )


def test_the_call_is_as_grpc_wants_it() -> None:
    _, events = server(call())
    (asked,) = (event for event in events if isinstance(event, RequestReceived))
    assert {str(name): str(value) for name, value in asked.headers} == {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/grpc.health.v1.Health/Check",
        ":authority": "192.0.2.1:80",
        "te": "trailers",
        "content-type": "application/grpc",
        "user-agent": "pointsman",
    }
    (data,) = (event for event in events if isinstance(event, DataReceived))
    assert data.data == grpc_health.request("web")
    assert any(isinstance(event, StreamEnded) for event in events)


def test_a_service_that_serves_is_good() -> None:
    assert good() == Result(Outcome.GOOD, "SERVING")


@pytest.mark.parametrize("size", [1, 2, 9, 10])
def test_an_answer_may_come_in_pieces(size: int) -> None:
    asking = call()
    other, _ = server(asking)
    for say in (headers(*HEADERS), body(SERVING), headers(("grpc-status", "0"), end=True)):
        say(other)
    data = other.data_to_send()
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    assert received(asking, *parts[:-1]) is None
    assert received(asking, parts[-1]) == Result(Outcome.GOOD, "SERVING")


@pytest.mark.parametrize(
    ("number", "name"), [(0, "UNKNOWN"), (2, "NOT_SERVING"), (3, "SERVICE_UNKNOWN")]
)
def test_a_service_that_does_not_serve_is_bad(number: int, name: str) -> None:
    assert good(data=b"\0\0\0\0\2\x08" + bytes([number])) == Result(Outcome.BAD, name)


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        ("12", "no%20such method", "gRPC status 12 UNIMPLEMENTED: no such method"),
        ("5", "", "gRPC status 5 NOT_FOUND"),
        ("17", "%ff%0a%", "gRPC status 17: �?%"),
        ("00", "", "gRPC status 00 OK"),
        ("x", "", "gRPC status x"),
        ("9" * 5000, "", "gRPC status " + "9" * 200),
        ("2", "a" * 5000, "gRPC status 2 UNKNOWN: " + "a" * 200),
    ],
)
def test_another_grpc_status_is_bad(status: str, message: str, reason: str) -> None:
    assert good(status, message) == Result(Outcome.BAD, reason)


def test_a_status_may_come_without_a_message() -> None:
    assert answered(headers(*HEADERS, ("grpc-status", "14"), end=True)) == Result(
        Outcome.BAD, "gRPC status 14 UNAVAILABLE"
    )


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ([headers((":status", "404"), end=True)], "HTTP 404, expected gRPC"),
        ([headers((":status", "200"))], "no content type, expected gRPC"),
        (
            [headers((":status", "200"), ("content-type", "text/html"))],
            "text/html, expected gRPC",
        ),
        ([headers(*HEADERS, end=True)], "no gRPC status"),
        (
            [headers(*HEADERS), lambda other: other.end_stream(1)],
            "no gRPC status",
        ),
        (
            [headers(*HEADERS), headers(("grpc-status", "0"), end=True)],
            "the answer is damaged: not one whole message",
        ),
        (
            [headers(*HEADERS), body(SERVING * 2), headers(("grpc-status", "0"), end=True)],
            "the answer is damaged: not one whole message",
        ),
        (
            [lambda other: other.reset_stream(1, ErrorCodes.REFUSED_STREAM)],
            "stream reset: REFUSED_STREAM",
        ),
        ([lambda other: other.reset_stream(1, 99)], "stream reset: error 99"),
        (
            [lambda other: other.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)],
            "goes away: ENHANCE_YOUR_CALM",
        ),
        ([lambda other: other.close_connection()], "goes away: NO_ERROR"),
    ],
    ids=range(11),
)
def test_what_is_no_answer_is_bad(says: list[Says], reason: str) -> None:
    assert answered(*says) == Result(Outcome.BAD, reason)


def test_settings_and_pings_are_answered() -> None:
    asking = call()
    other, _ = server(asking)
    other.ping(b"12345678")
    assert received(asking, other.data_to_send()) is None
    names = [type(event).__name__ for event in other.receive_data(asking.sending())]
    assert names == ["SettingsAcknowledged", "PingAckReceived"]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\0\x02\x02\x16",
        b"220 mail ESMTP\r\n",
        b"\xff" * 100,
    ],
)
def test_another_protocol_is_no_http_2(data: bytes) -> None:
    assert received(call(), data) == Result(Outcome.BAD, "no HTTP/2")
    assert received(call(), *(data[at : at + 1] for at in range(4))) == Result(
        Outcome.BAD, "no HTTP/2"
    )


def test_a_frame_that_is_too_long_is_bad_once_there_is_too_much_of_it() -> None:
    parts = [b"\xff\xff\xff" + frame(0, 0, b"")[3:], *[bytes(10_000)] * 4]
    found = received(call(), SETTINGS, *parts)
    assert found is not None
    assert found.outcome == Outcome.BAD


def test_a_connection_that_closes_is_bad() -> None:
    found = Result(Outcome.BAD, "connection closed before the answer was whole")
    assert received(call(), b"") == found
    assert received(call(), SETTINGS, b"") == found


def frame(type_: int, flags: int, payload: bytes, stream: int = 1) -> bytes:
    return len(payload).to_bytes(3) + bytes([type_, flags]) + stream.to_bytes(4) + payload


@pytest.mark.parametrize(
    "data",
    [
        frame(1, 0, b"\x88") + frame(9, 0, b"\x88") * 1000,  # headers without end
        frame(1, 4, b"\x40\x01a\x7f\xe1\x1e" + b"a" * 4000 + b"\xbe" * 9000),  # an HPACK bomb
        frame(1, 4, b"\x40\x01a\x7f\x81\x1e" + b"a" * 3968 + b"\xbe" * 9000),
        frame(1, 4, b"\xff" * 20),
        frame(0, 0, b"early"),
        frame(5, 4, b"\0\0\0\2\x88"),  # a push, which is not allowed
        frame(8, 0, b"\0\0\0\0"),
        frame(8, 0, b"\x7f\xff\xff\xff", 0),
        frame(4, 0, b"\0\4\xff\xff\xff\xff", 0),
        frame(4, 0, b"abc", 0),
    ],
    ids=range(10),
)
def test_broken_http_2_is_bad(data: bytes) -> None:
    found = received(call(), SETTINGS, data)
    assert found is not None
    assert found.outcome == Outcome.BAD
    assert found.reason.startswith("HTTP/2: ")
    assert len(found.reason) <= 200


@pytest.mark.parametrize(
    "data", [SETTINGS, frame(6, 0, bytes(8), 0), frame(0xBE, 0, bytes(100)), bytes(9)]
)
def test_who_sends_without_end_is_not_listened_to(data: bytes) -> None:
    asking = call()
    parts = [SETTINGS] + [data * 100] * (MOST // (len(data) * 100) + 1)
    found = received(asking, *parts)
    assert found is not None
    assert found.outcome == Outcome.BAD


@pytest.mark.parametrize(("service", "authority"), [("\ud800", "web"), ("web", "\ud800")])
def test_what_cannot_be_asked_is_untried(service: str, authority: str) -> None:
    with pytest.raises(Failed, match="no such call") as caught:
        Call(service, authority, "http")
    assert caught.value.result.outcome == Outcome.UNTRIED


@given(st.lists(st.binary(max_size=100), max_size=3))
def test_random_octets_raise_nothing_else(parts: list[bytes]) -> None:
    assert received(call(), *parts) != Result(Outcome.GOOD, "SERVING")


FRAMES = st.builds(
    frame, st.integers(0, 10), st.integers(0, 255), st.binary(max_size=60), st.integers(0, 2)
)


@given(st.lists(FRAMES, max_size=8))
def test_random_frames_raise_nothing_else(frames: list[bytes]) -> None:
    received(call(), SETTINGS, *frames)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_answer_raises_nothing_else(changes: list[tuple[int, int]]) -> None:
    asking = call()
    other, _ = server(asking)
    for say in (headers(*HEADERS), body(SERVING), headers(("grpc-status", "0"), end=True)):
        say(other)
    data = bytearray(other.data_to_send())
    for at, octet in changes:
        data[at % len(data)] = octet
    received(asking, bytes(data))

import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from hypothesis import given
from hypothesis import strategies as st

from pointsman.healthcheck.grpc_health import request, status


def framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4) + message


@given(st.text(max_size=300))
def test_a_request_is_what_google_s_library_writes(service: str) -> None:
    assert request(service) == framed(HealthCheckRequest(service=service).SerializeToString())


def test_a_name_that_is_not_unicode_is_none() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        request("\ud800")


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0, "UNKNOWN"),
        (1, "SERVING"),
        (2, "NOT_SERVING"),
        (3, "SERVICE_UNKNOWN"),
        (4, "status 4"),
        (70_000, "status 70000"),
    ],
)
def test_the_status_is_what_google_s_library_wrote(number: int, name: str) -> None:
    message = HealthCheckResponse()
    message.status = number  # pyright: ignore[reportAttributeAccessIssue]
    assert status(framed(message.SerializeToString())) == name


@pytest.mark.parametrize(
    "message",
    [
        b"\x08\x01\x10\xff\x01",  # field 2, a number
        b"\x12\x03abc\x08\x01",  # field 2, octets
        b"\x15abcd\x08\x01",  # field 2, 32 bits
        b"\x11abcdefgh\x08\x01",  # field 2, 64 bits
        b"\x08\x02\x08\x01",  # the last one counts
        b"\xf8\xff\xff\xff\x0f\x05\x08\x01",
    ],
)
def test_unknown_fields_are_skipped(message: bytes) -> None:
    assert status(framed(message)) == "SERVING"
    assert HealthCheckResponse.FromString(message).status == 1


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not one whole message"),
        (b"\0\0\0\0", "not one whole message"),
        (b"\0\0\0\0\2\x08", "not one whole message"),
        (b"\0\0\0\0\2\x08\1\0", "not one whole message"),
        (b"\1\0\0\0\2\x08\1", "compressed"),
        (framed(b"\x08"), "a number that does not end"),
        (framed(b"\x08" + b"\xff" * 20), "a number that does not end"),
        (framed(b"\xff" * 20), "a number that does not end"),
        (framed(b"\0\1"), "a field without a number"),
        (framed(b"\x0a\1a"), "a status that is no number"),
        (framed(b"\x0d1234"), "a status that is no number"),
        (framed(b"\x12\x04abc"), "a field that is cut off"),
        (framed(b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), "a field that is cut off"),
        (framed(b"\x15abc"), "a field that is cut off"),
        (framed(b"\x11abc"), "a field that is cut off"),
        (framed(b"\x13\x14"), "a field of an unknown kind"),
        (framed(b"\x17"), "a field of an unknown kind"),
    ],
)
def test_what_is_damaged_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        status(body)


@given(st.binary(max_size=60))
def test_random_octets_raise_nothing_else(message: bytes) -> None:
    for body in (message, framed(message)):
        try:
            assert status(body)
        except ValueError:
            continue

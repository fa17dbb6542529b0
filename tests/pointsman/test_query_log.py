import logging
from collections.abc import AsyncIterator

import dns.message
import pytest

from pointsman.query_log import line, logged

QUERY = dns.message.make_query("Web.mesos.", "A").to_wire()


def response(code: int = 0, flags: int = 0x84, records: int = 3) -> bytes:
    return QUERY[:2] + bytes([flags, code, 0, 1, 0, records]) + QUERY[8:]


async def later() -> AsyncIterator[bytes]:
    yield b""


def test_a_line_tells_who_asked_what_and_what_became_of_it() -> None:
    for answer, became in (
        (response(), "NOERROR 3"),
        (response(3, records=0), "NXDOMAIN 0"),
        (response(0, 0x86, 0), "NOERROR 0 TC"),
        (None, "no answer"),
        (later(), "asked elsewhere"),
    ):
        assert line(QUERY, "10.0.0.1", "udp", answer) == f"10.0.0.1 udp web.mesos. A {became}"


def test_what_a_client_sends_can_not_write_lines() -> None:
    data = QUERY[:12] + b"\4a\nb\xff\0\xff\xfe\0\1"
    assert line(data, "10.0.0.1", "tcp", None) == (r"10.0.0.1 tcp a\nb\xff. TYPE65534 no answer")
    assert line(b"nonsense", "10.0.0.1", "udp", None) == "10.0.0.1 udp 8 octets no answer"
    assert line(QUERY[:-3], "10.0.0.1", "udp", None).endswith(f"{len(QUERY) - 3} octets no answer")


def test_one_of_so_many_is_written(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for one_of, wanted in ((1, 12), (5, 2)):
        caplog.clear()
        answer = logged(lambda data, host: response(), one_of, "udp")
        for _ in range(12):
            assert answer(QUERY, "10.0.0.1") == response()
        assert len(caplog.records) == wanted

"""Requests, responses however they are cut, and what they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.healthcheck.http1 import (
    MOST_BODY,
    MOST_HEAD,
    Reader,
    Response,
    judged,
    request,
)
from pointsman.healthcheck.model import Failed, Http, Outcome, Place, Result

PLACE = Place("10.0.0.1", 8080, 1.0)
STATUS = Http()
BODY = Http(body="ok")


def read(http: Http, *parts: bytes) -> Response | Result:
    """Return the response, or what the probe fails with."""
    try:
        reader = Reader(http)
        for part in parts:
            if part and (response := reader.feed(part)):
                return response
        ended = reader.feed(b"")
    except Failed as failed:
        return failed.result
    assert ended
    return ended


def whole(http: Http, data: bytes) -> Response:
    """Return the response, which is there before the connection ends."""
    response = Reader(http).feed(data)
    assert response
    return response


def bad(reason: str) -> Result:
    return Result(Outcome.BAD, reason)


CLOSED = bad("connection closed before the end of the answer")


# Requests.


def test_a_request_says_who_asks_whom() -> None:
    assert request(Http(path="/health?deep=1"), PLACE) == (
        b"GET /health?deep=1 HTTP/1.1\r\n"
        b"Host: 10.0.0.1:8080\r\n"
        b"User-Agent: pointsman\r\n"
        b"Accept: */*\r\n"
        b"Connection: close\r\n"
        b"\r\n"
    )


def test_an_ipv6_address_is_a_host_in_brackets() -> None:
    assert b"\r\nHost: [fd00::1]:80\r\n" in request(Http(), Place("fd00::1", 80, 1.0))


def test_a_host_that_is_said_is_sent() -> None:
    assert b"\r\nHost: web.example\r\n" in request(Http(host="web.example"), PLACE)


def test_headers_that_are_said_take_the_place_of_ours() -> None:
    said = (("host", "a"), ("USER-AGENT", "b"), ("X-Two", "1"), ("X-Two", "2"))
    assert request(Http(headers=said, host="other"), PLACE) == (
        b"GET / HTTP/1.1\r\nAccept: */*\r\nConnection: close\r\n"
        b"host: a\r\nUSER-AGENT: b\r\nX-Two: 1\r\nX-Two: 2\r\n\r\n"
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_methods_that_may_have_content_say_that_there_is_none(method: str) -> None:
    assert b"\r\nContent-Length: 0\r\n" in request(Http(method=method), PLACE)
    assert b"Content-Length" not in request(Http(method="HEAD"), PLACE)


def test_a_path_can_not_end_the_line() -> None:
    sent = request(Http(path="/a b\r\nX: y/%20/ü"), PLACE)
    assert sent.startswith(b"GET /a%20b%0D%0AX:%20y/%20/%C3%BC HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "http",
    [
        Http(host="a\r\nX: y"),
        Http(method="GET / HTTP/1.1\r\nX: y\r\n\r\nGET"),
        Http(headers=(("X", "a\nb"),)),
        Http(headers=(("X\r\nY", "a"),)),
        Http(headers=(("X", "a\0"),)),
    ],
)
def test_what_would_be_another_line_is_not_sent(http: Http) -> None:
    with pytest.raises(Failed) as caught:
        request(http, PLACE)
    assert caught.value.result.outcome is Outcome.UNTRIED
    assert caught.value.result.reason.startswith("can't be sent: ")


@given(st.text(), st.text(), st.text(), st.text())
def test_no_text_makes_more_headers(path: str, host: str, name: str, value: str) -> None:
    try:
        sent = request(Http(path=path, host=host, headers=(("X" + name, value),)), PLACE)
    except Failed:
        return
    assert sent.count(b"\r\n") == sent.count(b"\n") == sent.count(b"\r") == 7
    assert sent.count(b"\r\n\r\n") == 1


# Responses.


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 200 \xff",
    ],
)
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_status_is_enough_where_no_body_matters(line: bytes, end: bytes) -> None:
    data = line + end + b"Content-Length: 2000000" + end + end
    assert whole(STATUS, data) == Response(200)


@pytest.mark.parametrize(
    "data",
    [
        b"Content-Length: 2\r\n\r\nokXX",
        b"content-length:2\r\n\r\nokXX",
        b"Content-Length: 2, 2\r\n\r\nokXX",
        b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nokXX",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n1;a=b\r\no\r\n001 ; c\r\nk\r\n0\r\n",
        b"Transfer-Encoding: Chunked\r\nContent-Length: 7\r\n\r\n2\r\nok\r\n0\r\nTrailer: x\r\n",
        b"Transfer-Encoding: x, chunked\r\n\r\n2\nok\n0\n",
        b"X-Folded: a\r\n  b\r\nContent-Length: 2\r\n\r\nok",
    ],
)
def test_a_body_ends_where_it_says(data: bytes) -> None:
    assert whole(BODY, b"HTTP/1.1 200 OK\r\n" + data) == Response(200, b"ok")


@pytest.mark.parametrize("header", [b"", b"X: y\r\n", b"Transfer-Encoding: gzip\r\n"])
def test_a_body_that_says_nothing_ends_with_the_connection(header: bytes) -> None:
    data = b"HTTP/1.1 200 OK\r\n" + header + b"\r\nok"
    assert Reader(BODY).feed(data) is None
    assert read(BODY, data) == Response(200, b"ok")


def test_an_empty_body_is_one() -> None:
    assert whole(BODY, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") == Response(200)
    assert read(BODY, b"HTTP/1.1 200 OK\r\n\r\n") == Response(200)


@pytest.mark.parametrize("status", [204, 304])
def test_some_statuses_have_no_body(status: int) -> None:
    assert whole(BODY, b"HTTP/1.1 %d X\r\n\r\n" % status) == Response(status)


def test_an_answer_to_head_has_no_body() -> None:
    head = Http(method="HEAD", body="ok")
    assert whole(head, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n") == Response(200)


def test_of_a_bad_status_no_body_is_awaited() -> None:
    assert whole(BODY, b"HTTP/1.1 503 X\r\nContent-Length: 2\r\n\r\n") == Response(503)


def test_interim_responses_are_passed_over() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    assert Reader(STATUS).feed(interim) is None
    assert whole(STATUS, interim + b"HTTP/1.1 200 OK\r\n\r\n") == Response(200)


def test_another_protocol_is_an_answer() -> None:
    upgrade = Http(statuses=((101, 101),), body="ok")
    assert whole(upgrade, b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81") == Response(101)


def test_only_so_much_of_a_body_is_kept() -> None:
    start = b"HTTP/1.1 200 OK\r\n"
    much = b"x" * (MOST_BODY + 1)
    said = b"Content-Length: 10000000000\r\n\r\n"
    chunks = b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFF\r\n"
    for framing in (b"\r\n", said, chunks):
        response = whole(BODY, start + framing + much)
        assert response.body == much[:MOST_BODY]


def test_only_so_many_headers_are_read() -> None:
    start = b"HTTP/1.1 200 OK\r\n"
    line = b"X: " + b"y" * 95 + b"\r\n"
    few = start + line * ((MOST_HEAD - len(start)) // len(line))
    assert whole(STATUS, few + b"\r\n") == Response(200)
    last = b"X:" + b"y" * (MOST_HEAD - len(few) - 6) + b"\r\n\r\n"
    assert whole(STATUS, few + last) == Response(200)
    long = bad("the headers are too long")
    assert read(STATUS, few + line) == long
    assert read(STATUS, start + b"x" * MOST_HEAD) == long
    assert read(STATUS, b"HTTP/1.1 100 Continue\r\n\r\n" * MOST_HEAD) == long


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n", "the answer is not HTTP"),
        (b"\0", "the answer is not HTTP"),
        (b"HTTPS", "the answer is not HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "the answer is TLS"),
        (b"HTTP/2 200\r\n", "malformed status line"),
        (b"HTTP/1.1 99 X\r\n", "malformed status line"),
        (b"HTTP/1.1 2000 X\r\n", "malformed status line"),
        (b"HTTP/1.1  200 X\r\n", "malformed status line"),
        (b"HTTP/1.1 200 OK\r\nX\r\n", "malformed header"),
        (b"HTTP/1.1 200 OK\r\nX : y\r\n", "malformed header"),
        (b"HTTP/1.1 200 OK\r\n: y\r\n", "malformed header"),
    ],
)
def test_what_is_no_response_is_bad(data: bytes, reason: str) -> None:
    assert read(STATUS, data) == bad(reason)


@pytest.mark.parametrize(
    "said", [b"-1", b"", b"0x2", b"1, 2", b"1\r\nContent-Length: 2", b"9" * 5_000]
)
def test_a_length_that_is_none_is_bad(said: bytes) -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: " + said + b"\r\n\r\n"
    assert read(STATUS, data) == bad("malformed Content-Length")


@pytest.mark.parametrize(
    "chunks",
    [b"x\r\n", b"\r\n", b"-1\r\n", b"1" * 16 + b"\r\n", b"2\r\nokk\r\n", b"1;" + b"x" * 1024],
)
def test_malformed_chunks_are_bad(chunks: bytes) -> None:
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert read(BODY, start + chunks) == bad("malformed chunk")


def test_a_connection_that_ends_early_is_bad() -> None:
    assert read(BODY) == bad("connection closed without an answer")
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
    for end in range(1, len(chunked)):
        assert read(BODY, chunked[:end]) == CLOSED
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    for end in range(1, len(said)):
        assert read(BODY, said[:end]) == CLOSED


PIECES = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.0 404 Not Found\n",
    b"Content-Length: 7\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"X: y\r\n",
    b"\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"x" * 2_000,
]
ANSWERS = st.lists(st.sampled_from(PIECES) | st.binary(max_size=20), max_size=12).map(b"".join)


@given(ANSWERS, st.lists(st.integers(0, 30_000)), st.sampled_from([STATUS, BODY]))
def test_it_does_not_matter_how_a_response_is_cut(data: bytes, cuts: list[int], http: Http) -> None:
    places = sorted(cut % (len(data) + 1) for cut in cuts)
    parts = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
    assert read(http, *parts) == read(http, data)


@given(ANSWERS)
def test_it_may_come_one_octet_at_a_time(data: bytes) -> None:
    assert read(BODY, *(data[n : n + 1] for n in range(len(data)))) == read(BODY, data)


@given(st.binary() | st.binary().map(lambda data: b"HTTP/1.1 200 OK\r\n" + data))
def test_no_octets_raise_anything_else(data: bytes) -> None:
    for http in (STATUS, BODY):
        result = read(http, data)
        assert isinstance(result, Response) or result.outcome is Outcome.BAD


# What they mean.


def meaning(http: Http, response: Response) -> Result:
    try:
        return judged(http, response)
    except Failed as failed:
        return failed.result


def test_a_status_in_a_range_is_good() -> None:
    for status in (200, 302, 399):
        assert meaning(STATUS, Response(status)) == Result(Outcome.GOOD, f"HTTP {status}")
    assert meaning(STATUS, Response(503)) == bad("HTTP 503, expected 200-399")
    some = Http(statuses=((200, 204), (401, 401)))
    assert meaning(some, Response(401)).outcome is Outcome.GOOD
    assert meaning(some, Response(205)) == bad("HTTP 205, expected 200-204, 401")


def test_a_body_contains_the_text() -> None:
    assert meaning(BODY, Response(200, b"all ok")).outcome is Outcome.GOOD
    assert meaning(BODY, Response(200, b"all OK")) == bad("the body lacks 'ok'")
    assert meaning(Http(body="ü"), Response(200, b"\xff\xc3\xbc\xff")).outcome is Outcome.GOOD

"""HTTP and HTTPS probes of real servers: good, slow, broken and hostile ones."""

import asyncio
import http.server
import socket
import struct
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from ssl import SSLContext
from typing import Any

import pytest
from aiohttp import web

from pointsman.doubles import answering, serving
from pointsman.healthcheck.model import Failed, Http, Outcome, Place, Result, Tls
from pointsman.healthcheck.probe_http import probe

SOON = 0.2
EVER = 60.0
LOCALHOST = "127.0.0.1"
GOOD = Result(Outcome.GOOD, "HTTP 200")

Answer = Callable[[StreamReader, StreamWriter], Awaitable[None]]


async def result(asked: Http, place: Place) -> Result:
    """Return what a probe gives or fails with."""
    try:
        return await probe(asked, place)
    except Failed as failed:
        return failed.result


def asking(
    answer: Answer,
    asked: Http | None = None,
    timeout: float = EVER,
    context: SSLContext | None = None,
    address: str = LOCALHOST,
) -> Result:
    """Return what a probe finds of a server that answers like this."""

    async def test() -> Result:
        async with answering(answer, context, address) as port:
            return await result(asked or Http(), Place(address, port, timeout))

    return asyncio.run(test())


def saying(*data: bytes) -> Answer:
    """Return an answer that reads the request, says this, and closes."""

    async def answer(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in data:
            writer.write(part)
            await writer.drain()

    return answer


def repeating(start: bytes, forever: bytes) -> Answer:
    """Return an answer that begins like this, and goes on like that without end."""

    async def answer(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(start)
        while True:
            writer.write(forever)
            await writer.drain()

    return answer


async def silence(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.read(-1)


# Good ones.


@contextmanager
def standard(address: str, context: SSLContext | None = None) -> Iterator[int]:
    """Have the standard library's server say "all ok"; give its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"all ok")

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - its name
            pass

    class Server(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # Connections of probes end by a reset.

    with Server((address, 0), Handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("address", [LOCALHOST, "::1"])
@pytest.mark.parametrize("body", ["", "all ok"])
def test_a_server_that_answers_is_good(
    certificates: Any, encrypted: bool, address: str, body: str
) -> None:
    tls = Tls(ca=certificates.ca) if encrypted else None
    context = certificates.serving() if encrypted else None
    with standard(address, context) as port:
        asked = Http(body=body, tls=tls)
        assert asyncio.run(result(asked, Place(address, port, EVER))) == GOOD


async def handle(request: web.Request) -> web.StreamResponse:
    if request.path == "/redirect":
        raise web.HTTPFound("/elsewhere")
    if request.path == "/chunked":
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for word in (b"all", b" ", b"ok"):
            await response.write(word)
        return response
    return web.Response(
        text=f"{request.method} {request.path_qs} {request.host} {request.headers.get('X', '')}"
    )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Http(path="/redirect"), Result(Outcome.GOOD, "HTTP 302")),
        (
            Http(path="/redirect", statuses=((200, 299),)),
            Result(Outcome.BAD, "HTTP 302, expected 200-299"),
        ),
        (Http(path="/chunked", body="all ok"), GOOD),
        (Http(path="/chunked", body="up"), Result(Outcome.BAD, "the body lacks 'up'")),
        (Http(method="HEAD"), GOOD),
        (Http(method="POST", body="POST / "), GOOD),
        (Http(path="/a?b=c", body="GET /a?b=c "), GOOD),
        (Http(host="web.example:80", body=" web.example:80 "), GOOD),
        (Http(headers=(("X", "said"),), body=" said"), GOOD),
    ],
)
def test_a_server_is_asked_what_is_said(asked: Http, expected: Result) -> None:
    async def test() -> None:
        async with serving(handle) as url:
            port = int(url.rpartition(":")[2])
            assert await result(asked, Place(LOCALHOST, port, EVER)) == expected

    asyncio.run(test())


def test_an_answer_may_come_one_octet_at_a_time() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    drops = saying(*(answer[n : n + 1] for n in range(len(answer))))
    assert asking(drops, Http(body="ok")) == GOOD


def test_an_answer_before_the_request_is_one() -> None:
    async def early(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    assert asking(early) == Result(Outcome.BAD, "HTTP 503, expected 200-399")


def test_the_name_of_the_host_is_looked_for_in_the_certificate(certificates: Any) -> None:
    answer, context = saying(b"HTTP/1.1 200 OK\r\n\r\n"), certificates.serving()
    tls = Tls(ca=certificates.ca)
    assert asking(answer, Http(host="web.example:8443", tls=tls), context=context) == GOOD
    assert asking(answer, Http(host="other.example", tls=tls), context=context) == Result(
        Outcome.BAD, "certificate is not for other.example"
    )


# Slow ones.


def test_a_port_that_accepts_and_says_nothing_is_slow() -> None:
    assert asking(silence, timeout=SOON) == Result(Outcome.SLOW, "no answer within 0.2 s")


def test_a_handshake_that_nobody_answers_is_slow() -> None:
    assert asking(silence, Http(tls=Tls()), timeout=SOON) == Result(
        Outcome.SLOW, "no TLS handshake within 0.2 s"
    )


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_one_octet_from_time_to_time_does_not_prolong_the_probe(start: bytes) -> None:
    async def drip(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(start)
        while True:
            writer.write(b"x")
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.readexactly(1), SOON / 10)

    assert asking(drip, Http(body="ok"), timeout=SOON) == Result(
        Outcome.SLOW, "no answer within 0.2 s"
    )


def test_a_body_that_never_ends_is_slow_where_it_matters() -> None:
    async def open_end(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok")
        await silence(reader, writer)

    slow = Result(Outcome.SLOW, "no answer within 0.2 s")
    assert asking(open_end, Http(body="ok"), timeout=SOON) == slow
    assert asking(open_end, Http()) == GOOD


def test_a_full_backlog_is_unreachable() -> None:
    with socket.socket() as listening, socket.socket() as first:
        listening.bind((LOCALHOST, 0))
        listening.listen(0)
        first.connect(listening.getsockname())
        place = Place(LOCALHOST, listening.getsockname()[1], SOON)
        assert asyncio.run(result(Http(), place)) == Result(
            Outcome.UNREACHABLE, "no connection within 0.2 s"
        )


# Broken ones.

CLOSED = "connection closed before the end of the answer"


def test_a_port_where_nobody_listens_refuses() -> None:
    with socket.create_server((LOCALHOST, 0)) as listening:
        port = listening.getsockname()[1]
    assert asyncio.run(result(Http(), Place(LOCALHOST, port, EVER))) == Result(
        Outcome.REFUSED, "connection refused"
    )


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "connection closed without an answer"),
        (b"HTTP/1.1 200", CLOSED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", CLOSED),
        (b"220 mail.example ESMTP\r\n", "the answer is not HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "the answer is TLS"),
    ],
)
def test_half_an_answer_and_no_answer_are_bad(answer: bytes, reason: str) -> None:
    assert asking(saying(answer), Http(body="ok")) == Result(Outcome.BAD, reason)


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"])
def test_a_reset_in_the_middle_is_bad(start: bytes) -> None:
    async def reset(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(start)
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    assert asking(reset, Http(body="ok")) == Result(Outcome.BAD, "connection reset")


def test_a_plain_server_behind_https_is_bad() -> None:
    async def plain(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    assert asking(plain, Http(tls=Tls())) == Result(Outcome.BAD, "no TLS")


def test_an_expired_certificate_is_bad(certificates: Any) -> None:
    context = certificates.serving(certificates.expired)
    assert asking(silence, Http(tls=Tls(ca=certificates.ca)), context=context) == Result(
        Outcome.BAD, "certificate has expired"
    )


def test_a_file_that_is_missing_here_is_no_fault_of_the_target() -> None:
    assert asking(silence, Http(tls=Tls(certificate="/missing"))) == Result(
        Outcome.UNTRIED, "/missing: No such file or directory"
    )


def test_a_request_that_can_not_be_sent_is_no_fault_of_the_target() -> None:
    assert asking(silence, Http(host="a\nb")).outcome is Outcome.UNTRIED


# Hostile ones.

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize(
    ("start", "forever", "reason"),
    [
        (OK, b"X: y\r\n", "the headers are too long"),
        (OK, b"x" * 1_000, "the headers are too long"),
        (b"HTTP/1.1 200 ", b"x" * 1_000, "the headers are too long"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", "the headers are too long"),
        (b"", b"\0" * 1_000, "the answer is not HTTP"),
        (OK + b"\r\n", b"x" * 1_000, "the body lacks 'ok'"),
        (OK + b"Content-Length: 999999999999\r\n\r\n", b"x" * 1_000, "the body lacks 'ok'"),
        (CHUNKED, b"1\r\nx\r\n" * 100, "the body lacks 'ok'"),
        (CHUNKED + b"FFFFFFFF\r\n", b"x" * 1_000, "the body lacks 'ok'"),
        (CHUNKED, b"x" * 1_000, "malformed chunk"),
        (CHUNKED, b"1;" + b"x" * 1_000 + b"\r\nx\r\n", "sends more than 1 MiB"),
    ],
)
def test_who_sends_without_end_ends_the_probe(
    certificates: Any, encrypted: bool, start: bytes, forever: bytes, reason: str
) -> None:
    tls = Tls(ca=certificates.ca) if encrypted else None
    context = certificates.serving() if encrypted else None
    found = asking(repeating(start, forever), Http(body="ok", tls=tls), context=context)
    assert found == Result(Outcome.BAD, reason)

"""A real gRPC server, plain and with TLS, and sockets that behave badly."""

import asyncio
import socket
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.doubles import answering
from pointsman.healthcheck.model import Failed, Grpc, Outcome, Place, Result, Tls
from pointsman.healthcheck.probe_grpc import probe

STATUS = health_pb2.HealthCheckResponse


class Held(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """Answers nobody before it is let."""

    def __init__(self) -> None:
        self.let = threading.Event()

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - the base's name
        self.let.wait()
        return STATUS(status=STATUS.SERVING)


async def result(spec: Grpc, place: Place) -> Result:
    try:
        return await probe(spec, place)
    except Failed as failed:
        return failed.result


def run(spec: Grpc, port: int, timeout: float = 10.0) -> Result:
    return asyncio.run(result(spec, Place("127.0.0.1", port, timeout)))


@contextmanager
def serving(servicer: Any, files: tuple[str, str] | None = None) -> Iterator[int]:
    server = grpc.server(ThreadPoolExecutor(2))
    if servicer:
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    if files:
        certificate, key = (Path(file).read_bytes() for file in files)
        credentials = grpc.ssl_server_credentials([(key, certificate)])
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def servicer() -> Any:
    made = health.HealthServicer()
    made.set("", STATUS.SERVING)
    made.set("up", STATUS.SERVING)
    made.set("down", STATUS.NOT_SERVING)
    made.set("odd", STATUS.UNKNOWN)
    made.set("none", STATUS.SERVICE_UNKNOWN)
    return made


@pytest.fixture(scope="module")
def plain() -> Iterator[int]:
    with serving(servicer()) as port:
        yield port


@pytest.fixture(scope="module")
def secure(certificates: Any) -> Iterator[int]:
    with serving(servicer(), certificates.server) as port:
        yield port


@pytest.mark.parametrize("service", ["", "up"])
def test_a_service_that_serves_is_good(plain: int, service: str) -> None:
    assert run(Grpc(service), plain) == Result(Outcome.GOOD, "SERVING")


@pytest.mark.parametrize(
    ("service", "reason"),
    [("down", "NOT_SERVING"), ("odd", "UNKNOWN"), ("none", "SERVICE_UNKNOWN")],
)
def test_a_service_that_does_not_serve_is_bad(plain: int, service: str, reason: str) -> None:
    assert run(Grpc(service), plain) == Result(Outcome.BAD, reason)


def test_a_service_that_the_server_does_not_know_is_bad(plain: int) -> None:
    assert run(Grpc("web"), plain) == Result(Outcome.BAD, "gRPC status 5 NOT_FOUND")


def test_a_server_without_the_health_service_is_bad() -> None:
    with serving(None) as port:
        found = run(Grpc(), port)
    assert found == Result(Outcome.BAD, "gRPC status 12 UNIMPLEMENTED: Method not found!")


def test_a_server_with_tls_is_asked(secure: int, certificates: Any) -> None:
    tls = Tls(ca=certificates.ca)
    assert run(Grpc("up", tls=tls), secure) == Result(Outcome.GOOD, "SERVING")
    assert run(Grpc("down", tls=tls), secure) == Result(Outcome.BAD, "NOT_SERVING")
    assert run(Grpc("up", "web.example", tls), secure) == Result(Outcome.GOOD, "SERVING")


def test_the_certificate_matters(secure: int, certificates: Any) -> None:
    other = run(Grpc(tls=Tls(ca=certificates.other_ca)), secure)
    assert other.outcome == Outcome.BAD
    assert other.reason.startswith("certificate")


def test_tls_and_none_do_not_go_together(plain: int, secure: int, certificates: Any) -> None:
    assert run(Grpc(), secure).outcome == Outcome.BAD
    assert run(Grpc(tls=Tls(ca=certificates.ca)), plain).outcome == Outcome.BAD


def test_a_server_with_tls_that_does_not_choose_http_2_is_bad(certificates: Any) -> None:
    async def test() -> Result:
        async with answering(silent, certificates.serving()) as port:
            return await result(Grpc(tls=Tls(ca=certificates.ca)), Place("127.0.0.1", port, 10.0))

    assert asyncio.run(test()) == Result(Outcome.BAD, "no HTTP/2 over TLS: it did not choose h2")


def test_a_service_that_hangs_is_slow() -> None:
    held = Held()
    with serving(held) as port:
        try:
            assert run(Grpc(), port, 0.2) == Result(Outcome.SLOW, "no answer within 0.2 s")
        finally:
            held.let.set()


async def silent(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.read(-1)


async def endless(reader: StreamReader, writer: StreamWriter) -> None:
    while True:
        writer.write(b"\0\0\0\4\0\0\0\0\0" * 100)
        await writer.drain()


async def http_1(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.readexactly(24)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


async def closing(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.readexactly(24)


def against(answer: Any, timeout: float = 10.0) -> Result:
    async def test() -> Result:
        async with answering(answer) as port:
            return await result(Grpc(), Place("127.0.0.1", port, timeout))

    return asyncio.run(test())


def test_a_server_that_says_nothing_is_slow() -> None:
    assert against(silent, 0.2) == Result(Outcome.SLOW, "no answer within 0.2 s")


def test_a_server_that_speaks_something_else_is_bad() -> None:
    assert against(http_1) == Result(Outcome.BAD, "no HTTP/2")


def test_a_server_that_sends_without_end_is_bad() -> None:
    assert against(endless) == Result(Outcome.BAD, "sends more than 32 KiB")


def test_a_server_that_closes_the_connection_is_bad() -> None:
    assert against(closing).outcome == Outcome.BAD


def test_where_nobody_listens_it_is_refused() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found = run(Grpc(), free.getsockname()[1])
    assert found == Result(Outcome.REFUSED, "connection refused")


@given(st.binary(max_size=100))
@settings(max_examples=20, deadline=None)
def test_random_octets_are_bad(data: bytes) -> None:
    async def answer(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readexactly(24)
        writer.write(data)

    assert against(answer).outcome == Outcome.BAD

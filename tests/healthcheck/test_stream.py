"""Streams to real servers on loopback, with and without TLS, that behave well and badly."""

import asyncio
import socket
import ssl
import struct
from asyncio import StreamReader, StreamWriter
from typing import Any

import pytest

from pointsman.doubles import answering
from pointsman.healthcheck import stream
from pointsman.healthcheck.model import Failed, Outcome, Place, Result, Tls

SOON = 0.2
EVER = 60.0


async def whole(place: Place, tls: Tls | None = None, say: bytes = b"") -> bytes:
    """Return all that comes after this is said."""
    async with stream.connected(place, tls) as opened:
        await opened.write(say)
        parts = list[bytes]()
        while part := await opened.read():
            parts.append(part)
        return b"".join(parts)


async def failure(place: Place, tls: Tls | None = None, say: bytes = b"") -> Result:
    with pytest.raises(Failed) as caught:
        await whole(place, tls, say)
    return caught.value.result


async def echo(reader: StreamReader, writer: StreamWriter) -> None:
    writer.write(await reader.readexactly(300_000))


async def nothing(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.read(-1)


async def everything(reader: StreamReader, writer: StreamWriter) -> None:
    while True:
        writer.write(bytes(65_536))
        await writer.drain()


async def reset(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.readexactly(1)
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_long_data_go_there_and_back(certificates: Any, encrypted: bool, address: str) -> None:
    async def test() -> None:
        said = bytes(range(250)) * 1_200
        context = certificates.serving() if encrypted else None
        tls = Tls(ca=certificates.ca) if encrypted else None
        async with answering(echo, context, address) as port:
            assert await whole(Place(address, port, EVER), tls, said) == said

    asyncio.run(test())


@pytest.mark.parametrize("encrypted", [False, True])
def test_who_says_nothing_is_slow(certificates: Any, encrypted: bool) -> None:
    async def test() -> None:
        context = certificates.serving() if encrypted else None
        tls = Tls(ca=certificates.ca) if encrypted else None
        async with answering(nothing, context) as port:
            assert await failure(Place("127.0.0.1", port, SOON), tls) == Result(
                Outcome.SLOW, "no answer within 0.2 s"
            )

    asyncio.run(test())


@pytest.mark.parametrize("encrypted", [False, True])
def test_who_never_ends_is_left(certificates: Any, encrypted: bool) -> None:
    async def test() -> None:
        context = certificates.serving() if encrypted else None
        tls = Tls(ca=certificates.ca) if encrypted else None
        async with answering(everything, context) as port:
            assert await failure(Place("127.0.0.1", port, EVER), tls) == Result(
                Outcome.BAD, "sends more than 1 MiB"
            )

    asyncio.run(test())


def test_a_reset_is_seen() -> None:
    async def test() -> None:
        async with answering(reset) as port:
            assert await failure(Place("127.0.0.1", port, EVER), say=b"x") == Result(
                Outcome.BAD, "connection reset"
            )

    asyncio.run(test())


def test_a_reset_in_the_handshake_is_seen() -> None:
    async def test() -> None:
        async with answering(reset) as port:
            assert await failure(Place("127.0.0.1", port, EVER), Tls()) == Result(
                Outcome.BAD, "connection reset"
            )

    asyncio.run(test())


def test_a_port_where_nobody_listens_refuses() -> None:
    async def test() -> None:
        async with answering(nothing) as port:
            pass
        assert await failure(Place("127.0.0.1", port, EVER)) == Result(
            Outcome.REFUSED, "connection refused"
        )

    asyncio.run(test())


def test_a_full_backlog_lets_no_connection_come_about() -> None:
    async def test() -> None:
        with socket.socket() as listening, socket.socket() as first:
            listening.bind(("127.0.0.1", 0))
            listening.listen(0)
            first.connect(listening.getsockname())
            port = listening.getsockname()[1]
            assert await failure(Place("127.0.0.1", port, SOON)) == Result(
                Outcome.UNREACHABLE, "no connection within 0.2 s"
            )

    asyncio.run(test())


# TLS.


async def refused_by(certificates: Any, tls: Tls, **serving: Any) -> Result:
    async with answering(nothing, certificates.serving(**serving)) as port:
        return await failure(Place("127.0.0.1", port, EVER), tls)


def test_an_expired_certificate_is_bad(certificates: Any) -> None:
    tls = Tls(ca=certificates.ca)
    assert asyncio.run(refused_by(certificates, tls, files=certificates.expired)) == Result(
        Outcome.BAD, "certificate has expired"
    )


def test_a_certificate_for_another_name_is_bad(certificates: Any) -> None:
    tls = Tls(ca=certificates.ca, sni="other.example")
    assert asyncio.run(refused_by(certificates, tls)) == Result(
        Outcome.BAD, "certificate is not for other.example"
    )


def test_a_certificate_for_another_address_is_bad(certificates: Any) -> None:
    tls = Tls(ca=certificates.ca, sni="127.0.0.2")
    assert asyncio.run(refused_by(certificates, tls)) == Result(
        Outcome.BAD, "certificate is not for 127.0.0.2"
    )


@pytest.mark.parametrize("other", [True, False])
def test_an_unknown_authority_is_bad(certificates: Any, other: bool) -> None:
    tls = Tls(ca=certificates.other_ca) if other else Tls()
    result = asyncio.run(refused_by(certificates, tls))
    assert result.outcome is Outcome.BAD
    assert result.reason.startswith("certificate is of an unknown authority: ")


def test_without_verification_any_certificate_is_good(certificates: Any) -> None:
    async def test() -> None:
        async with answering(echo, certificates.serving(certificates.expired)) as port:
            tls = Tls(verify=False, sni="other.example")
            said = bytes(300_000)
            assert await whole(Place("127.0.0.1", port, EVER), tls, said) == said

    asyncio.run(test())


def test_the_server_is_asked_for_the_name(certificates: Any) -> None:
    asked = list[str | None]()

    def heed(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        asked.append(name)

    async def hang_up(reader: StreamReader, writer: StreamWriter) -> None:
        pass

    async def test() -> None:
        context = certificates.serving()
        context.sni_callback = heed
        async with answering(hang_up, context) as port:
            place = Place("127.0.0.1", port, EVER)
            await whole(place, Tls(ca=certificates.ca, sni="web.example"))
            await whole(place, Tls(ca=certificates.ca))

    asyncio.run(test())
    assert asked == ["web.example", None]


@pytest.mark.parametrize(
    ("version", "alert"),
    [
        (ssl.TLSVersion.TLSv1_2, "handshake failure"),
        (ssl.TLSVersion.TLSv1_3, "certificate required"),
    ],
)
def test_a_missing_client_certificate_is_told(
    certificates: Any, version: ssl.TLSVersion, alert: str
) -> None:
    context = certificates.serving(client=True)
    context.minimum_version = context.maximum_version = version

    def serve(listening: socket.socket) -> None:
        """Shake hands by a socket, as asyncio's servers hang up without an alert."""
        accepted, _ = listening.accept()
        with accepted, pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
            context.wrap_socket(accepted, server_side=True)

    async def test() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            serving = asyncio.create_task(asyncio.to_thread(serve, listening))
            place = Place("127.0.0.1", listening.getsockname()[1], EVER)
            result = await failure(place, Tls(ca=certificates.ca))
            await serving
        assert result == Result(Outcome.BAD, f"TLS alert: {alert}")

    asyncio.run(test())


def test_a_client_certificate_is_shown(certificates: Any) -> None:
    async def test() -> None:
        certificate, key = certificates.client
        tls = Tls(ca=certificates.ca, certificate=certificate, key=key)
        async with answering(echo, certificates.serving(client=True)) as port:
            said = bytes(300_000)
            assert await whole(Place("127.0.0.1", port, EVER), tls, said) == said

    asyncio.run(test())


def test_no_version_in_common_is_bad(certificates: Any) -> None:
    async def hello(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read(1)
        writer.write(bytes.fromhex("15 0303 0002 0246"))  # fatal, protocol_version

    async def test() -> None:
        async with answering(hello) as port:
            assert await failure(Place("127.0.0.1", port, EVER), Tls()) == Result(
                Outcome.BAD, "TLS alert: protocol version"
            )

    asyncio.run(test())


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 ready\r\n", b"\0"])
def test_who_speaks_something_else_speaks_no_tls(answer: bytes) -> None:
    async def plain(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)

    async def test() -> None:
        async with answering(plain) as port:
            assert await failure(Place("127.0.0.1", port, EVER), Tls()) == Result(
                Outcome.BAD, "no TLS"
            )

    asyncio.run(test())


def test_a_handshake_that_is_no_handshake_is_bad() -> None:
    async def garbage(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"\x16\x03\x03\x00\x10" + bytes(range(100, 116)))
        await nothing(reader, writer)

    async def test() -> None:
        async with answering(garbage) as port:
            result = await failure(Place("127.0.0.1", port, EVER), Tls())
        assert result.outcome is Outcome.BAD
        assert result.reason.startswith("TLS: ")

    asyncio.run(test())


def test_a_handshake_that_stops_is_slow() -> None:
    async def half(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"\x16\x03\x03\x00\x7a\x02\x00")
        await nothing(reader, writer)

    async def test() -> None:
        async with answering(half) as port:
            assert await failure(Place("127.0.0.1", port, SOON), Tls()) == Result(
                Outcome.SLOW, "no TLS handshake within 0.2 s"
            )

    asyncio.run(test())


@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x03\x00\x7a\x02\x00"])
def test_a_handshake_that_breaks_off_is_bad(begun: bytes) -> None:
    async def half(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(begun)

    async def test() -> None:
        async with answering(half) as port:
            assert await failure(Place("127.0.0.1", port, EVER), Tls()) == Result(
                Outcome.BAD, "connection closed in the TLS handshake"
            )

    asyncio.run(test())


def test_a_protocol_is_agreed_on(certificates: Any) -> None:
    async def test() -> None:
        for offered, expected in ((("h2",), "h2"), (("http/1.1",), ""), ((), "")):
            context = certificates.serving()
            context.set_alpn_protocols(["h2"])
            async with answering(nothing, context) as port:
                place, tls = Place("127.0.0.1", port, EVER), Tls(ca=certificates.ca)
                async with stream.connected(place, tls, alpn=offered) as opened:
                    assert opened.protocol == expected

    asyncio.run(test())


@pytest.mark.parametrize("name", ["a" * 64 + ".example", ".example", "a\0b"])
def test_a_name_that_is_none_is_not_asked_for(name: str) -> None:
    async def test() -> None:
        async with answering(nothing) as port:
            result = await failure(Place("127.0.0.1", port, EVER), Tls(sni=name))
        assert result == Result(Outcome.UNTRIED, f"no name for TLS: {name!r}")

    asyncio.run(test())


def test_a_missing_file_is_no_fault_of_the_target() -> None:
    result = asyncio.run(failure(Place("127.0.0.1", 1, EVER), Tls(ca="/missing")))
    assert result == Result(Outcome.UNTRIED, "/missing: No such file or directory")

"""TLS with real servers on 127.0.0.1, under an authority of our own."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from pointsman.discovery.access import (
    Access,
    Auth,
    Tls,
)
from pointsman.discovery.errors import Transient
from pointsman.doubles import serving


async def reach(url: str, access: Access) -> str:
    """Return whose certificate the server was shown."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, ssl=access.ssl) as reply,
    ):
        return await reply.text()


async def who(request: web.Request) -> web.Response:
    shown = request.get_extra_info("peercert")
    name = dict(pair for part in shown["subject"] for pair in part) if shown else {}
    return web.Response(text=name.get("commonName", "nobody"))


def test_the_right_authority_is_accepted(certificates: Any) -> None:
    access = Access(Tls(enabled=True, ca=certificates.ca), Auth())
    assert (access.scheme, access.describe()) == ("https", "https")

    async def test() -> None:
        async with serving(who, certificates.serving()) as url:
            assert await reach(url, access) == "nobody"

    access.check()
    asyncio.run(test())
    assert access.ssl is access.ssl


def test_another_authority_is_refused(certificates: Any) -> None:
    async def test() -> None:
        async with serving(who, certificates.serving()) as url:
            for tls in (Tls(enabled=True, ca=certificates.other_ca), Tls(enabled=True), Tls()):
                with pytest.raises(
                    aiohttp.ClientConnectorCertificateError, match="CERTIFICATE_VERIFY_FAILED"
                ):
                    await reach(url, Access(tls, Auth()))

    asyncio.run(test())


def test_another_name_is_refused(certificates: Any) -> None:
    access = Access(Tls(enabled=True, ca=certificates.ca), Auth())

    async def test() -> None:
        async with serving(who, certificates.serving()) as url:
            with pytest.raises(aiohttp.ClientConnectorCertificateError, match="localhost"):
                await reach(url.replace("127.0.0.1", "localhost"), access)

    asyncio.run(test())


def test_whoever_answers_is_accepted_when_told_so(certificates: Any) -> None:
    access = Access(Tls(enabled=True, verify=False), Auth(token_env="T"), environ={"T": "x"})
    assert isinstance(access.ssl, ssl.SSLContext)
    assert (access.ssl.verify_mode, access.ssl.check_hostname) == (ssl.CERT_NONE, False)
    assert access.describe() == "https (not verified), with a bearer token"

    async def test() -> None:
        async with serving(who, certificates.serving()) as url:
            assert await reach(url, access) == "nobody"

    asyncio.run(test())


def test_a_client_certificate_is_shown(certificates: Any) -> None:
    certificate, key = certificates.client
    shown = Tls(enabled=True, ca=certificates.ca, certificate=certificate, key=key)

    async def test() -> None:
        async with serving(who, certificates.serving(client=True)) as url:
            assert await reach(url, Access(shown, Auth())) == "client"
            with pytest.raises(aiohttp.ClientError):
                await reach(url, Access(Tls(enabled=True, ca=certificates.ca), Auth()))

    asyncio.run(test())


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ({"ca": "none"}, "ca: {}/none: No such file or directory"),
        ({"ca": "."}, "ca: {}/.: Is a directory"),
        ({"ca": "empty"}, "ca: {}/empty: has no CERTIFICATE in PEM"),
        ({"ca": "client.key"}, "ca: {}/client.key: has no CERTIFICATE in PEM"),
        ({"ca": "damaged"}, "ca: {}/damaged: is damaged"),
        (
            {"certificate": "none", "key": "client.key"},
            "certificate: {}/none: No such file or directory",
        ),
        (
            {"certificate": "client.pem", "key": "none"},
            "key: {}/none: No such file or directory",
        ),
        (
            {"certificate": "client.key", "key": "client.key"},
            "certificate: {}/client.key: has no CERTIFICATE in PEM",
        ),
        (
            {"certificate": "client.pem", "key": "client.pem"},
            "key: {}/client.pem: has no PRIVATE KEY in PEM",
        ),
        (
            {"certificate": "client.pem", "key": "server.key"},
            "certificate: {0}/client.pem and {0}/server.key do not belong together",
        ),
        (
            {"certificate": "client.pem", "key": "locked"},
            "certificate: {0}/client.pem and {0}/locked are damaged, or the key has a passphrase",
        ),
        (
            {"certificate": "damaged", "key": "client.key"},
            "certificate: {0}/damaged and {0}/client.key are damaged, or the key has a passphrase",
        ),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_a_bad_file_is_named(names: dict[str, str], why: str, certificates: Any) -> None:
    folder = Path(certificates.ca).parent
    (folder / "empty").touch()
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    (folder / "damaged").write_text(f"{begin}\nAAAA\n{end}\n")
    key = ec.generate_private_key(ec.SECP256R1())
    hidden = BestAvailableEncryption(b"xyzzy")
    (folder / "locked").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden))
    files = {key: f"{folder}/{name}" for key, name in names.items()}
    tls = msgspec.convert(files | {"enabled": True}, Tls)
    access = Access(tls, Auth())
    for use in (access.check, lambda: access.ssl):
        with pytest.raises(Transient) as error:
            use()
        assert str(error.value) == "discovery.tls." + why.format(folder)


def test_a_file_that_was_mended_is_taken(certificates: Any, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    access = Access(Tls(enabled=True, ca=str(ca)), Auth())
    with pytest.raises(Transient):
        access.check()
    ca.write_bytes(Path(certificates.ca).read_bytes())
    access.check()

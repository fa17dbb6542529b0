"""Access against real servers on 127.0.0.1: TLS, secrets that change, and a DC/OS login."""

import asyncio
import base64
import dataclasses
import datetime as dt
import ipaddress
import json
import logging
import pickle
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import msgspec
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from pointsman.discovery import account as module
from pointsman.discovery.access import (
    Access,
    Auth,
    Identity,
    Secret,
    Tls,
    problems,
    read_secrets,
)
from pointsman.discovery.errors import Transient

NOW = 1_700_000_000.0
HMAC = "of the login service, nobody else's"
NO_KEY = "is no RSA private key in PEM, or has a passphrase - at `$.private_key`"

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


# Certificates.


def pem(key: Key, passphrase: bytes = b"") -> bytes:
    hidden = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden)


class Authority:
    """A certificate authority with its files in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.file = str(folder / f"{name}.pem")
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        self._issue(self.file, self.name, self.key, constraints)

    def issue(self, name: str) -> tuple[str, str]:
        """Make a certificate for 127.0.0.1; return its file and that of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        (self.folder / f"{name}.key").write_bytes(pem(key))
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        file = str(self.folder / f"{name}.pem")
        self._issue(file, subject, key, x509.BasicConstraints(ca=False, path_length=None))
        return file, str(self.folder / f"{name}.key")

    def _issue(
        self,
        file: str,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        constraints: x509.BasicConstraints,
    ) -> None:
        today = dt.datetime.now(dt.UTC)
        here = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        certificate = (
            x509.CertificateBuilder(self.name, subject, key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - dt.timedelta(days=1))
            .not_valid_after(today + dt.timedelta(days=1))
            .add_extension(constraints, critical=True)
            .add_extension(x509.SubjectAlternativeName([here]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        Path(file).write_bytes(certificate.public_bytes(Encoding.PEM))


class Certificates:
    """Files: an authority, another one, and what the first one issued."""

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder, "authority")
        self.ca = authority.file
        self.other_ca = Authority(folder, "other").file
        self.server = authority.issue("server")
        self.client = authority.issue("client")

    def serving(self, *, client: bool = False) -> ssl.SSLContext:
        """Return what a server uses; ``client`` has it demand a client's certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.ca)
        context.load_cert_chain(*self.server)
        context.verify_mode = ssl.CERT_REQUIRED if client else ssl.CERT_NONE
        return context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2048)


# Servers.

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        port = runner.addresses[0][1]
        yield f"{'https' if context else 'http'}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


class LoginDouble:
    """Logs service accounts in as DC/OS does, and counts."""

    def __init__(self, clock: Clock, key: rsa.RSAPrivateKey) -> None:
        self.clock = clock
        self.public = key.public_key()
        self.asked = 0
        self.life = 1000.0
        self.answer: Callable[[], web.Response] | None = None
        self.given: list[str] = []
        self.proofs: list[str] = []

    async def serve(self, request: web.Request) -> web.Response:
        self.asked += 1
        assert (request.method, request.path) == ("POST", "/acs/api/v1/auth/login")
        body = await request.json()
        self.proofs.append(body["token"])
        # The clock of the test is not the one that PyJWT would compare with.
        claims = jwt.decode(
            body["token"], self.public, algorithms=["RS256"], options={"verify_exp": False}
        )
        assert body.keys() == {"uid", "token"}
        assert claims == {"uid": body["uid"], "exp": int(self.clock.now) + 300}
        assert body["uid"] == "pointsman"
        if self.answer:
            return self.answer()
        self.given.append(signed({"exp": self.clock.now + self.life, "n": self.asked}))
        return web.json_response({"token": self.given[-1]})


def signed(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, HMAC, algorithm="HS256")


def answers(status: int, body: str) -> Callable[[], web.Response]:
    return lambda: web.Response(status=status, text=body)


def account(url: str, key: Key | None, **others: object) -> str:
    """Return the JSON of a service account."""
    return json.dumps(
        {
            "uid": "pointsman",
            "private_key": pem(key).decode() if key else "",
            "login_endpoint": f"{url}/acs/api/v1/auth/login",
            "scheme": "RS256",
        }
        | others
    )


@asynccontextmanager
async def logging_in(
    key: rsa.RSAPrivateKey,
) -> AsyncIterator[tuple[LoginDouble, Access, aiohttp.ClientSession]]:
    """Give a login service, an account that it knows, and a session."""
    clock = Clock()
    double = LoginDouble(clock, key)
    async with serving(double.serve) as url, aiohttp.ClientSession() as session:
        environ = {"ACCOUNT": account(url, key)}
        yield double, Access(Tls(), Auth(service_account_env="ACCOUNT"), clock, environ), session


def asked(access: Access) -> dict[str, str]:
    """Return the headers of an access that needs no login."""

    async def ask() -> dict[str, str]:
        async with aiohttp.ClientSession() as session:
            return await access.headers(session)

    return asyncio.run(ask())


def said(error: BaseException) -> str:
    """Return all that a traceback would show."""
    return "".join(traceback.format_exception(error))


# The configuration.


@pytest.mark.parametrize(
    ("tls", "auth", "expected"),
    [
        (Tls(), Auth(), []),
        (Tls(enabled=True, ca="a", certificate="b", key="c"), Auth(), []),
        (Tls(enabled=True, verify=False), Auth(principal="p", secret_file="f"), []),
        (Tls(), Auth(principal="p", secret_env="E"), []),
        (Tls(), Auth(token_file="f"), []),
        (Tls(), Auth(token_env="E"), []),
        (Tls(), Auth(service_account_file="f"), []),
        (Tls(), Auth(service_account_env="E"), []),
        (
            Tls(enabled=True, certificate="b"),
            Auth(),
            [("tls.key", "is missing beside tls.certificate")],
        ),
        (
            Tls(enabled=True, key="b"),
            Auth(),
            [("tls.certificate", "is missing beside tls.key")],
        ),
        (
            Tls(enabled=True, ca="a", verify=False),
            Auth(),
            [("tls.ca", "is of no use while tls.verify is false")],
        ),
        (
            Tls(ca="a", certificate="b", key="c"),
            Auth(),
            [
                ("tls.ca", "is set, but tls.enabled is false"),
                ("tls.certificate", "is set, but tls.enabled is false"),
                ("tls.key", "is set, but tls.enabled is false"),
            ],
        ),
        (Tls(verify=False), Auth(), [("tls.verify", "is set, but tls.enabled is false")]),
        (
            Tls(),
            Auth(principal="p"),
            [("auth.principal", "has no secret: set secret_file or secret_env")],
        ),
        (Tls(), Auth(secret_env="E"), [("auth.principal", "is missing beside its secret")]),
        (
            Tls(),
            Auth(principal="a:b", secret_env="E"),
            [("auth.principal", "has a ':', which HTTP basic authentication can't send")],
        ),
        (
            Tls(),
            Auth(token_file="f", token_env="E"),
            [("auth.token_env", "is set beside auth.token_file; only one of them can be right")],
        ),
        (
            Tls(),
            Auth(principal="p", secret_file="f", service_account_env="E"),
            [("auth", "has more than one of a principal, a token and a service account")],
        ),
        (
            Tls(),
            Auth(token_env="T", service_account_env="E"),
            [("auth", "has more than one of a principal, a token and a service account")],
        ),
    ],
)
def test_what_can_not_be_used_together(
    tls: Tls, auth: Auth, expected: list[tuple[str, str]]
) -> None:
    assert list(problems(tls, auth)) == expected


def test_a_misspelt_key_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"cafile": "x"}, Tls)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"secret": "x"}, Auth)


# Secrets.


def test_a_secret_is_told_to_who_asks_for_it() -> None:
    assert Secret("xyzzy").reveal() == "xyzzy"


def test_a_secret_does_not_show(caplog: pytest.LogCaptureFixture) -> None:
    @dataclasses.dataclass
    class Holder:
        secret: Secret

    secret = Secret("xyzzy")
    holder = Holder(secret)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("test").info("%s %r", secret, [secret])
    shown = [
        str(secret), repr(secret), f"{secret}", f"{secret!r:>20}", f"{secret:>20}", f"{secret!s}",
        repr({secret}), repr(holder), repr(dataclasses.asdict(holder)), repr(Identity(secret)),
        json.dumps(secret, default=str), caplog.text,
        repr(msgspec.structs.asdict(Identity(secret))),
    ]  # fmt: skip
    assert all("(secret)" in text and "xyzzy" not in text for text in shown)


@pytest.mark.parametrize(
    "write",
    [msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins, json.dumps, pickle.dumps],
    ids=["msgspec json", "msgspec msgpack", "msgspec builtins", "json", "pickle"],
)
def test_a_secret_is_not_written(write: Callable[[object], object]) -> None:
    for value in (Secret("xyzzy"), Identity(Secret("xyzzy"))):
        with pytest.raises((TypeError, AttributeError, pickle.PicklingError)) as error:
            write(value)
        assert "xyzzy" not in str(error.value)
    assert not hasattr(Secret("xyzzy"), "__dict__")


def test_nobody_sends_no_header() -> None:
    access = Access(Tls(), Auth(), environ={})
    access.check()
    assert asked(access) == {}
    assert not access.refused()
    assert (access.describe(), access.scheme, access.ssl) == ("http", "http", True)


@pytest.mark.parametrize(
    "content", ["s3:cret", "s3:cret\n", "s3:cret\r\n"], ids=["bare", "line", "crlf"]
)
def test_a_principal(content: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content.encode())
    for auth in (
        Auth(principal="ops", secret_file=str(file)),
        Auth(principal="ops", secret_env="SECRET"),
    ):
        access = Access(Tls(), auth, environ={"SECRET": content})
        access.check()
        assert asked(access) == {"Authorization": "Basic b3BzOnMzOmNyZXQ="}
        assert access.describe() == "http, as principal ops"


def test_a_secret_is_sent_as_utf_8_with_its_spaces() -> None:
    access = Access(Tls(), Auth(principal="öps", secret_env="S"), environ={"S": " sécret "})
    expected = base64.b64encode("öps: sécret ".encode()).decode()
    assert asked(access) == {"Authorization": f"Basic {expected}"}


def test_a_bearer_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc.def-1=\n")
    for auth in (Auth(token_file=str(tmp_path / "token")), Auth(token_env="TOKEN")):
        access = Access(Tls(), auth, environ={"TOKEN": "abc.def-1="})
        assert asked(access) == {"Authorization": "Bearer abc.def-1="}
        assert access.describe() == "http, with a bearer token"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"two words", "is not one word of ASCII, as a token is"),
        (b"two\nlines", "is not one word of ASCII, as a token is"),
        ("t\u00f6ken".encode(), "is not one word of ASCII, as a token is"),
    ],
)
def test_a_token_file_that_can_not_be_used(content: bytes | None, why: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    access = Access(Tls(), Auth(token_file=str(file)))
    for use in (access.check, lambda: asked(access)):
        with pytest.raises(Transient) as error:
            use()
        assert str(error.value) == f"discovery.auth.token_file: {file}: {why}"


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({}, "is not set"),
        ({"S": ""}, "is empty"),
        ({"S": "\udcff"}, "is not UTF-8 text"),  # as os.environ gives the byte 0xff
    ],
)
def test_a_variable_that_can_not_be_used(environ: Mapping[str, str], why: str) -> None:
    with pytest.raises(Transient) as error:
        Access(Tls(), Auth(principal="ops", secret_env="S"), environ=environ).check()
    assert str(error.value) == f"discovery.auth.secret_env: S: {why}"


def test_a_folder_is_no_secret(tmp_path: Path) -> None:
    with pytest.raises(Transient, match=r"secret_file: .*Is a directory"):
        read_secrets(Auth(principal="ops", secret_file=str(tmp_path)), {})


def test_the_environment_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_TEST_TOKEN", "abc")
    assert asked(Access(Tls(), Auth(token_env="POINTSMAN_TEST_TOKEN"))) == {
        "Authorization": "Bearer abc"
    }


def test_a_file_is_read_again_when_it_is_refused_but_not_twice_in_a_row(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    access = Access(Tls(), Auth(token_file=str(file)))
    assert asked(access) == {"Authorization": "Bearer one"}
    file.write_text("two\n")
    assert asked(access) == {"Authorization": "Bearer one"}
    assert access.refused()
    assert asked(access) == {"Authorization": "Bearer two"}
    file.write_text("three\n")
    assert not access.refused()
    assert asked(access) == {"Authorization": "Bearer three"}
    access.accepted()
    assert access.refused()


def test_a_variable_is_not_read_again_in_vain() -> None:
    access = Access(Tls(), Auth(token_env="T"), environ={"T": "one"})
    asked(access)
    assert not access.refused()
    assert asked(access) == {"Authorization": "Bearer one"}


# TLS.


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


def test_the_right_authority_is_accepted(certificates: Certificates) -> None:
    access = Access(Tls(enabled=True, ca=certificates.ca), Auth())
    assert (access.scheme, access.describe()) == ("https", "https")

    async def test() -> None:
        async with serving(who, certificates.serving()) as url:
            assert await reach(url, access) == "nobody"

    access.check()
    asyncio.run(test())
    assert access.ssl is access.ssl


def test_another_authority_is_refused(certificates: Certificates) -> None:
    async def test() -> None:
        async with serving(who, certificates.serving()) as url:
            for tls in (Tls(enabled=True, ca=certificates.other_ca), Tls(enabled=True), Tls()):
                with pytest.raises(
                    aiohttp.ClientConnectorCertificateError, match="CERTIFICATE_VERIFY_FAILED"
                ):
                    await reach(url, Access(tls, Auth()))

    asyncio.run(test())


def test_another_name_is_refused(certificates: Certificates) -> None:
    access = Access(Tls(enabled=True, ca=certificates.ca), Auth())

    async def test() -> None:
        async with serving(who, certificates.serving()) as url:
            with pytest.raises(aiohttp.ClientConnectorCertificateError, match="localhost"):
                await reach(url.replace("127.0.0.1", "localhost"), access)

    asyncio.run(test())


def test_whoever_answers_is_accepted_when_told_so(certificates: Certificates) -> None:
    access = Access(Tls(enabled=True, verify=False), Auth(token_env="T"), environ={"T": "x"})
    assert isinstance(access.ssl, ssl.SSLContext)
    assert (access.ssl.verify_mode, access.ssl.check_hostname) == (ssl.CERT_NONE, False)
    assert access.describe() == "https (not verified), with a bearer token"

    async def test() -> None:
        async with serving(who, certificates.serving()) as url:
            assert await reach(url, access) == "nobody"

    asyncio.run(test())


def test_a_client_certificate_is_shown(certificates: Certificates) -> None:
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
def test_a_bad_file_is_named(names: dict[str, str], why: str, certificates: Certificates) -> None:
    folder = Path(certificates.ca).parent
    (folder / "empty").touch()
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    (folder / "damaged").write_text(f"{begin}\nAAAA\n{end}\n")
    (folder / "locked").write_bytes(pem(ec.generate_private_key(ec.SECP256R1()), b"xyzzy"))
    files = {key: f"{folder}/{name}" for key, name in names.items()}
    tls = msgspec.convert(files | {"enabled": True}, Tls)
    access = Access(tls, Auth())
    for use in (access.check, lambda: access.ssl):
        with pytest.raises(Transient) as error:
            use()
        assert str(error.value) == "discovery.tls." + why.format(folder)


def test_a_file_that_was_mended_is_taken(certificates: Certificates, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    access = Access(Tls(enabled=True, ca=str(ca)), Auth())
    with pytest.raises(Transient):
        access.check()
    ca.write_bytes(Path(certificates.ca).read_bytes())
    access.check()


# The login of a service account.


def test_a_login(rsa_key: rsa.RSAPrivateKey, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def test() -> None:
        async with logging_in(rsa_key) as (double, access, session):
            access.check()
            assert access.describe() == "http, as service account pointsman"
            first = await access.headers(session)
            assert first == {"Authorization": f"token={double.given[0]}"}
            assert await access.headers(session) == first
            assert double.asked == 1
            shown = repr(access) + access.describe() + caplog.text
            for secret in (*double.given, *double.proofs, pem(rsa_key).decode()[40:80]):
                assert secret not in shown

    asyncio.run(test())


def test_an_account_file_is_read_at_each_login(rsa_key: rsa.RSAPrivateKey, tmp_path: Path) -> None:
    clock = Clock()
    double = LoginDouble(clock, rsa.generate_private_key(public_exponent=65_537, key_size=2048))
    file = tmp_path / "account.json"
    access = Access(Tls(), Auth(service_account_file=str(file)), clock)
    assert access.describe() == "http, as a service account"

    async def test() -> None:
        async with serving(double.serve) as url, aiohttp.ClientSession() as session:
            file.write_text(account(url, rsa_key))
            with pytest.raises(Transient, match="answered 500"):  # the double knows another key
                await access.headers(session)
            double.public = rsa_key.public_key()
            assert "Authorization" in await access.headers(session)
            file.unlink()
            await access.headers(session)
            assert access.refused()
            with pytest.raises(Transient, match=r"account\.json: No such file"):
                await access.headers(session)

    asyncio.run(test())


@pytest.mark.parametrize(
    ("token", "seconds"),
    [
        pytest.param(signed({"exp": NOW + 432_000}), 388_800, id="days, as of DC/OS"),
        pytest.param(signed({"exp": NOW + 1000}), 900, id="minutes"),
        pytest.param(signed({"exp": NOW + 300}), 240, id="few minutes"),
        pytest.param(signed({"exp": NOW + 40}), 20, id="seconds"),
        pytest.param(signed({"exp": NOW - 10}), 3240, id="past"),
        pytest.param(signed({"exp": float("inf")}), 3240, id="infinite"),
        pytest.param(signed({"exp": float("nan")}), 3240, id="not a number"),
        pytest.param(signed({"exp": 10**400}), 3240, id="too large"),
        pytest.param(signed({"exp": "soon"}), 3240, id="text"),
        pytest.param(signed({"exp": None}), 3240, id="null"),
        pytest.param(signed({"exp": [1]}), 3240, id="list"),
        pytest.param(signed({"uid": "pointsman"}), 3240, id="none"),
        pytest.param("opaque", 3240, id="opaque"),
        pytest.param("a.b.c", 3240, id="like a JWT"),
    ],
)
def test_a_token_is_renewed_before_it_ends(
    token: str, seconds: float, rsa_key: rsa.RSAPrivateKey
) -> None:
    async def test() -> None:
        async with logging_in(rsa_key) as (double, access, session):
            double.answer = lambda: web.json_response({"token": token})
            for after, logins in ((0, 1), (seconds - 1, 1), (seconds, 2)):
                double.clock.now = NOW + after
                assert await access.headers(session) == {"Authorization": f"token={token}"}
                assert double.asked == logins

    asyncio.run(test())


def test_each_token_is_used_for_its_own_time(rsa_key: rsa.RSAPrivateKey) -> None:
    async def test() -> None:
        async with logging_in(rsa_key) as (double, access, session):
            for after, logins in ((0, 1), (899, 1), (900, 2), (1799, 2), (1800, 3)):
                double.clock.now = NOW + after
                header = await access.headers(session)
                assert header == {"Authorization": f"token={double.given[-1]}"}
                assert double.asked == logins

    asyncio.run(test())


def test_a_token_is_used_to_its_end_when_no_other_is_given(
    rsa_key: rsa.RSAPrivateKey, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with logging_in(rsa_key) as (double, access, session):
            first = await access.headers(session)
            double.answer = answers(503, "")
            for after, logins in ((900, 2), (959, 2), (960, 3), (999, 3)):
                double.clock.now = NOW + after
                assert await access.headers(session) == first
                assert double.asked == logins
            assert [record.message.partition("; ")[2] for record in caplog.records] == [
                "the token at hand is good for 100 s more",
                "the token at hand is good for 40 s more",
            ]
            assert double.given[0] not in caplog.text
            double.clock.now = NOW + 1000
            with pytest.raises(Transient, match="503"):
                await access.headers(session)
            double.answer = None
            assert await access.headers(session) != first

    asyncio.run(test())


def test_a_token_that_was_refused_is_not_used_to_its_end(rsa_key: rsa.RSAPrivateKey) -> None:
    async def test() -> None:
        async with logging_in(rsa_key) as (double, access, session):
            await access.headers(session)
            double.clock.now = NOW + 900

            def refuse() -> web.Response:
                assert access.refused()
                return web.Response(status=500)

            double.answer = refuse
            with pytest.raises(Transient):
                await access.headers(session)

    asyncio.run(test())


def test_one_login_serves_all_who_ask(rsa_key: rsa.RSAPrivateKey) -> None:
    async def test() -> None:
        async with logging_in(rsa_key) as (double, access, session):
            one, other = await asyncio.gather(access.headers(session), access.headers(session))
            assert one == other == {"Authorization": f"token={double.given[0]}"}
            assert double.asked == 1

    asyncio.run(test())


def test_who_waits_for_a_login_that_was_cancelled_logs_in(rsa_key: rsa.RSAPrivateKey) -> None:
    async def test() -> None:
        clock = Clock()
        double = LoginDouble(clock, rsa_key)
        arrived, go = asyncio.Event(), asyncio.Event()

        async def held(request: web.Request) -> web.Response:
            arrived.set()
            await go.wait()
            return await double.serve(request)

        async with serving(held) as url, aiohttp.ClientSession() as session:
            environ = {"ACCOUNT": account(url, rsa_key)}
            access = Access(Tls(), Auth(service_account_env="ACCOUNT"), clock, environ)
            first = asyncio.create_task(access.headers(session))
            second = asyncio.create_task(access.headers(session))
            await arrived.wait()
            first.cancel()
            go.set()
            assert await second == {"Authorization": f"token={double.given[-1]}"}

    asyncio.run(test())


def test_a_refused_token_is_renewed_but_not_twice_in_a_row(rsa_key: rsa.RSAPrivateKey) -> None:
    async def test() -> None:
        async with logging_in(rsa_key) as (double, access, session):
            first = await access.headers(session)
            assert access.refused()
            second = await access.headers(session)
            assert first != second
            assert double.asked == 2
            assert not access.refused()
            await access.headers(session)
            access.accepted()
            assert access.refused()

    asyncio.run(test())


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (401, '{"token": "xyzzy"}', "answered 401"),
        (500, "xyzzy", "answered 500"),
        (201, '{"token": "xyzzy"}', "answered 201"),
        (200, "", "answered 200 without a token"),
        (200, "<p>xyzzy</p>", "answered 200 without a token"),
        (200, '["xyzzy"]', "answered 200 without a token"),
        (200, '{"tokens": "xyzzy"}', "answered 200 without a token"),
        (200, '{"token": ""}', "answered 200 without a token"),
        (200, '{"token": null}', "answered 200 without a token"),
        (200, '{"token": "xyzzy\\r\\nX-Evil: 1"}', "answered 200 without a token"),
        (200, '{"token": "xyzzy\\n"}', "answered 200 without a token"),
        (200, '{"token": "xyzzy \u00fc"}', "answered 200 without a token"),
    ],
)
def test_a_login_that_fails_is_transient(
    status: int, body: str, why: str, rsa_key: rsa.RSAPrivateKey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def test() -> None:
        async with logging_in(rsa_key) as (double, access, session):
            double.answer = answers(status, body)
            with pytest.raises(Transient) as error:
                await access.headers(session)
            where = r"login of pointsman at http://127.0.0.1:\d+/acs/api/v1/auth/login"
            error.match(f"^{where}: {why}$")
            for text in (said(error.value), repr(access), access.describe(), caplog.text):
                assert "xyzzy" not in text
                assert double.proofs[0] not in text
            double.answer = None
            assert "Authorization" in await access.headers(session)

    asyncio.run(test())


def test_a_login_does_not_follow_redirects(rsa_key: rsa.RSAPrivateKey) -> None:
    async def test() -> None:
        async with logging_in(rsa_key) as (double, access, session):
            elsewhere = {"Location": "/elsewhere"}
            double.answer = lambda: web.Response(status=307, headers=elsewhere)
            with pytest.raises(Transient, match="answered 307"):
                await access.headers(session)
            assert double.asked == 1

    asyncio.run(test())


@pytest.mark.parametrize(
    "answer",
    [
        b"xyzzy",
        b"xyzzy xyzzy xyzzy\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nxyzzy\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nxyzzy",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyzzy\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nxyzzy",
        b"HTTP/1.1 200 OK\r\nContent-Type: a/b; charset=xyzzy\r\nContent-Length: 1\r\n\r\n\xff",
    ],
)
def test_a_login_that_is_answered_in_no_http(answer: bytes, rsa_key: rsa.RSAPrivateKey) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    async def test() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server, aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            environ = {"A": account(url, rsa_key)}
            access = Access(Tls(), Auth(service_account_env="A"), Clock(), environ)
            with pytest.raises(Transient, match=url) as error:
                await access.headers(session)
            assert "xyzzy" not in said(error.value)

    asyncio.run(test())


def test_a_login_that_nobody_answers(
    rsa_key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.05)

    async def test() -> None:
        done = asyncio.Event()

        async def never(_: web.Request) -> web.Response:
            await done.wait()
            return web.Response()

        async with aiohttp.ClientSession() as session:
            async with serving(never) as url:
                environ = {"A": account(url, rsa_key)}
                access = Access(Tls(), Auth(service_account_env="A"), Clock(), environ)
                with pytest.raises(Transient, match=r"no answer in 0\.05 s"):
                    await access.headers(session)
                done.set()
            with pytest.raises(Transient, match="Cannot connect to host"):
                await access.headers(session)

    asyncio.run(test())


def test_a_login_endpoint_that_is_no_host(rsa_key: rsa.RSAPrivateKey) -> None:
    async def test() -> None:
        for url in ("http://127.0.0.1:99999", "http://" + "a" * 70, "http://[::x]", "http://a..b"):
            environ = {"A": account(url, rsa_key)}
            access = Access(Tls(), Auth(service_account_env="A"), Clock(), environ)
            async with aiohttp.ClientSession() as session:
                with pytest.raises(Transient, match="login of pointsman at"):
                    await access.headers(session)

    asyncio.run(test())


def test_a_login_is_verified_like_the_masters(
    rsa_key: rsa.RSAPrivateKey, certificates: Certificates
) -> None:
    async def test() -> None:
        clock = Clock()
        double = LoginDouble(clock, rsa_key)
        async with (
            serving(double.serve, certificates.serving()) as url,
            aiohttp.ClientSession() as session,
        ):
            environ = {"A": account(url, rsa_key)}
            auth = Auth(service_account_env="A")
            for tls in (Tls(enabled=True, ca=certificates.other_ca), Tls()):
                with pytest.raises(Transient, match="CERTIFICATE_VERIFY_FAILED"):
                    await Access(tls, auth, clock, environ).headers(session)
            assert double.asked == 0
            for tls in (Tls(enabled=True, ca=certificates.ca), Tls(enabled=True, verify=False)):
                headers = await Access(tls, auth, clock, environ).headers(session)
                assert headers == {"Authorization": f"token={double.given[-1]}"}

    asyncio.run(test())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("xyzzy", "JSON is malformed: invalid character (byte 0)"),
        ("[]", "Expected `object`, got `array`"),
        ('{"private_key": "xyzzy"}', NO_KEY),
        ('{"private_key": 5}', NO_KEY),
        ('{"uid": "xyzzy"}', "Object missing required field `private_key`"),
    ],
)
def test_an_account_that_can_not_be_used(content: str, why: str) -> None:
    with pytest.raises(Transient) as error:
        Access(Tls(), Auth(service_account_env="A"), environ={"A": content}).check()
    assert str(error.value) == f"discovery.auth.service_account_env: A: {why}"
    assert "xyzzy" not in said(error.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("uid", "xyzzy\nERROR"),
        ("scheme", "HS256"),
        ("login_endpoint", "ftp://xyzzy/login"),
        ("login_endpoint", "xyzzy"),
        ("login_endpoint", "https://"),
        ("login_endpoint", "https://user:xyzzy@10.0.0.1/login"),
        ("login_endpoint", "https://10.0.0.1/login?token=xyzzy"),
        ("login_endpoint", "https://10.0.0.1/log in"),
    ],
)
def test_an_account_with_a_bad_value(key: str, value: str, rsa_key: rsa.RSAPrivateKey) -> None:
    environ = {"A": account("https://10.0.0.1", rsa_key, **{key: value})}
    with pytest.raises(Transient, match=rf"A: .* at `\$\.{key}`") as error:
        read_secrets(Auth(service_account_env="A"), environ)
    assert value not in said(error.value)


def test_an_account_does_not_show(rsa_key: rsa.RSAPrivateKey) -> None:
    environ = {"A": account("https://10.0.0.1", rsa_key)}
    identity = read_secrets(Auth(service_account_env="A"), environ)
    shown = repr(identity) + str(identity.account)
    assert "PRIVATE" not in shown
    assert not any(line in shown for line in pem(rsa_key).decode().splitlines())
    for write in (msgspec.json.encode, msgspec.to_builtins):
        with pytest.raises(TypeError):
            write(identity)


def test_a_key_that_can_not_sign(rsa_key: rsa.RSAPrivateKey) -> None:
    public = rsa_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    curve = ec.generate_private_key(ec.SECP256R1())
    der = curve.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    p256, unknown = bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d030105")
    strange = base64.encodebytes(der.replace(p256, unknown))
    strange = b"-----BEGIN PRIVATE KEY-----\n" + strange + b"-----END PRIVATE KEY-----\n"
    for key in (public, pem(curve), strange, pem(rsa_key, b"xyzzy"), pem(rsa_key)[:-200]):
        environ = {"A": account("https://10.0.0.1", None, private_key=key.decode())}
        with pytest.raises(Transient) as error:
            read_secrets(Auth(service_account_env="A"), environ)
        assert str(error.value) == f"discovery.auth.service_account_env: A: {NO_KEY}"


# What is said does not depend on a secret.

ANY = st.text(st.characters(codec=None, exclude_categories=()))  # lone surrogates too


def outcome(auth: Auth, secret: str) -> tuple[str, ...]:
    """Return all that an access says of itself where this stands in the variable S."""
    access = Access(Tls(), auth, environ={"S": secret})
    try:
        access.check()
        failure = ""
    except Transient as error:
        failure = str(error)
    return repr(access), str(access), access.describe(), failure


@given(ANY)
def test_nothing_tells_of_a_principals_secret(secret: str) -> None:
    who = "http, as principal ops"
    *said, failure = outcome(Auth(principal="ops", secret_env="S"), secret)
    assert said == [f"<Access {who}>", f"<Access {who}>", who]
    assert failure.removeprefix("discovery.auth.secret_env: S: ") in (
        "", "is empty", "is not UTF-8 text",
    )  # fmt: skip


@given(ANY)
def test_nothing_tells_of_a_token(secret: str) -> None:
    who = "http, with a bearer token"
    *said, failure = outcome(Auth(token_env="S"), secret)
    assert said == [f"<Access {who}>", f"<Access {who}>", who]
    assert failure.removeprefix("discovery.auth.token_env: S: ") in (
        "", "is empty", "is not UTF-8 text", "is not one word of ASCII, as a token is",
    )  # fmt: skip


@given(st.text())
def test_nothing_tells_of_a_private_key(secret: str) -> None:
    json = account("https://10.0.0.1", None, private_key=secret)
    *said, failure = outcome(Auth(service_account_env="S"), json)
    who = "http, as a service account"
    assert said == [f"<Access {who}>", f"<Access {who}>", who]
    assert failure == f"discovery.auth.service_account_env: S: {NO_KEY}"


@given(st.text(st.characters(min_codepoint=0x100), min_size=1), st.integers(0, 3))
def test_nothing_tells_of_an_account_that_is_none(secret: str, shape: int) -> None:
    content = (secret, f'"{secret}"', f'{{"{secret}": 1}}', f'{{"uid": "{secret}", "scheme": 1}}')
    *said, failure = outcome(Auth(service_account_env="S"), content[shape])
    assert failure
    assert not set(secret) & set("".join([*said, failure]))

"""The login of a DC/OS service account, at a double of its login service."""

import asyncio
import base64
import json
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import msgspec
import pytest
from aiohttp import web
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
    Tls,
    read_secrets,
)
from pointsman.discovery.errors import Transient
from pointsman.doubles import serving

NOW = 1_700_000_000.0
HMAC = "of the login service, nobody else's"
NO_KEY = "is no RSA private key in PEM, or has a passphrase - at `$.private_key`"

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def pem(key: Key, passphrase: bytes = b"") -> bytes:
    hidden = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden)


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


def said(error: BaseException) -> str:
    """Return all that a traceback would show."""
    return "".join(traceback.format_exception(error))


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
    rsa_key: rsa.RSAPrivateKey, certificates: Any
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


def outcome(auth: Auth, secret: str) -> tuple[str, ...]:
    """Return all that an access says of itself where this stands in the variable S."""
    access = Access(Tls(), auth, environ={"S": secret})
    try:
        access.check()
        failure = ""
    except Transient as error:
        failure = str(error)
    return repr(access), str(access), access.describe(), failure


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

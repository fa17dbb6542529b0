"""The login of a DC/OS service account; imported only where there is one: it takes much memory."""

import math
from ssl import SSLContext
from typing import Annotated, Any

import aiohttp
import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pointsman.discovery.errors import Transient

TIMEOUT = 10.0
"""Seconds for a login."""
ASSERTION = 300.0
"""Seconds for which the signed claim to be a service account is good."""
LIFETIME = 3600.0
"""Seconds for which a token is taken to be good that does not say when it ends."""

Word = Annotated[str, msgspec.Meta(pattern=r"\A[!-~]+\Z")]  # it can end no header and no log line
Endpoint = Annotated[str, msgspec.Meta(pattern=r"\Ahttps?://[^\s@/?#]+(/[^\s@?#]*)?\Z")]


class Account(msgspec.Struct, frozen=True):
    """A DC/OS service account, as in the JSON that DC/OS tells to keep."""

    uid: Word
    private_key: RSAPrivateKey
    login_endpoint: Endpoint
    scheme: Annotated[str, msgspec.Meta(pattern=r"\ARS256\Z")]


class _Reply(msgspec.Struct, frozen=True):
    token: Word


def read(where: str, json: str) -> Account:
    """Return the account; raises Transient, which names ``where`` it stands and no value of it."""
    try:
        return msgspec.json.decode(json, type=Account, dec_hook=_key)
    except msgspec.DecodeError as error:  # it tells places and names, no values
        raise Transient(f"{where}: {error}") from None


async def log_in(
    session: aiohttp.ClientSession, account: Account, now: float, ssl: SSLContext | bool
) -> str:
    """Return the token that the account is given; raises Transient, without a secret."""
    claims = {"uid": account.uid, "exp": int(now + ASSERTION)}
    proof = jwt.encode(claims, account.private_key, algorithm="RS256")
    login = f"login of {account.uid} at {account.login_endpoint}"
    try:
        async with session.post(
            account.login_endpoint,
            json={"uid": account.uid, "token": proof},
            ssl=ssl,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
        ) as reply:
            status, answer = reply.status, await reply.read()
    except TimeoutError:
        raise Transient(f"{login}: no answer in {TIMEOUT:g} s") from None
    except OSError as error:
        raise Transient(f"{login}: {error}") from None
    except (aiohttp.ClientError, ValueError) as error:  # ValueError: a host that is none
        # Its text may quote what was answered, and so a token.
        raise Transient(f"{login}: {type(error).__name__}") from None
    if status != 200:
        raise Transient(f"{login}: answered {status}")
    try:
        return msgspec.json.decode(answer, type=_Reply).token
    except ValueError:
        raise Transient(f"{login}: answered 200 without a token") from None


def lifetime(token: str, now: float) -> float:
    """Return for how many seconds a token is good that was given just now."""
    try:
        ends = float(jwt.decode(token, options={"verify_signature": False})["exp"])
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError):
        return LIFETIME
    # One that has ended when it is given comes of clocks that differ.
    return ends - now if now < ends < math.inf else LIFETIME


def _key(_: type, value: Any) -> RSAPrivateKey:
    """Read a private key for msgspec."""
    try:
        key = load_pem_private_key(str(value).encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("is no RSA private key in PEM, or has a passphrase")
    return key

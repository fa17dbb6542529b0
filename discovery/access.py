"""How the masters are spoken to: TLS, and who this is to them.

Mesos knows HTTP basic authentication; proxies in front of it, bearer tokens; DC/OS, a login with a
service account: a JWT signed by its private key is exchanged for a token, which is sent with each
request (DC/OS documentation, "Service account authentication").
"""

import asyncio
import base64
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from ssl import CERT_NONE, SSLContext, SSLError, create_default_context
from typing import TYPE_CHECKING, Annotated

import msgspec

from pointsman.discovery.errors import Transient

if TYPE_CHECKING:
    import aiohttp  # a third of the time that `pointsman show` takes to start

    from pointsman.discovery.account import Account

log = logging.getLogger("pointsman.discovery")

EARLY, LEAST_EARLY = 0.1, 60.0
"""A token is renewed when this share of its lifetime is left, and this many seconds at least.

The share lets a token of days outlast hours without a login; the seconds are for clocks that differ
and requests under way. Half the lifetime is the most, lest a short token be renewed all the time.
"""
RETRY = 60.0
"""Seconds until a login is tried again that failed while the token at hand was still good."""

Word = Annotated[str, msgspec.Meta(pattern=r"\A[!-~]+\Z")]  # it can end no header and no log line


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """HTTPS to the masters."""

    enabled: bool = False
    """``true`` speaks HTTPS to all masters."""
    ca: str = ""
    """PEM file with the certificates to trust; empty for the system's."""
    certificate: str = ""
    """PEM file with a certificate to show to the masters."""
    key: str = ""
    """PEM file with the private key of that certificate."""
    verify: bool = True
    """``false`` speaks to whoever answers: anyone on the network may then invent a cluster."""


class Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who this is to the masters: at most one of a principal, a token and a service account."""

    principal: str = ""
    """Mesos principal, for HTTP basic authentication."""
    secret_file: str = ""
    """File with the principal's secret."""
    secret_env: str = ""
    """Environment variable with the principal's secret."""
    token_file: str = ""
    """File with a bearer token."""
    token_env: str = ""
    """Environment variable with a bearer token."""
    service_account_file: str = ""
    """JSON file of a DC/OS service account: uid, private_key, login_endpoint, scheme RS256."""
    service_account_env: str = ""
    """Environment variable with the same JSON."""


def problems(tls: Tls, auth: Auth) -> Iterator[tuple[str, str]]:
    """Yield a key and a reason for each value that can't be used beside the others."""
    if not tls.enabled:
        for field in msgspec.structs.fields(Tls):
            if getattr(tls, field.name) != field.default:
                yield f"tls.{field.name}", "is set, but tls.enabled is false"
    if tls.certificate and not tls.key:
        yield "tls.key", "is missing beside tls.certificate"
    if tls.key and not tls.certificate:
        yield "tls.certificate", "is missing beside tls.key"
    if tls.ca and not tls.verify:
        yield "tls.ca", "is of no use while tls.verify is false"
    secret = auth.secret_file or auth.secret_env
    if auth.principal and not secret:
        yield "auth.principal", "has no secret: set secret_file or secret_env"
    if secret and not auth.principal:
        yield "auth.principal", "is missing beside its secret"
    if ":" in auth.principal:
        yield "auth.principal", "has a ':', which HTTP basic authentication can't send"
    for kind in ("secret", "token", "service_account"):
        if getattr(auth, f"{kind}_file") and getattr(auth, f"{kind}_env"):
            yield (
                f"auth.{kind}_env",
                f"is set beside auth.{kind}_file; only one of them can be right",
            )
    token = auth.token_file or auth.token_env
    account = auth.service_account_file or auth.service_account_env
    if sum(map(bool, (auth.principal or secret, token, account))) > 1:
        yield "auth", "has more than one of a principal, a token and a service account"


class Secret:
    """A text that shows only when asked for by name; msgspec, json and pickle refuse it."""

    __slots__ = ("reveal",)

    def __init__(self, text: str) -> None:
        # A function, as nothing that walks through objects looks into one.
        self.reveal: Callable[[], str] = lambda: text

    def __repr__(self) -> str:
        return "(secret)"

    def __format__(self, _: str) -> str:
        return "(secret)"


class Identity(msgspec.Struct, frozen=True):
    """What the files and variables say: the header to send, or the account to log in with."""

    header: Secret = Secret("")
    """Value of ``Authorization``; empty for none."""
    account: "Account | None" = None


class _Held(msgspec.Struct, frozen=True):
    """A header, and when to renew it and when it ends, in seconds since 1970."""

    header: Secret
    renew: float = math.inf
    ends: float = math.inf


def read_secrets(auth: Auth, environ: Mapping[str, str]) -> Identity:
    """Read the files and variables; raises Transient, which names the one that can't be used."""
    if auth.principal:
        _, secret = _read(auth, "secret", environ)
        pair = base64.b64encode(f"{auth.principal}:{secret}".encode())
        return Identity(Secret(f"Basic {pair.decode()}"))
    if auth.token_file or auth.token_env:
        where, token = _read(auth, "token", environ)
        try:
            return Identity(Secret(f"Bearer {msgspec.convert(token, Word)}"))
        except msgspec.ValidationError:
            raise Transient(f"{where}: is not one word of ASCII, as a token is") from None
    if auth.service_account_file or auth.service_account_env:
        where, json = _read(auth, "service_account", environ)
        from pointsman.discovery import account

        return Identity(account=account.read(where, json))
    return Identity()


class Access:
    """Gives each request to a master what it needs; nothing it says or shows has a secret in it."""

    def __init__(
        self,
        tls: Tls,
        auth: Auth,
        clock: Callable[[], float] = time.time,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """``clock`` gives seconds since 1970, by which tokens end."""
        self._tls = tls
        self._auth = auth
        self._clock = clock
        self._environ = environ
        self._context: SSLContext | None = None
        self._held: _Held | None = None
        self._renewing = asyncio.Lock()
        self._tried_again = False

    def __repr__(self) -> str:
        return f"<Access {self.describe()}>"

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return "https" if self._tls.enabled else "http"

    @property
    def ssl(self) -> SSLContext | bool:
        """The ``ssl`` that aiohttp takes; raises Transient, which names it, for a bad file."""
        if not self._tls.enabled:
            return True
        if self._context is None:
            self._context = _context(self._tls)
        return self._context

    def check(self) -> None:
        """Raise Transient, which names it, when a file or variable can't be used."""
        _ = self.ssl
        read_secrets(self._auth, self._environ)

    def describe(self) -> str:
        """Return how the masters are asked, for people."""
        how = self.scheme if self._tls.verify else f"{self.scheme} (not verified)"
        if self._auth.principal:
            return f"{how}, as principal {self._auth.principal}"
        if self._auth.token_file or self._auth.token_env:
            return f"{how}, with a bearer token"
        try:
            account = read_secrets(self._auth, self._environ).account
        except Transient:
            return f"{how}, as a service account"
        return f"{how}, as service account {account.uid}" if account else how

    async def headers(self, session: "aiohttp.ClientSession") -> dict[str, str]:
        """Return the headers that say who this is; logs in first where that is due.

        Raises Transient when a secret can't be read or the login fails.
        """
        async with self._renewing:
            held = self._held
            if held is None or self._clock() >= held.renew:
                held = self._held = await self._renewed(session)
        header = held.header.reveal()
        return {"Authorization": header} if header else {}

    def refused(self) -> bool:
        """Forget what a master answered 401 to; tell whether to ask once more.

        Not where it would be the same again, and not twice in a row: the secret itself is wrong.
        """
        auth = self._auth
        account = auth.service_account_file or auth.service_account_env
        again = bool(auth.secret_file or auth.token_file or account) and not self._tried_again
        self._held, self._tried_again = None, True
        return again

    def accepted(self) -> None:
        """Note that a master took what it was given, and may refuse it some day."""
        self._tried_again = False

    async def _renewed(self, session: "aiohttp.ClientSession") -> _Held:
        try:
            return await self._obtained(session)
        except Transient as error:
            now, held = self._clock(), self._held
            if held is None or now >= held.ends:
                raise
            log.warning("%s; the token at hand is good for %d s more", error, held.ends - now)
            return msgspec.structs.replace(held, renew=min(now + RETRY, held.ends))

    async def _obtained(self, session: "aiohttp.ClientSession") -> _Held:
        identity = read_secrets(self._auth, self._environ)
        if identity.account is None:
            return _Held(identity.header)
        from pointsman.discovery import account

        now = self._clock()
        token = await account.log_in(session, identity.account, now, self.ssl)
        lifetime = account.lifetime(token, now)
        early = min(max(EARLY * lifetime, LEAST_EARLY), lifetime / 2)
        return _Held(Secret(f"token={token}"), now + lifetime - early, now + lifetime)


def _read(auth: Auth, kind: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return where a secret stands, for people, and the secret."""
    file, variable = getattr(auth, f"{kind}_file"), getattr(auth, f"{kind}_env")
    where = f"discovery.auth.{kind}_" + (f"file: {file}" if file else f"env: {variable}")
    try:
        found = _bytes(where, file) if file else os.fsencode(environ[variable])
        text = found.decode().rstrip("\r\n")
    except KeyError:
        raise Transient(f"{where}: is not set") from None
    except UnicodeError:
        raise Transient(f"{where}: is not UTF-8 text") from None
    if not text:
        raise Transient(f"{where}: is empty")
    return where, text


def _bytes(where: str, file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise Transient(f"{where}: {error.strerror}") from None


def _context(tls: Tls) -> SSLContext:
    # OpenSSL names neither the file nor what it lacks.
    for key, file, kind in (
        ("ca", tls.ca, b"CERTIFICATE"),
        ("certificate", tls.certificate, b"CERTIFICATE"),
        ("key", tls.key, b"PRIVATE KEY"),
    ):
        where = f"discovery.tls.{key}: {file}"
        if file and kind + b"-----" not in _bytes(where, file):
            raise Transient(f"{where}: has no {kind.decode()} in PEM")
    try:
        context = create_default_context(cafile=tls.ca or None)
    except OSError as error:
        raise Transient(f"discovery.tls.ca: {tls.ca}: is damaged") from error
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = CERT_NONE
    if tls.certificate:
        try:
            # Without a password OpenSSL asks for one on the terminal.
            context.load_cert_chain(tls.certificate, tls.key, password="")
        except OSError as error:
            unlike = isinstance(error, SSLError) and error.reason == "KEY_VALUES_MISMATCH"
            why = "do not belong together" if unlike else "are damaged, or the key has a passphrase"
            where = f"discovery.tls.certificate: {tls.certificate} and {tls.key}"
            raise Transient(f"{where} {why}") from error
    return context

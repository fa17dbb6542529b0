"""Asks masters and ZooKeeper what `pointsman check` wants to know of them."""

import asyncio
import errno
from collections.abc import Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from ssl import CERT_NONE, create_default_context
from urllib.parse import urlsplit

import aiohttp

from pointsman.config import DiscoveryConfig
from pointsman.discovery import text
from pointsman.discovery.access import Access
from pointsman.discovery.errors import Transient
from pointsman.discovery.leader import Url
from pointsman.discovery.zookeeper import Missing, NoRight, masters_now
from pointsman.preflight_cluster import Asked, Outcome, Quorum

PATIENCE = 5.0
"""Seconds for one answer."""

QUESTION = b'{"type":"GET_MASTER"}'
"""What a leader alone answers; followers name it (Mesos's docs/operator-http-api.md)."""


def ask_zookeeper(url: Url) -> Quorum:
    """Return what ZooKeeper tells of the masters now."""
    try:
        found = masters_now(url)
    except Missing:
        return Quorum(url.hosts, url.path, problem="no path")
    except NoRight:
        return Quorum(url.hosts, url.path, problem="no right")
    except Transient:
        return Quorum(url.hosts, url.path, problem="silent")
    return Quorum(url.hosts, url.path, tuple(map(str, found)))


async def ask_masters(config: DiscoveryConfig, masters: Sequence[str]) -> tuple[Asked, ...]:
    """Return what each master (``HOST:PORT``) answers, asked all at once."""
    access = Access(config.tls, config.auth)
    limits = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(timeout=limits) as session:
        asked = (_ask(session, access, address) for address in masters)
        return tuple(await asyncio.gather(*asked))


async def _ask(session: aiohttp.ClientSession, access: Access, address: str) -> Asked:
    try:
        headers = {"Content-Type": "application/json", **await access.headers(session)}
    except Transient as error:
        return Asked(address, "unauthorised", str(error))
    try:
        async with session.post(
            f"{access.scheme}://{address}/api/v1",
            data=QUESTION,
            headers=headers,
            ssl=access.ssl,
            allow_redirects=False,
        ) as reply:
            return _answered(address, reply)
    except aiohttp.ClientConnectorDNSError as error:
        return Asked(address, "unknown", str(error.os_error))
    except aiohttp.ClientConnectorCertificateError as error:
        return Asked(address, "untrusted", str(error.certificate_error))
    except aiohttp.ClientConnectorSSLError as error:
        return Asked(address, "plain", str(error.os_error))
    except aiohttp.ClientConnectorError as error:
        refused = error.errno == errno.ECONNREFUSED
        return Asked(
            address, "refused" if refused else "silent", "" if refused else str(error.os_error)
        )
    except TimeoutError:
        return Asked(address, "silent", f"nothing in {PATIENCE:g} s")
    except (aiohttp.ClientError, OSError) as error:
        tls = access.scheme == "http" and await _speaks_tls(address)
        return Asked(address, "tls" if tls else "odd", "" if tls else str(error))


def _answered(address: str, reply: aiohttp.ClientResponse) -> Asked:
    outcomes: dict[int, Outcome] = {
        200: "leads",
        302: "follows",
        307: "follows",
        401: "unauthorised",
        403: "forbidden",
        503: "leaderless",
    }
    outcome = outcomes.get(reply.status, "odd")
    said = urlsplit(reply.headers.get("Location", "")).netloc if outcome == "follows" else ""
    date = None
    with suppress(KeyError, ValueError):
        date = parsedate_to_datetime(reply.headers["Date"]).timestamp()
    return Asked(
        address, outcome, said or (f"it says {reply.status}" if outcome == "odd" else ""), date
    )


async def _speaks_tls(address: str) -> bool:
    """Tell whether there is TLS where plain HTTP got no answer; nothing is trusted or sent."""
    context = create_default_context()
    context.check_hostname, context.verify_mode = False, CERT_NONE
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(*text.endpoint(address), ssl=context)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True

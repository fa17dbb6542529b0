"""Masters as they answer, over real sockets of the loopback."""

import asyncio
import datetime as dt
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pointsman.cluster_facts import ask_masters, ask_zookeeper
from pointsman.config import DiscoveryConfig
from pointsman.discovery.access import Auth, Tls
from pointsman.discovery.leader import Url
from pointsman.doubles import OperatorDouble
from pointsman.preflight_cluster import Asked, Quorum


def asked(config: DiscoveryConfig, ssl: SSLContext | None = None, status: int = 0) -> Asked:
    """Return what a master says that answers by a status."""

    async def ask() -> Asked:
        async with OperatorDouble(b"", ssl=ssl) as master:
            if status:
                master.refused["GET_MASTER"] = status
            (found,) = await ask_masters(config, (master.address,))
            return found

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(0, "leads"), (401, "unauthorised"), (403, "forbidden"), (503, "leaderless"), (404, "odd")],
)
def test_what_a_master_answers(status: int, outcome: str) -> None:
    found = asked(DiscoveryConfig(), status=status)
    assert found.outcome == outcome
    assert found.date is not None


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> SSLContext:
    """Return what a master with a certificate of its own making speaks."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "master")])
    today = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "master.pem").write_bytes(
        certificate.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "master.pem")
    return context


def test_tls_where_it_is_not_asked_for(tls: SSLContext) -> None:
    assert asked(DiscoveryConfig(), tls).outcome == "tls"


def test_no_tls_where_it_is_asked_for() -> None:
    assert asked(DiscoveryConfig(tls=Tls(enabled=True))).outcome == "plain"


def test_a_certificate_that_nobody_vouches_for(tls: SSLContext) -> None:
    assert asked(DiscoveryConfig(tls=Tls(enabled=True)), tls).outcome == "untrusted"


def test_a_secret_that_is_not_there(tmp_path: Path) -> None:
    found = asked(DiscoveryConfig(auth=Auth(token_file=str(tmp_path / "none"))))
    assert found.outcome == "unauthorised"
    assert "discovery.auth.token_file" in found.said


@pytest.fixture
def closed() -> Iterator[str]:
    """Give an address that nobody listens at."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


def test_nobody_there(closed: str) -> None:
    (found,) = asyncio.run(ask_masters(DiscoveryConfig(), (closed,)))
    assert found == Asked(closed, "refused")


def test_what_is_no_http_at_all() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            for _ in range(2):  # asked in plain, and then for TLS
                server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        (found,) = asyncio.run(ask_masters(DiscoveryConfig(), (address,)))
        thread.join()
    assert found.outcome == "odd"


def test_no_zookeeper(closed: str) -> None:
    assert ask_zookeeper(Url(closed, "/mesos")) == Quorum(closed, "/mesos", problem="silent")

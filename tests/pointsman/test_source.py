"""Where the cluster comes from, as the configuration says."""

import asyncio
from pathlib import Path

import pytest

from pointsman.config import DiscoveryConfig
from pointsman.discovery.access import Auth, Tls
from pointsman.discovery.errors import Transient
from pointsman.doubles import OperatorDouble
from pointsman.source import check, once, url

DATA = Path(__file__).parents[1] / "data/mesos"


def test_a_master_is_asked_once() -> None:
    async def test() -> None:
        async with OperatorDouble((DATA / "running-GET_STATE.json").read_bytes()) as master:
            assert len((await once(DiscoveryConfig(masters=(master.address,)))).tasks) == 5

    asyncio.run(test())


def test_a_file_is_read_once() -> None:
    found = asyncio.run(once(DiscoveryConfig(file=str(DATA / "subscribe.recordio"))))
    assert len(found.agents) == 1


def test_masters_that_are_not_there_are_waited_for_only_so_long() -> None:
    config = DiscoveryConfig(masters=("127.0.0.1:1",), timeout=0.2)
    with pytest.raises(Transient, match=r"not told of in 0\.2 s"):
        asyncio.run(once(config))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (DiscoveryConfig(tls=Tls(enabled=True, ca="/no/ca.pem")), r"tls\.ca: /no/ca\.pem: No such"),
        (DiscoveryConfig(auth=Auth(token_file="/no/token")), r"token_file: /no/token: No such"),
        (
            DiscoveryConfig(zookeeper="zk://h:1/m", zookeeper_credential_file="/no/pw"),
            r"zookeeper_credential_file: /no/pw: No such",
        ),
    ],
)
def test_a_file_that_is_needed_and_not_there_is_named(config: DiscoveryConfig, words: str) -> None:
    with pytest.raises(Transient, match=words):
        check(config)


def test_the_credential_for_zookeeper_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("user:secret\n")
    config = DiscoveryConfig(
        zookeeper="zk://h:2181/mesos", zookeeper_credential_file=str(tmp_path / "pw")
    )
    assert url(config).credential == "user:secret"

import pytest

from pointsman.config import Config, HttpConfig
from pointsman.hosts import admitted, names

NAMES = names(Config(http=HttpConfig(hosts=("Node1.example.com",))), "Node1")


@pytest.mark.parametrize(
    "host",
    [
        None, "127.0.0.1", "127.0.0.1:8123", "[::1]:8123", "10.0.0.1:80", "localhost:8123",
        "LOCALHOST", "node1", "node1.example.com:8123", "leader.mesos:8123", "master.mesos",
        "ns1.mesos", "thisnode.thisdcos.directory:8123", "node1.",
    ],
)  # fmt: skip
def test_addresses_and_own_names_are_admitted(host: str | None) -> None:
    assert admitted(host, NAMES)


@pytest.mark.parametrize(
    "host",
    ["", ":8123", "evil.example", "evil.example:8123", "localhost.evil.example", "[::1", "[x]:1",
     "127.0.0.1.evil.example", "web.marathon.mesos:8123"],
)  # fmt: skip
def test_names_that_others_may_give_an_address_to_are_not(host: str) -> None:
    assert admitted(host, NAMES) == (host == "[::1")


def test_a_node_is_known_by_its_first_label_too() -> None:
    assert {"a.example.com", "a"} <= names(Config(), "a.example.com")

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.discovery.leader import Url, candidates, masters, parse_url
from pointsman.discovery.model import Master

# As Mesos 1.11.0 writes it.
INFO = (
    b'{"address":{"hostname":"127.0.0.1","ip":"127.0.0.1","port":5050},"capabilities":'
    b'[{"type":"AGENT_UPDATE"}],"hostname":"127.0.0.1","id":"eb719f29","ip":16777343,'
    b'"pid":"master@127.0.0.1:5050","port":5050,"version":"1.11.0"}'
)


def info(**fields: object) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("zk://10.0.0.1:2181/mesos", Url("10.0.0.1:2181", "/mesos")),
        ("zk://h1:2181,h2:2182/a/b/", Url("h1:2181,h2:2182", "/a/b")),
        ("zk://ops:s3:cret@h1:2181/mesos", Url("h1:2181", "/mesos", "ops:s3:cret")),
    ],
)
def test_a_url_names_hosts_path_and_credential(url: str, expected: Url) -> None:
    assert parse_url(url) == expected


@pytest.mark.parametrize(
    "url", ["", "http://h:2181/mesos", "zk://h:2181", "zk://h:2181/", "zk://h/mesos", "zk:///mesos"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_url(url)


def test_a_refusal_does_not_tell_the_password() -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        parse_url("zk://ops:s3cret@h1:2181")
    assert "s3cret" not in str(refused.value)


def test_the_lowest_sequence_leads() -> None:
    children = ["log_replicas", "json.info_0000000012", "info_0000000001", "json.info_0000000003"]
    assert candidates(children) == ["json.info_0000000003", "json.info_0000000012"]


def test_masters_are_read_leader_first() -> None:
    other = info(address={"ip": "10.0.0.2", "port": 5051})
    znodes = {"json.info_2": other, "json.info_1": INFO, "log_replicas": b"", "info_3": INFO}
    assert masters(znodes) == (Master("127.0.0.1", 5050), Master("10.0.0.2", 5051))


def test_the_old_field_of_the_address_is_read() -> None:
    assert masters({"json.info_1": info(ip=16777343, port=5050)}) == (Master("127.0.0.1", 5050),)


@given(st.one_of(st.binary(), st.sampled_from([INFO[:n] for n in range(0, len(INFO), 7)])))
def test_what_can_not_be_read_is_left_out(data: bytes) -> None:
    assert masters({"json.info_1": data, "json.info_2": INFO})[-1] == Master("127.0.0.1", 5050)


@given(st.integers(), st.integers())
def test_odd_numbers_are_left_out(ip: int, port: int) -> None:
    masters({"json.info_1": info(ip=ip, port=port)})

from typing import Any

import pytest

from pointsman.config import Config, HttpConfig
from pointsman.discovery.errors import Fatal, Transient
from pointsman.status import fetch, matching, page, virtual_servers
from pointsman.testing import AGENT, discovery, port, task
from pointsman.vip.addresses import Range
from pointsman.vip.backends import Backend, backends
from pointsman.vip.elect import Place
from pointsman.vip.model import Activity, Endpoint, Key, Protocol, RealServer, VirtualServer
from pointsman.vip.parts import Look
from pointsman.vip.policy import Defaults
from pointsman.vip.wanted import Wanted, begin, update

ONE, TWO, THREE = (Endpoint(f"10.0.0.{n}", 31000) for n in (1, 2, 3))
KEY = Key(Protocol.TCP, "11.0.0.199", 80)


def wanted() -> Wanted:
    """Return a VIP of a live task, one that is being killed, and one that starts."""
    states: dict[str, dict[str, Any]] = {
        "1": {},
        "2": {"state": "TASK_KILLING"},
        "3": {"checked": True},
    }
    found: list[Backend] = []
    for number, state in states.items():
        one = task(
            f"web.{number}", discovery=discovery("web", port(31000, VIP_0="/web:80")),
            addresses=(f"10.0.0.{number}",), **state,
        )  # fmt: skip
        found += backends(one, AGENT, Defaults())[0]
    return update(begin((Range("11.0.0.0", "11.0.0.255"),)), (), found, Place(), 0, 0)


LOOK = Look(
    {KEY: VirtualServer(real_servers={ONE: RealServer(1), TWO: RealServer(0)})},
    {KEY: {ONE: Activity(5, 2, 100, bytes_in_rate=1500), TWO: Activity(1)}},
    {KEY: Activity(connections=100, connection_rate=3, bytes_in_rate=1500)},
    {(KEY, TWO): 112.34},
    {"net.ipv4.vs.conntrack": "1"},
)


def test_each_real_server_has_its_state_and_what_goes_to_it() -> None:
    (found,) = virtual_servers([KEY], LOOK, wanted(), {}, "l4lb.x", 100)
    assert found["name"] == "web.marathon.l4lb.x"
    assert (found["in_kernel"], found["connections"], found["connection_rate"]) == (True, 100, 3)
    told = [(r["task_id"], r["state"], r["left"], r["active"]) for r in found["real_servers"]]
    assert told == [
        ("web.1", "live", None, 5),
        ("web.2", "killing, draining", 12.3, 1),
        ("web.3", "starting, out", None, 0),
    ]


def test_what_the_kernel_lacks_and_what_nobody_wants_is_told_too() -> None:
    foreign = Key(Protocol.TCP, "11.0.0.1", 80)
    look = Look({foreign: VirtualServer(real_servers={THREE: RealServer(1)})})
    keys = matching(look, wanted(), "l4lb.x")
    first, second = virtual_servers(keys, look, wanted(), {}, "l4lb.x", 100)
    assert (first["in_kernel"], first["real_servers"][0]["state"]) == (True, "unknown, used")
    assert (second["in_kernel"], second["real_servers"][0]["state"]) == (False, "out")


def test_people_read_a_table() -> None:
    status = {
        "ready": True,
        "not_ready": "",
        "mode": "stream, leader 10.0.0.1:5050",
        "complaints": ["no masquerading"],
        "settings": LOOK.settings,
        "virtual_servers": virtual_servers([KEY], LOOK, wanted(), {}, "l4lb.x", 100),
    }
    head, table = page(status).split("\n\n")
    assert head.splitlines() == [
        "ready; stream, leader 10.0.0.1:5050",
        "1 virtual servers, 3 real servers, 1 draining",
        "  net.ipv4.vs.conntrack = 1",
        "! no masquerading",
    ]
    lines = table.splitlines()
    assert [line.split() for line in lines] == [
        ["VIP", "STATE", "WEIGHT", "ACTIVE", "INACTIVE", "TOTAL", "NEW/S", "IN/S", "OUT/S"],
        ["tcp", "11.0.0.199:80", "web.marathon.l4lb.x", "wlc", "6", "2", "100", "3", "1.5k", "0"],
        ["10.0.0.1:31000", "web.1", "live", "1", "5", "2", "100", "0", "1.5k", "0"],
        [
            *("10.0.0.2:31000", "web.2", "killing,", "draining", "12", "s"),
            *("0", "1", "0", "0", "0", "0", "0"),
        ],
        ["10.0.0.3:31000", "web.3", "starting,", "out", "0", "0", "0", "0", "0", "0", "0"],
    ]
    words = zip(lines, ("STATE", "wlc", "live", "killing", "starting"), strict=True)
    assert len({line.index(word) for line, word in words}) == 1
    assert len(set(map(len, lines))) == 1


def test_nobody_to_ask_is_said() -> None:
    with pytest.raises(Fatal, match=r"http\.listen is empty"):
        fetch(Config(http=HttpConfig("")))
    with pytest.raises(
        Transient, match=r"no Pointsman answers at http://127\.0\.0\.1:1: .*running"
    ):
        fetch(Config(http=HttpConfig("127.0.0.1:1")))

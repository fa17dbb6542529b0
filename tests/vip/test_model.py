import errno

import pytest

from pointsman.vip.model import (
    AddReal,
    AddServer,
    Change,
    DeleteReal,
    DeleteServer,
    Endpoint,
    Failure,
    Key,
    Protocol,
    RealServer,
    SetReal,
    SetServer,
    Settings,
)

V4 = Key(Protocol.TCP, "11.1.2.3", 80)
V6 = Key(Protocol.UDP, "fd01:c::1", 53)
REAL = Endpoint("10.0.0.1", 31000)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (AddServer(V4, Settings()), "add tcp 11.1.2.3:80 wlc"),
        (SetServer(V6, Settings("rr")), "set udp [fd01:c::1]:53 rr"),
        (DeleteServer(Key(fwmark=7, address="0.0.0.0")), "delete fwmark 7 ipv4"),
        (AddReal(V4, REAL, RealServer(3)), "add tcp 11.1.2.3:80 -> 10.0.0.1:31000 weight 3"),
        (SetReal(V4, REAL, RealServer(0)), "set tcp 11.1.2.3:80 -> 10.0.0.1:31000 weight 0"),
        (DeleteReal(V6, Endpoint("fd00::1", 53)), "delete udp [fd01:c::1]:53 -> [fd00::1]:53"),
    ],
)
def test_a_change_prints_as_one_line(change: Change, text: str) -> None:
    assert str(change) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ESRCH, "delete tcp 11.1.2.3:80: ESRCH, no such virtual server"),
        (errno.EBUSY, "delete tcp 11.1.2.3:80: EBUSY"),
        (9999, "delete tcp 11.1.2.3:80: errno 9999"),
    ],
)
def test_a_refusal_says_what_the_error_means(number: int, text: str) -> None:
    assert str(Failure(DeleteServer(V4), number)) == text


def test_keys_sort() -> None:
    assert sorted([V6, V4]) == [V4, V6]


def test_a_key_knows_its_family() -> None:
    assert (V4.family, V6.family, Key(fwmark=1, address="::").family) == (4, 6, 6)

"""Who gets connections and answers nothing."""

import pytest

from pointsman.vip.elect import Target
from pointsman.vip.model import (
    Activity,
    Endpoint,
    Forwarding,
    Key,
    Protocol,
    RealServer,
    VirtualServer,
)
from pointsman.vip.silence import Counted, silent

KEY, REAL = Key(Protocol.TCP, "11.0.0.1", 80), Endpoint("10.0.0.1", 31000)


def counted(connections: int, packets_in: int, packets_out: int) -> Counted:
    return {KEY: {REAL: Activity(0, 0, connections, packets_in, packets_out)}}


def found(before: Counted, after: Counted, forwarding: int = Forwarding.MASQUERADE) -> bool:
    targets = {KEY: Target(VirtualServer(real_servers={REAL: RealServer(1, forwarding)}))}
    return list(silent(before, after, targets)) == [(KEY, REAL)]


BEFORE = counted(100, 1000, 900)


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (counted(103, 1009, 900), True),
        (counted(102, 1006, 900), False),  # two may be chance
        (counted(103, 1009, 901), False),  # something came back
        (counted(100, 1009, 900), False),  # nobody new
        (counted(103, 1000, 900), False),  # told before their packets were
    ],
)
def test_connections_without_a_packet_back_make_suspicious(after: Counted, said: bool) -> None:
    assert found(BEFORE, after) is said


def test_what_direct_forwarding_answers_comes_another_way() -> None:
    assert not found(BEFORE, counted(200, 2000, 900), Forwarding.DIRECT)


def test_a_real_server_that_is_new_or_not_ours_is_not_judged() -> None:
    assert not found({}, counted(10, 30, 0))
    assert list(silent(BEFORE, counted(200, 2000, 900), {})) == []

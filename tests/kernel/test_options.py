"""Whatever options labels may have, the kernel takes them and tells them as they were meant."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pointsman.vip import policy
from pointsman.vip.diff import diff
from pointsman.vip.model import Endpoint, Key, Protocol, VirtualServer
from pointsman.vip.netlink import Ipvs

PLACES = {
    Key(Protocol.TCP, "11.1.2.3", 80): Endpoint("10.0.0.1", 80),
    Key(Protocol.UDP, "fd01:c::1", 53): Endpoint("fd00::1", 53),
}


def texts(low: int, high: int) -> st.SearchStrategy[str]:
    return st.integers(low, high).map(str)


SAID = st.fixed_dictionaries(
    {},
    optional={
        "scheduler": st.sampled_from(["rr", "wlc", "sed", "sh,sh-port", "mh,mh-port,mh-fallback"]),
        "persistence": st.tuples(texts(0, 2678400), st.just("") | texts(1, 128).map("/{}".format)),
        "weight": texts(0, 65_535),
        "thresholds": texts(0, 2**31 - 1),
        "forwarding": st.sampled_from(
            ["masquerade", "direct", "tunnel", "tunnel:gre", "tunnel:gue:6080"]
        ),
    },
)


@pytest.fixture
def kernel() -> Iterator[Ipvs]:
    with Ipvs() as ipvs:
        yield ipvs


@hypothesis_settings(
    max_examples=int(os.environ.get("POINTSMAN_EXAMPLES", "100")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(options=SAID)
def test_what_is_read_of_labels_is_what_the_kernel_has(
    kernel: Ipvs, options: dict[str, str | tuple[str, ...]]
) -> None:
    said = dict(one for name, text in options.items() for one in policy.read(name, "".join(text)))
    found = policy.apply(policy.Defaults(), tuple(sorted(said.items())))
    wanted = {
        key: VirtualServer(found.policy.settings(key.family), {endpoint: found.real})
        for key, endpoint in PLACES.items()
    }
    assert kernel.apply(diff(kernel.table(), wanted, lambda _: True)) == ()
    assert kernel.table() == wanted

from pointsman.api import vips_view
from pointsman.testing import discovery, port, task
from pointsman.vip.addresses import Range
from pointsman.vip.model import Settings
from pointsman.vip.wanted import backends, wanted


def test_an_ipv6_address_stands_in_brackets_and_a_named_vip_under_its_name() -> None:
    both = task(
        addresses=("fd00::5",),
        discovery=discovery("web", port(80, VIP_0="/web:80", VIP_1="fd01:c::9:80")),
    )
    found = wanted(backends(both)[0], (Range("fd01:c::", "fd01:c::ffff"),), Settings())
    assert {vip["vip"] for vip in vips_view(found, "l4lb.x")} == {
        "[fd01:c::9]:80",
        "web.marathon.l4lb.x:80",
    }

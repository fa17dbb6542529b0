from pointsman.api import _LastVips, vips_view
from pointsman.testing import AGENT, discovery, port, task
from pointsman.vip.addresses import Range
from pointsman.vip.backends import backends
from pointsman.vip.elect import Place
from pointsman.vip.policy import Defaults
from pointsman.vip.wanted import begin, update


def test_an_ipv6_address_stands_in_brackets_and_a_named_vip_under_its_name() -> None:
    both = task(
        addresses=("fd00::5",),
        discovery=discovery("web", port(80, VIP_0="/web:80", VIP_1="fd01:c::9:80")),
    )
    ranges = (Range("fd01:c::", "fd01:c::ffff"),)
    found = update(begin(ranges), (), backends(both, AGENT, Defaults())[0], Place(), 0, 0)
    assert {vip["vip"] for vip in vips_view(found, "l4lb.x")} == {
        "[fd01:c::9]:80",
        "web.marathon.l4lb.x:80",
    }


def test_vips_that_did_not_change_are_not_written_again() -> None:
    ranges = (Range("11.0.0.0", "11.0.0.255"),)
    web = backends(task(discovery=discovery("w", port(80, VIP_0="/w:80"))), AGENT, Defaults())[0]
    first = update(begin(ranges), (), web, Place(), 0, 0)
    last = _LastVips()
    body = last.body(first, "l4lb.x")
    assert last.body(update(first, (), (), Place(), 0, 0), "l4lb.".replace(".", ".x")) is body
    assert last.body(first, "l4lb.y") is not body
    assert last.body(update(first, web, (), Place(), 0, 0), "l4lb.y") == b"[]"

import pytest

from pointsman.dns.forward import Forward, addresses, nameservers, parse, problems


def found(forward: Forward) -> list[str]:
    own = ("mesos", "l4lb.thisdcos.directory", "9.in-addr.arpa")
    return [f"{key}: {why}" for key, why in problems(forward, own)]


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("10.0.0.1", ("10.0.0.1", 53)),
        ("10.0.0.1:5353", ("10.0.0.1", 5353)),
        ("fd00::1", ("fd00::1", 53)),
        ("[fd00::1]:5353", ("fd00::1", 5353)),
        ("FD00:0::1", ("fd00::1", 53)),
        ("fe80::1%eth0", ("fe80::1%eth0", 53)),
        ("[fe80::1%eth0]:5353", ("fe80::1%eth0", 5353)),
    ],
)
def test_an_upstream_is_an_address_with_or_without_a_port(value: str, at: tuple[str, int]) -> None:
    assert parse(value) == at


@pytest.mark.parametrize(
    "value",
    ["", "dns.example.org", "dns.example.org:53", "10.0.0.1:0", "10.0.0.1:", "10.0.0", "[fd00::1]",
     "0.0.0.0", "[::]:53", "224.0.0.251:5353"],
)  # fmt: skip
def test_what_is_no_address_is_told(value: str) -> None:
    (problem,) = found(Forward((value,)))
    assert problem.startswith("upstreams[0]: ")
    assert repr(value) in problem


def test_what_can_not_be_used_is_told_by_its_key() -> None:
    one = ("10.0.0.1",)
    assert (
        found(Forward(("10.0.0.1", "/etc/resolv.conf"), {"consul": one, "9.9.in.arpa": one})) == []
    )
    assert found(Forward(("10.0.0.1", "10.0.0.1"))) == ["upstreams: names an upstream twice"]
    assert found(Forward(zones={"consul": ()})) == ["zones.consul: names no upstream"]
    assert found(Forward(zones={"consul": ("x",)}))[0].startswith("zones.consul[0]: 'x' is neither")
    assert found(Forward(zones={"a..b": one})) == [
        "zones.a..b: 'a..b' has a label that is empty or too long"
    ]
    assert found(Forward(zones={".": one})) == ["zones..: is no zone; `upstreams` is for all names"]
    assert found(Forward(zones={"": one})) != []
    assert found(Forward(zones={"ü": one})) != []
    assert found(Forward(zones={"a." * 127 + "ab": one})) == [f"zones.{'a.' * 127}ab: is too long"]
    assert found(Forward(zones={"Consul.": one, "consul": one})) == [
        "zones.consul: is the same zone as 'Consul.'"
    ]


@pytest.mark.parametrize("zone", ["mesos", "Mesos.", "web.mesos", "1.9.in-addr.arpa"])
def test_a_zone_that_is_answered_here_is_not_forwarded(zone: str) -> None:
    (problem,) = found(Forward(zones={zone: ("10.0.0.1",)}))
    assert "is answered here, by the own zone" in problem


@pytest.mark.parametrize("zone", ["thisdcos.directory", "xmesos", "in-addr.arpa"])
def test_a_zone_around_or_beside_an_own_one_may_be_forwarded(zone: str) -> None:
    assert found(Forward(zones={zone: ("10.0.0.1",)})) == []


RESOLV_CONF = """\
# nameserver 10.0.0.9
search example.org
nameserver 10.0.0.1
  nameserver fd00::1   # of the router
nameserver
nameserver dns.example.org
options timeout:1
nameserver 127.0.0.1
nameserver 10.0.0.1
"""


def test_a_resolv_conf_names_the_resolvers_of_the_host() -> None:
    assert nameservers(RESOLV_CONF) == ["10.0.0.1", "fd00::1", "127.0.0.1", "10.0.0.1"]


def test_a_file_stands_for_its_nameservers_but_this_server() -> None:
    values = ("10.0.0.2:5353", "/etc/resolv.conf", "10.0.0.1")
    own = {("127.0.0.1", 53)}
    assert addresses(values, {"/etc/resolv.conf": RESOLV_CONF}.__getitem__, own.__contains__) == (
        ("10.0.0.2", 5353),
        ("10.0.0.1", 53),
        ("fd00::1", 53),
    )


def test_this_server_is_not_to_ask_itself() -> None:
    with pytest.raises(ValueError, match=r"'10.0.0.1' is this server itself"):
        addresses(("10.0.0.1",), str, {("10.0.0.1", 53)}.__contains__)

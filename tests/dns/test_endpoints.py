import pytest

from pointsman.dns.endpoints import Address, Endpoint, Entry, endpoints, local, parse

ADDRESSES = (
    Address("lo", 1, "127.0.0.1"),
    Address("eth0", 2, "10.0.0.1"),
    Address("eth0", 2, "10.0.0.2"),
    Address("eth0", 2, "fd00::1"),
    Address("eth0", 2, "fe80::1"),
    Address("eth1", 3, "fe80::1"),
)


def bound(*values: str) -> list[str]:
    return [str(endpoint) for endpoint in endpoints(map(parse, values), ADDRESSES)]


@pytest.mark.parametrize(
    ("value", "entry"),
    [
        ("10.0.0.1:53", Entry("10.0.0.1", "", 53)),
        ("[FD00:0::1]:53", Entry("fd00::1", "", 53)),
        ("[fe80::1%eth0]:53", Entry("fe80::1", "eth0", 53)),
        ("eth0:53", Entry("", "eth0", 53)),
        ("br-lan.100:5353", Entry("", "br-lan.100", 5353)),
    ],
)
def test_an_entry_is_an_address_or_an_interface(value: str, entry: Entry) -> None:
    assert parse(value) == entry


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("10.0.0.300:53", "neither an IP address nor an interface"),
        ("a/b:53", "neither an IP address nor an interface"),
        ("longer-than-15-octets:53", "neither an IP address nor an interface"),
        ("eth0", "is not HOST:PORT"),
        ("eth0:0", "is not a port"),
        ("[fe80::1]:53", r"goes with its interface, as in \[fe80::1%eth0\]:53"),
        ("[fd00::1%eth0]:53", "a link-local address, and no other"),
    ],
)
def test_what_is_neither_is_explained(value: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse(value)


def test_an_address_is_bound_whether_an_interface_has_it_or_not() -> None:
    assert bound("192.0.2.1:53", "[fd00::9]:53") == ["192.0.2.1:53", "[fd00::9]:53"]


def test_an_interface_is_all_its_addresses_and_link_local_ones_say_which_it_is() -> None:
    assert bound("eth0:53") == ["10.0.0.1:53", "10.0.0.2:53", "[fd00::1]:53", "[fe80::1%2]:53"]
    assert bound("eth1:53") == ["[fe80::1%3]:53"]
    assert bound("eth9:53") == []


def test_a_link_local_address_is_bound_while_its_interface_has_it() -> None:
    assert bound("[fe80::1%eth1]:53", "[fe80::2%eth1]:53") == ["[fe80::1%3]:53"]


def test_an_address_that_is_meant_twice_is_bound_once() -> None:
    assert bound("10.0.0.2:53", "eth0:53", "10.0.0.2:5353")[0] == "10.0.0.2:53"
    assert bound("10.0.0.2:53", "eth0:53").count("10.0.0.2:53") == 1


def test_all_addresses_of_a_family_cover_each_of_them_on_that_port() -> None:
    assert bound("0.0.0.0:53", "eth0:53") == ["0.0.0.0:53", "[fd00::1]:53", "[fe80::1%2]:53"]
    assert bound("eth0:53", "[::]:53", "0.0.0.0:53") == ["[::]:53", "0.0.0.0:53"]
    assert "10.0.0.1:53" in bound("0.0.0.0:5353", "eth0:53")


def test_an_endpoint_is_written_as_people_do() -> None:
    assert str(Endpoint("fe80::1%2", 53)) == "[fe80::1%2]:53"
    assert local("fe80::1")
    assert local("febf::1")
    assert not local("fec0::1")

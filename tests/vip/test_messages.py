"""Our bytes beside pyroute2's, where pyroute2 is right, and what a real kernel's dump holds."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.generic.ipvs import ipvsmsg

from pointsman.vip import messages
from pointsman.vip.model import (
    AddReal,
    AddServer,
    Change,
    DeleteReal,
    DeleteServer,
    Endpoint,
    Forwarding,
    Key,
    Protocol,
    RealServer,
    SetReal,
    SetServer,
    Settings,
)

V4, V6 = Key(Protocol.TCP, "11.1.2.3", 80), Key(Protocol.SCTP, "fd01:c::1", 5353)
MARK4, MARK6 = Key(0, "0.0.0.0", 0, 7), Key(0, "::", 0, 8)
FAMILY, SEQUENCE = 28, 99


def decoded(data: bytes) -> Any:
    message = ipvsmsg(data)
    message.decode()
    return message


def attributes(message: Any, which: str) -> dict[str, Any]:
    found = message.get_attr(which)
    return {} if found is None else dict(found["attrs"])


def service_of(change: Change) -> dict[str, Any]:
    message = decoded(messages.encode(change, FAMILY, SEQUENCE))
    return attributes(message, "IPVS_CMD_ATTR_SERVICE")


@pytest.mark.parametrize(
    ("change", "command"),
    [
        (AddServer(V4, Settings()), 1),
        (SetServer(V4, Settings()), 2),
        (DeleteServer(V4), 3),
        (AddReal(V4, Endpoint("10.0.0.1", 1), RealServer()), 5),
        (SetReal(V4, Endpoint("10.0.0.1", 1), RealServer()), 6),
        (DeleteReal(V4, Endpoint("10.0.0.1", 1)), 7),
    ],
)
def test_the_header_says_what_is_done(change: Change, command: int) -> None:
    data = messages.encode(change, FAMILY, SEQUENCE, messages.ACK)
    message = decoded(data)
    assert message["cmd"] == command
    assert message["header"]["length"] == len(data)
    assert message["header"]["type"] == FAMILY
    assert message["header"]["sequence_number"] == SEQUENCE
    assert message["header"]["flags"] == 5


def test_pyroute2_reads_a_virtual_server_as_we_mean_it() -> None:
    settings = Settings("wrr", flags=1, persistence=300, netmask=24)
    assert service_of(AddServer(V4, settings)) == {
        "IPVS_SVC_ATTR_AF": 2,
        "IPVS_SVC_ATTR_PROTOCOL": 6,
        "IPVS_SVC_ATTR_ADDR": "11.1.2.3",
        "IPVS_SVC_ATTR_PORT": 80,
        "IPVS_SVC_ATTR_SCHED_NAME": "wrr",
        "IPVS_SVC_ATTR_FLAGS": {"flags": 1, "mask": 0xFFFFFFFF},
        "IPVS_SVC_ATTR_TIMEOUT": 300,
        "IPVS_SVC_ATTR_NETMASK": "255.255.255.0",
    }


def test_kube_vip_781_the_netmask_of_ipv6_is_a_prefix_length() -> None:
    found = service_of(AddServer(V6, Settings()))
    assert found["IPVS_SVC_ATTR_ADDR"] == "fd01:c::1"
    assert found["IPVS_SVC_ATTR_PROTOCOL"] == 132
    # A prefix length in the machine's own byte order, which pyroute2 shows as an address.
    assert found["IPVS_SVC_ATTR_NETMASK"] == "128.0.0.0"


def test_a_firewall_mark_has_no_address() -> None:
    for key, af in ((MARK4, 2), (MARK6, 10)):
        found = service_of(DeleteServer(key))
        assert found == {"IPVS_SVC_ATTR_AF": af, "IPVS_SVC_ATTR_FWMARK": key.fwmark}


def test_libnetwork_2431_a_real_server_tells_its_family() -> None:
    real = RealServer(7, Forwarding.TUNNEL, upper=9, lower=2, tunnel_type=1, tunnel_port=6080)
    change = AddReal(V4, Endpoint("10.0.0.1", 31000), real)
    message = decoded(messages.encode(change, FAMILY, SEQUENCE))
    assert attributes(message, "IPVS_CMD_ATTR_DEST") == {
        "IPVS_DEST_ATTR_ADDR_FAMILY": 2,
        "IPVS_DEST_ATTR_ADDR": "10.0.0.1",
        "IPVS_DEST_ATTR_PORT": 31000,
        "IPVS_DEST_ATTR_FWD_METHOD": 2,
        "IPVS_DEST_ATTR_WEIGHT": 7,
        "IPVS_DEST_ATTR_TUN_TYPE": 1,
        # pyroute2 takes it for the machine's own byte order; the kernel's is the network's.
        "IPVS_DEST_ATTR_TUN_PORT": int.from_bytes(struct.pack("=H", 6080)),
        "IPVS_DEST_ATTR_TUN_FLAGS": 0,
        "IPVS_DEST_ATTR_U_THRESH": 9,
        "IPVS_DEST_ATTR_L_THRESH": 2,
    }


def test_our_bytes_are_pyroute2s_bytes() -> None:
    change = AddReal(V6, Endpoint("fd00::1", 31000), RealServer(3, upper=9, lower=2))
    theirs = ipvsmsg()
    theirs["cmd"], theirs["version"] = 5, 1
    theirs["header"] = {"type": FAMILY, "flags": 1, "sequence_number": SEQUENCE, "pid": 0}
    service = [("AF", 10), ("PROTOCOL", 132), ("ADDR", "fd01:c::1"), ("PORT", 5353)]
    dest = [
        ("ADDR_FAMILY", 10), ("ADDR", "fd00::1"), ("PORT", 31000), ("FWD_METHOD", 0),
        ("WEIGHT", 3), ("U_THRESH", 9), ("L_THRESH", 2),
    ]  # fmt: skip
    theirs["attrs"] = [
        ("IPVS_CMD_ATTR_SERVICE", {"attrs": [(f"IPVS_SVC_ATTR_{k}", v) for k, v in service]}),
        ("IPVS_CMD_ATTR_DEST", {"attrs": [(f"IPVS_DEST_ATTR_{k}", v) for k, v in dest]}),
    ]
    theirs.encode()
    ours = bytearray(messages.encode(change, FAMILY, SEQUENCE))
    theirs = bytearray(theirs.data)
    # Of what marks a nest pyroute2 sets a bit that the kernel does not look at.
    for data in (ours, theirs):
        for kind in (b"\1", b"\2"):
            at = data.find(kind + b"\x80", 20)
            if at > 0:
                data[at + 1] = 0
    assert ours == theirs


# A message of a dump as Linux 6.1.176 sent it: 10.0.0.1:31000, weight 3, limits 9 and 2.
REAL = bytes.fromhex(
    "050100007c010200140001000a00000100000000000000000000000006000200791800000800030000000000"
    "080004000300000005000d000000000006000e000000000006000f0000000000080005000900000008000600"
    "0200000008000700000000000800080000000000080009000000000006000b000200000064000a0008000100"
    "000000000800020000000000080003000000000004000b000c000400000000000000000004000b000c000500"
    "0000000000000000080006000000000008000700000000000800080000000000080009000000000008000a00"
    "00000000a0000c000c000100000000000000000004000b000c000200000000000000000004000b000c000300"
    "000000000000000004000b000c000400000000000000000004000b000c000500000000000000000004000b00"
    "0c000600000000000000000004000b000c000700000000000000000004000b000c0008000000000000000000"
    "04000b000c000900000000000000000004000b000c000a000000000000000000"
)


def test_a_real_server_is_read_at_fixed_offsets() -> None:
    assert messages.read_real(REAL) == (
        Endpoint("10.0.0.1", 31000),
        RealServer(3, Forwarding.MASQUERADE, upper=9, lower=2),
    )


def test_a_layout_that_differs_is_read_attribute_by_attribute() -> None:
    def nested(attributes: bytes) -> bytes:
        return REAL[:4] + struct.pack("=HH", 4 + len(attributes), 2) + attributes

    # An attribute that nobody knows stands first.
    other = nested(struct.pack("=HHI", 8, 77, 1) + REAL[8:])
    assert messages.read_real(other) == messages.read_real(REAL)
    # A kernel before 3.18 tells nothing of tunnels and families.
    old = nested(REAL[8:52] + REAL[76:116])
    assert messages.read_real(old) == messages.read_real(REAL)


def test_what_is_counted_makes_no_other_real_server() -> None:
    counted = bytearray(REAL)
    counted[96:100] = struct.pack("=I", 77)  # active connections
    counted[-4:] = b"\1\2\3\4"
    assert messages.read_real(bytes(counted)) == messages.read_real(REAL)


def test_an_address_may_look_like_the_beginning_of_counts() -> None:
    key = Key(Protocol.TCP, "100.0.10.0", 80)
    body = messages.encode(AddServer(key, Settings("rr")), FAMILY, 1)[16:]
    assert messages.read_service(body) == (key, Settings("rr"))


@given(st.binary(max_size=200))
def test_what_is_none_is_refused(body: bytes) -> None:
    for read in (messages.read_real, messages.read_service):
        try:
            read(body)
        except ValueError:
            continue


def test_messages_are_told_apart() -> None:
    data = b"".join(messages.encode(DeleteServer(V4), FAMILY, n) for n in (1, 2))
    assert [(kind, sequence) for kind, _, sequence, _ in messages.split(data)] == [
        (FAMILY, 1),
        (FAMILY, 2),
    ]
    assert list(messages.split(data[:10])) == []


keys = st.sampled_from([V4, V6, MARK4, MARK6])
settings_ = st.builds(
    Settings,
    st.sampled_from(["wlc", "rr", "lblcr", "mh"]),
    st.sampled_from([0, 1, 8, 24]),
    st.integers(0, 1 << 31),
    st.sampled_from([0, 8, 24, 31]),
)


@given(keys, settings_)
def test_what_we_write_we_read_back(key: Key, settings: Settings) -> None:
    body = messages.encode(AddServer(key, settings), FAMILY, 1)[16:]
    assert messages.read_service(body) == (key, settings)


@given(
    st.sampled_from(["10.0.0.1", "fd00::1"]),
    st.integers(0, 65_535),
    st.builds(
        RealServer,
        st.integers(0, 1 << 30),
        st.sampled_from([0, 1, 2, 3]),
        st.integers(0, 1 << 31),
        st.integers(0, 1 << 31),
        st.sampled_from([1, 2]),
        st.integers(0, 65_535),
        st.sampled_from([0, 1, 2]),
    ),
)
def test_a_real_server_we_write_we_read_back(address: str, port: int, real: RealServer) -> None:
    data = messages.encode(AddReal(V4, Endpoint(address, port), real), FAMILY, 1)
    after_service = data[:20][16:] + data[20 + len(messages.service(V4)) :]
    assert messages.read_real(after_service) == (Endpoint(address, port), real)

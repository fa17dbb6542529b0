import socket
from collections.abc import Callable

import pytest

from pointsman.discovery.errors import Fatal
from pointsman.dns.endpoints import parse
from pointsman.dns.listening import absent, bound, here, place, widen

KINDS = [socket.SOCK_DGRAM, socket.SOCK_STREAM]


@pytest.mark.parametrize("kind", KINDS)
def test_an_address_that_is_taken_is_explained(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(
            Fatal, match=rf"127\.0\.0\.1:{port} is taken: `ss -ln.p sport = :{port}`"
        ):
            bound(kind, "127.0.0.1", port)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_an_address_that_no_interface_has_yet_is_bound(
    kind: socket.SocketKind, address: str
) -> None:
    assert not here(address)
    with bound(kind, address, 0) as opened:
        assert opened.getsockname()[0] == address


def test_such_an_address_is_heard_from_the_moment_that_it_is_there(
    eth0: Callable[[str], None],
) -> None:
    for address, length in (("198.51.100.1", 32), ("fd09::1", 128)):
        with (
            bound(socket.SOCK_DGRAM, address, 0) as udp,
            bound(socket.SOCK_STREAM, address, 0) as tcp,
        ):
            eth0(f"addr add {address}/{length} dev eth0 {'nodad' if ':' in address else ''}")
            assert here(address)
            with socket.create_connection(tcp.getsockname()[:2], 5):
                pass
            with socket.socket(udp.family, socket.SOCK_DGRAM) as client:
                client.sendto(b"q", udp.getsockname())
            udp.settimeout(5)
            assert udp.recv(9) == b"q"


def test_ipv6_takes_ipv6_only() -> None:
    with bound(socket.SOCK_DGRAM, "::1", 0) as opened:
        assert opened.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1


def test_a_link_local_address_goes_with_its_interface_by_number_or_name(
    eth0: Callable[[str], None],
) -> None:
    eth0("addr add fe80::9/64 dev eth0 nodad")
    number = socket.if_nametoindex("eth0")
    assert place("fe80::9%eth0", 53) == place(f"fe80::9%{number}", 53) == ("fe80::9", 53, 0, number)
    with bound(socket.SOCK_DGRAM, "fe80::9%eth0", 0) as opened:
        assert opened.getsockname()[3] == number
    with pytest.raises(Fatal, match=r"UDP \[fe80::9%eth7\]:53 can't be bound: no interface"):
        bound(socket.SOCK_DGRAM, "fe80::9%eth7", 53)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pair", [("0.0.0.0", "127.0.0.1"), ("::1", "::")])
def test_who_shares_an_address_with_itself_keeps_others_out(
    kind: socket.SocketKind, pair: tuple[str, str]
) -> None:
    with bound(kind, pair[0], 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(Fatal, match="is taken"):
            bound(kind, pair[1], port)
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with bound(kind, pair[1], port, shared=True) as second:
            for one in (first, second):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
            for address in pair:
                with pytest.raises(Fatal, match="is taken"):
                    bound(kind, address, port)


def test_what_an_entry_waits_for_is_said(eth0: Callable[[str], None]) -> None:
    def said(*values: str) -> list[str]:
        return [absent(parse(value)).partition(";")[0] for value in values]

    eth0("link property add dev eth0 altname enp9s0")
    assert said("192.0.2.1:53", "eth77:53", "[fe80::77%eth0]:53", "enp9s0:53") == [
        "no interface has 192.0.2.1 yet",
        "there is no interface eth77 yet",
        "no interface has fe80::77%eth0 yet",
        "enp9s0 is another name of eth0, by which it must be called here",
    ]
    assert not any(said("127.0.0.1:53", "lo:53", "0.0.0.0:53", "[::]:53"))


def test_room_is_made_and_never_taken_away() -> None:
    def room(of: socket.socket) -> int:
        return of.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    with bound(socket.SOCK_DGRAM, "127.0.0.1", 0) as opened:
        before = room(opened)
        widen(opened, 1 << 20)
        assert room(opened) > before

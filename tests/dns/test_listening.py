import socket

import pytest

from pointsman.discovery.errors import Fatal
from pointsman.dns.listening import bound


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
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


def test_an_address_of_another_host_is_explained() -> None:
    with pytest.raises(Fatal, match="no interface of this host"):
        bound(socket.SOCK_DGRAM, "192.0.2.1", 0)


def test_ipv6_takes_ipv6_only() -> None:
    with bound(socket.SOCK_DGRAM, "::1", 0) as opened:
        assert opened.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1

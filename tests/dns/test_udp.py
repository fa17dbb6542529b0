import asyncio
import socket

from pointsman.dns.udp import UdpListener


def test_each_packet_has_its_answer() -> None:
    async def test() -> None:
        listener = UdpListener(
            "127.0.0.1", 0, lambda query, _: query[::-1] if query != b"no" else None
        )
        listener.start()
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect(listener.address)
            client.send(b"no")
            for number in range(200):  # more than one turn of the loop takes
                client.send(f"ab{number}".encode())
            answers = [await loop.sock_recv(client, 512) for _ in range(200)]
        listener.close()
        assert answers == [f"ab{number}".encode()[::-1] for number in range(200)]

    asyncio.run(test())


def test_a_client_that_has_gone_stops_nothing() -> None:
    async def test() -> None:
        listener = UdpListener("127.0.0.1", 0, lambda query, _: query)
        listener.start()
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
            gone.sendto(b"bye", listener.address)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect(listener.address)
            client.send(b"here")
            assert await loop.sock_recv(client, 512) == b"here"
        listener.close()

    asyncio.run(test())


def test_the_address_is_free_after_closing() -> None:
    async def test() -> None:
        first = UdpListener("127.0.0.1", 0, lambda query, _: query)
        first.start()
        first.close()
        UdpListener(*first.address, lambda query, _: query).close()

    asyncio.run(test())


def asked(listen: str, *addresses: str) -> list[bytes]:
    """Return what a listener answers to clients that take answers from where they asked alone."""

    async def test() -> list[bytes]:
        listener = UdpListener(listen, 0, lambda query, _: query[::-1])
        listener.start()
        loop = asyncio.get_running_loop()
        found = []
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as client:
                client.setblocking(False)
                client.connect((address, listener.address[1]))
                client.send(address.encode())
                async with asyncio.timeout(5):
                    found.append(await loop.sock_recv(client, 512))
        listener.close()
        return found

    return asyncio.run(test())


def test_an_answer_comes_from_the_address_that_was_asked() -> None:
    addresses = ("127.0.0.1", "127.0.0.5", "127.9.8.7")
    assert asked("0.0.0.0", *addresses) == [a.encode()[::-1] for a in addresses]
    assert asked("::", "::1") == [b"1::"]


def test_a_client_that_has_gone_stops_nothing_on_all_addresses() -> None:
    async def test() -> None:
        listener = UdpListener("0.0.0.0", 0, lambda query, _: query if query != b"no" else None)
        listener.start()
        loop = asyncio.get_running_loop()
        port = listener.address[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
            gone.sendto(b"bye", ("127.0.0.2", port))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect(("127.0.0.3", port))
            client.send(b"no")
            client.send(b"here")
            async with asyncio.timeout(5):
                assert await loop.sock_recv(client, 512) == b"here"
        listener.close()

    asyncio.run(test())

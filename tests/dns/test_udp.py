import asyncio
import socket

from pointsman.dns.udp import UdpListener


def test_each_packet_has_its_answer() -> None:
    async def test() -> None:
        listener = UdpListener(
            "127.0.0.1", 0, lambda query: query[::-1] if query != b"no" else None
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
        listener = UdpListener("127.0.0.1", 0, lambda query: query)
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
        first = UdpListener("127.0.0.1", 0, lambda query: query)
        first.start()
        first.close()
        UdpListener(*first.address, lambda query: query).close()

    asyncio.run(test())

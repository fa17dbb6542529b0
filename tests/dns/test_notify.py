"""Notices to a secondary on loopback."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype

from pointsman.dns.counts import Counts
from pointsman.dns.notify import Notices, Notifier, notice
from pointsman.dns.records import Record
from pointsman.dns.tsig import Key
from pointsman.dns.zone import Soa, Zone


def made() -> Zone:
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60, (), 7)
    zone.loaded = True
    return zone


class Secondary:
    """Hears notices, and answers them when it is told to."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.address: tuple[str, int] = self.socket.getsockname()

    async def heard(self, code: int | None = 0) -> int:
        """Return the serial of the next notice; ``code`` answers it, None does not."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(20):
            data, client = await loop.sock_recvfrom(self.socket, 4096)
        message = dns.message.from_wire(data)
        assert message.opcode() == dns.opcode.NOTIFY
        assert message.flags & dns.flags.AA
        assert message.question[0].rdtype == dns.rdatatype.SOA
        if code is not None:
            response = dns.message.make_response(message)
            response.set_rcode(dns.rcode.Rcode(code))
            await loop.sock_sendto(self.socket, response.to_wire(), client)
        return int(str(message.answer[0][0]).split()[2])


def notifying(
    test: Callable[[Zone, Secondary, Counts], Awaitable[None]],
) -> None:
    async def run() -> None:
        zone, secondary, counts = made(), Secondary(), Counts()
        notices = Notices((zone,), (secondary.address,))
        running = asyncio.create_task(Notifier(lambda: notices, counts, lambda: 0.0).run())
        try:
            await test(zone, secondary, counts)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            secondary.socket.close()

    asyncio.run(run())


def change(zone: Zone) -> None:
    zone.update((), [Record("web.mesos.", "A", "10.0.0.1", 60)])


def test_a_secondary_is_told_at_the_start_and_at_each_change() -> None:
    async def test(zone: Zone, secondary: Secondary, counts: Counts) -> None:
        assert await secondary.heard() == 7
        for _ in range(3):
            change(zone)
        assert await secondary.heard() == 10
        assert counts.notifies["unanswered"] == 0

    notifying(test)


def test_a_notice_is_repeated_until_it_is_answered_with_the_serial_of_then() -> None:
    async def test(zone: Zone, secondary: Secondary, counts: Counts) -> None:
        assert await secondary.heard(None) == 7
        change(zone)
        assert await secondary.heard() == 8
        assert counts.notifies["unanswered"] == 1

    notifying(test)


def test_a_secondary_that_refuses_is_told_again_at_the_next_change_only() -> None:
    async def test(zone: Zone, secondary: Secondary, counts: Counts) -> None:
        assert await secondary.heard(5) == 7
        change(zone)
        assert await secondary.heard() == 8
        assert counts.notifies["refused"] == 1

    notifying(test)


def test_a_notice_is_signed() -> None:
    key = Key("transfers.", "hmac-sha256.", b"secret")
    data = notice(made(), key, lambda: 1_700_000_000.0)
    assert dns.message.from_wire(data, keyring=False, continue_on_error=True).had_tsig

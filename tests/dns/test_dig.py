"""What a client that everyone has makes of our answers, over loopback."""

import asyncio

import pytest

from pointsman.dns.answer import Responder
from pointsman.dns.records import Record
from pointsman.dns.tcp import TcpListener
from pointsman.dns.udp import UdpListener
from pointsman.dns.zone import Soa, Zone, Zones

SRV = "_web._tcp.mesos."
RECORDS = [
    Record("web-1.mesos.", "A", "10.0.0.1", 60),
    Record("web-1.mesos.", "AAAA", "fd00::1", 60),
    Record(SRV, "SRV", "0 1 31000 web-1.mesos.", 60),
    *(Record("many.mesos.", "A", f"10.1.0.{n}", 60) for n in range(100)),
]


def dig(*words: str) -> str:
    """Return what dig prints of the sections with records."""
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60, ["10.0.0.9"])
    zone.update((), RECORDS)
    zone.loaded = True
    responder = Responder(Zones(zone))

    async def run() -> str:
        tcp = TcpListener("127.0.0.1", 0, responder.tcp)
        udp = UdpListener(*tcp.address, responder.udp)
        await tcp.start()
        udp.start()
        command = f"dig @{tcp.address[0]} -p {tcp.address[1]} +tries=1 +nostats".split()
        process = await asyncio.create_subprocess_exec(
            *command, *words, stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await process.communicate()
        udp.close()
        await tcp.close()
        return printed.decode()

    printed = asyncio.run(run())
    assert "WARNING: recursion requested" in printed or "+norec" in words
    assert "malformed" not in printed
    assert "Warning" not in printed
    return " ".join(printed.split())


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_a_service_with_its_addresses(transport: str) -> None:
    printed = dig(SRV, "SRV", transport)
    assert "status: NOERROR" in printed
    assert "flags: qr aa rd; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 3" in printed
    assert f"{SRV} 60 IN SRV 0 1 31000 web-1.mesos." in printed
    assert "web-1.mesos. 60 IN A 10.0.0.1" in printed
    assert "web-1.mesos. 60 IN AAAA fd00::1" in printed
    assert "EDNS: version: 0, flags:; udp: 1232" in printed


def test_what_is_too_long_for_udp_is_fetched_by_tcp() -> None:
    printed = dig("many.mesos.", "A")
    assert "Truncated, retrying in TCP mode" in printed
    assert "ANSWER: 100" in printed


def test_a_name_that_is_not_there() -> None:
    printed = dig("nope.mesos.", "+norec")
    assert "status: NXDOMAIN" in printed
    assert "mesos. 60 IN SOA ns1.mesos. root.ns1.mesos. 2 60 600 86400 60" in printed

"""The DNS side of the process over several configurations."""

import asyncio
import logging
from pathlib import Path

import dns.edns
import dns.message
import dns.query
import pytest

from pointlab.site.process import free_port
from pointsman.config import DnsConfig, TcpConfig
from pointsman.discovery.errors import Fatal
from pointsman.dns.limit import RateLimit
from pointsman.dns.records import Record
from pointsman.dns.teacher import MISSING, MOST_ZONES
from pointsman.dns.zone import Soa, Zone, Zones
from pointsman.front import Front, secret, why_not

native = pytest.mark.skipif(bool(MISSING), reason=f"no native responder: {MISSING}")

SECRET = "00112233445566778899aabbccddeeff"


def zones() -> Zones:
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60)
    zone.update((), [Record("web.mesos.", "A", "10.0.0.1", 60)])
    zone.loaded = True
    return Zones(zone)


def test_a_secret_comes_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    assert secret(str(file)) == bytes.fromhex(SECRET)
    assert secret("") == b""


@pytest.mark.parametrize("content", [None, b"", b"123", SECRET.encode() * 2, b"\xff" * 32])
def test_a_secret_that_can_not_be_used_is_fatal(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Fatal, match=f"dns.cookie_secret_file: {file}: "):
        Front().responder(DnsConfig(cookie_secret_file=str(file)), zones())


def cookie_of(front: Front, config: DnsConfig, shown: bytes = b"12345678") -> bytes:
    option = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, shown)
    query = dns.message.make_query("web.mesos.", "A", use_edns=0, options=[option])
    data = front.responder(config, zones()).udp(query.to_wire(), "10.0.0.1")
    assert isinstance(data, bytes)
    return dns.message.from_wire(data).options[0].to_wire() or b""


def test_cookies_outlive_a_reload_and_are_shared_by_a_file(tmp_path: Path) -> None:
    front = Front()
    first, second = (cookie_of(front, DnsConfig(ttl=ttl)) for ttl in (1, 2))
    assert first[:12] == second[:12]
    assert first[16:] == second[16:] or first[12:16] != second[12:16]
    (tmp_path / "secret").write_text(SECRET)
    shared = DnsConfig(cookie_secret_file=str(tmp_path / "secret"))
    one, other = cookie_of(Front(), shared), cookie_of(Front(), shared)
    assert one[16:] == other[16:] or one[12:16] != other[12:16]


def test_the_limits_are_those_of_the_configuration() -> None:
    query = dns.message.make_query("web.mesos.", "A").to_wire()
    for of_a_kind, of_all, answered in ((0, 0, 50), (3, 0, 3), (0, 3, 3)):
        limits = RateLimit(per_second=of_a_kind, all_per_second=of_all, slip=0)
        for config in (
            DnsConfig(rate_limit=limits, native=False),
            DnsConfig(rate_limit=limits, query_log=1),
        ):
            responder = Front().responder(config, zones())
            answers = [responder.udp(query, "203.0.113.9") for _ in range(50)]
            assert answered <= sum(answer is not None for answer in answers) <= answered + 1


@native
def test_native_threads_have_a_share_of_the_limits() -> None:
    query = dns.message.make_query("web.mesos.", "A").to_wire()
    for of_a_kind, of_all, answered in ((0, 0, 50), (20, 0, 10), (0, 31, 16), (1, 0, 1)):
        limits = RateLimit(per_second=of_a_kind, all_per_second=of_all, slip=0)
        responder = Front().responder(DnsConfig(rate_limit=limits), zones())
        answers = [responder.udp(query, "203.0.113.9") for _ in range(50)]
        assert answered <= sum(answer is not None for answer in answers) <= answered + 1


def test_what_serves_is_replaced_whole(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    port = free_port()

    async def test() -> None:
        front = Front()
        config = DnsConfig(query_log=1, tcp=TcpConfig(per_client=1))
        await front.listeners.listen([f"127.0.0.1:{port}"])
        await front.answer_with(front.responder(config, zones()), config)
        query = dns.message.make_query("web.mesos.", "A")
        answer = await asyncio.to_thread(dns.query.udp, query, "127.0.0.1", 5, port)
        assert len(answer.answer) == 1
        assert "127.0.0.1 udp web.mesos. A NOERROR 1" in caplog.text
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        again, closing = await asyncio.open_connection("127.0.0.1", port)
        assert await again.read() == b""  # one connection for each client
        closing.close()
        writer.write(b"\0\1x")
        assert await reader.read() == b""
        writer.close()
        await front.close()

    asyncio.run(test())


@native
def test_who_answers_follows_the_configuration_and_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    port = free_port()

    async def test() -> None:
        front = Front()
        await front.listeners.listen([f"127.0.0.1:{port}"])
        for config, passed in (
            (DnsConfig(), 1),  # and taught
            (DnsConfig(threads=2), 1),
            (DnsConfig(threads=2), 1),
            (DnsConfig(query_log=1), 0),
            (DnsConfig(native=False), 0),
            (DnsConfig(threads=3), 1),
        ):
            await front.answer_with(front.responder(config, zones()), config)
            front.counts.collect()
            before = front.counts.passed, front.counts.total("answered")
            for _ in range(20):
                query = dns.message.make_query("web.mesos.", "A")
                answer = await asyncio.to_thread(dns.query.udp, query, "127.0.0.1", 5, port)
                assert len(answer.answer) == 1
            front.counts.collect()
            assert front.counts.passed == before[0] + passed
            assert front.counts.total("answered") == before[1] + 20
        await front.close()

    asyncio.run(test())
    said = [message for message in caplog.messages if "DNS answers" in message]
    assert said == [
        "known DNS answers are native, threads for each address: 1",
        "known DNS answers are native, threads for each address: 2",
        "all DNS answers are made in Python, as dns.query_log asks for",
        "all DNS answers are made in Python: dns.native is false",
        "known DNS answers are native, threads for each address: 3",
    ]


@native
def test_a_responder_that_never_came_to_answer_is_let_go() -> None:
    async def test() -> None:
        front, config = Front(), DnsConfig()
        serving = front.responder(config, zones())
        await front.answer_with(serving, config)
        for _ in range(5):
            front.responder(config, zones())  # whose configuration was refused after all
        assert serving.teacher is not None
        assert serving.teacher.table.counts in front.counts._sources
        assert len(front.counts._sources) == 2
        await front.answer_with(front.responder(DnsConfig(native=False), zones()), config)
        assert not front.counts._sources
        await front.close()

    asyncio.run(test())


@native
def test_more_zones_than_a_table_has_room_for_are_answered_in_python() -> None:
    soa = Soa("ns1.x.", "root.x.")
    many = Zones(*(Zone(f"z{n}.", soa, 60) for n in range(MOST_ZONES + 1)))
    assert Front().responder(DnsConfig(), many).teacher is None
    assert why_not(DnsConfig(), many) == ": of 65 zones it has room for 64"
    assert why_not(DnsConfig(), zones()) == ""

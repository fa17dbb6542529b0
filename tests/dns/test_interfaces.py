import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from pointsman.dns.endpoints import Address
from pointsman.dns.interfaces import Changes, addresses


def test_the_addresses_of_all_interfaces_are_read(eth0: Callable[[str], None]) -> None:
    eth0("addr add 10.9.0.1/24 dev eth0")
    eth0("addr add 10.9.0.2 peer 10.9.0.3 dev eth0")
    eth0("addr add fd09::1/64 dev eth0 nodad")
    eth0("addr add fd09::2/64 dev eth0 nodad preferred_lft 0")
    eth0("addr add fe80::9/64 dev eth0 nodad")
    index = socket.if_nametoindex("eth0")
    assert {a for a in addresses() if a.interface == "eth0"} == {
        Address("eth0", index, "10.9.0.1"),
        Address("eth0", index, "10.9.0.2"),
        Address("eth0", index, "fd09::1"),
        Address("eth0", index, "fd09::2", lasting=False),  # deprecated: it goes soon
        Address("eth0", index, "fe80::9"),
    }
    assert {a.host for a in addresses() if a.interface == "lo"} == {"127.0.0.1", "::1"}


def test_very_many_addresses_are_read(eth0: Callable[[str], None], tmp_path: Path) -> None:
    wanted = {f"10.9.{n // 250}.{n % 250 + 1}" for n in range(2_000)}
    with (tmp_path / "batch").open("w") as batch:
        batch.writelines(f"addr add {host}/32 dev eth0\n" for host in sorted(wanted))
    eth0(f"-batch {tmp_path}/batch")
    assert {a.host for a in addresses() if a.interface == "eth0"} == wanted


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ("link set eth0 up", "addr add 10.9.0.1/24 dev eth0"),
        ("addr add 10.9.0.1/24 dev eth0", "addr del 10.9.0.1/24 dev eth0"),
        ("link set eth0 up", "addr add fd09::1/64 dev eth0 nodad"),
        ("link set eth0 down", "link set eth0 name eth1"),
        ("link set eth0 up", "link del eth0"),
    ],
)
def test_who_waits_is_told_of_a_change(
    eth0: Callable[[str], None], before: str, change: str
) -> None:
    eth0(before)

    async def test() -> None:
        with Changes() as changes:
            waiting = asyncio.create_task(changes.wait())
            await asyncio.sleep(0)
            assert not waiting.done()
            eth0(change)
            async with asyncio.timeout(5):
                await waiting

    asyncio.run(test())


def test_more_changes_than_fit_are_a_change(eth0: Callable[[str], None], tmp_path: Path) -> None:
    with (tmp_path / "batch").open("w") as batch:
        for n in range(1_000):
            batch.write(f"addr add 10.9.{n // 250}.{n % 250 + 1}/32 dev eth0\n")

    async def test() -> None:
        with Changes() as changes:
            eth0(f"-batch {tmp_path}/batch")
            async with asyncio.timeout(5):
                await changes.wait()
                eth0("link set eth0 down")
                await changes.wait()

    asyncio.run(test())


def test_waiting_ends_by_itself_if_so_said(network: Callable[[str], None]) -> None:
    async def test() -> None:
        with Changes() as changes:
            await changes.wait(0.01)

    asyncio.run(test())

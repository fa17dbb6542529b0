"""The event loop may stall, and the interpreter may be busy: a known answer waits for neither."""

import asyncio
import ctypes
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import dns.message
import pytest

from pointlab.servers.paths import PATIENCE, Loop, answering
from pointsman.dns.answer import Responder
from pointsman.dns.records import Record
from pointsman.dns.teacher import MISSING
from pointsman.dns.udp import UdpListener
from pointsman.dns.zone import Soa, Zone, Zones

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no native responder: {MISSING}")

KNOWN = (
    ("web.mesos.", "A"), ("many.mesos.", "A"), ("web.mesos.", "AAAA"), ("nope.mesos.", "A"),
    ("_web._tcp.mesos.", "SRV"),
)  # fmt: skip
UNKNOWN = ("example.com.", "A")

CLIENT = """
import socket, sys
port, done, unknown, *known = sys.argv[1:]
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.connect(("127.0.0.1", int(port)))
asking.settimeout(20)
print("ready", flush=True)
assert sys.stdin.read(2) == "go"
asking.send(bytes.fromhex(unknown))
for number in range(1000):
    query = bytes.fromhex(known[number % len(known)])
    asking.send(query)
    assert asking.recv(4096)[:2] == query[:2]
with open(int(done), "wb") as file:
    file.write(b"+")
assert asking.recv(4096)[:2] == bytes.fromhex(unknown)[:2]
"""
"""Asks what is unknown, then what is known, which is answered before; then it says so."""


def query(number: int, name: str, type_: str) -> bytes:
    return dns.message.make_query(name, type_, id=number).to_wire()


def served() -> Responder:
    """Return a responder that was asked before."""
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60)
    records = [
        Record("web.mesos.", "A", "10.0.0.1", 60),
        Record("_web._tcp.mesos.", "SRV", "0 1 80 web.mesos.", 60),
        *(Record("many.mesos.", "A", f"10.0.1.{n}", 60) for n in range(30)),
    ]
    zone.update((), records)
    zone.loaded = True
    responder = answering("native", Zones(zone))
    for name, type_ in KNOWN:
        assert responder.udp(query(1, name, type_), "127.0.0.1")
    return responder


def serving(
    responder: Responder, threads: int, test: Callable[[UdpListener], Awaitable[None]]
) -> None:
    async def run() -> None:
        assert responder.teacher is not None
        listener = UdpListener("127.0.0.1", 0, responder.udp, responder.counts)
        listener.start()
        try:
            listener.serve(responder.teacher.table, threads)
            await test(listener)
        finally:
            listener.close()

    asyncio.run(run())


@pytest.mark.parametrize("what", ["decisions", "the disk"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_loop_that_is_held_up_delays_no_known_answer(
    threads: int, what: str, tmp_path: Path
) -> None:
    """The client is this thread; the loop, in another, waits until it was answered.

    A pipe that nobody reads is a disk that does not answer: open(2) waits in the kernel.
    """
    responder, held, go_on = served(), threading.Event(), threading.Event()
    disk = tmp_path / "state"
    os.mkfifo(disk)

    def hold() -> None:
        held.set()
        if what == "the disk":
            disk.write_bytes(b"state")
        else:
            assert go_on.wait(PATIENCE)

    assert responder.teacher is not None
    with Loop() as loop, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        listener = UdpListener("127.0.0.1", 0, responder.udp, responder.counts)
        loop.call(listener.start)
        loop.call(listener.serve, responder.teacher.table, threads)
        client.connect(listener.address)
        client.settimeout(PATIENCE)
        holding = threading.Thread(target=loop.call, args=(hold,))
        holding.start()
        held.wait(PATIENCE)
        client.send(query(9, *UNKNOWN))
        for number in range(10, 500):
            client.send(query(number, *KNOWN[number % len(KNOWN)]))
            assert client.recv(4096)[:2] == number.to_bytes(2)
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(4096)
        client.settimeout(PATIENCE)
        go_on.set()
        if what == "the disk":
            assert disk.read_bytes() == b"state"
        assert client.recv(4096)[:2] == (9).to_bytes(2)
        holding.join()
        loop.call(listener.close)


def test_an_interpreter_that_is_busy_in_c_delays_no_known_answer() -> None:
    """One call of C holds the interpreter's lock until another process was answered.

    That read(2) lets no thread of Python run, and ends when the client has said that it is done,
    or has ended without.
    """
    responder = served()
    # Of functions called so the lock is not given away, unlike os.read.
    holding = ctypes.PyDLL(None)
    holding.read.restype = ctypes.c_ssize_t
    buffer = ctypes.create_string_buffer(1)

    async def test(listener: UdpListener) -> None:
        reading, writing = os.pipe()
        asked = [query(2, *UNKNOWN)] + [query(3, *known) for known in KNOWN]
        words = [str(listener.address[1]), str(writing), *(one.hex() for one in asked)]
        client = subprocess.Popen(
            [sys.executable, "-c", CLIENT, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[writing],
        )
        os.close(writing)
        assert client.stdin
        assert client.stdout
        try:
            assert client.stdout.readline() == b"ready\n"
            client.stdin.write(b"go")
            client.stdin.close()
            before = responder.counts.passed
            assert holding.read(reading, buffer, 1) == 1
            assert buffer.raw == b"+"
            assert await asyncio.to_thread(client.wait, PATIENCE) == 0
            responder.counts.collect()
            assert responder.counts.passed == before + 1
        finally:
            client.kill()
            client.wait()
            client.stdout.close()
            os.close(reading)

    serving(responder, 1, test)

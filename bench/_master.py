"""A master whose stream begins with a large state, in a process of its own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import states

AGENTS = 2_000

SERVER = """
import asyncio, sys
first, master = open(sys.argv[1], "rb").read(), open(sys.argv[2], "rb").read()
async def serve(reader, writer):
    while True:
        try:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
        except asyncio.IncompleteReadError:
            return writer.close()
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        call = await reader.readexactly(length)
        stream = b"SUBSCRIBE" in call
        body = first if stream else master
        size = b"" if stream else b"Content-Length: %d\\r\\n" % len(body)
        writer.write(b"HTTP/1.1 200 OK\\r\\n" + size + b"\\r\\n")
        for at in range(0, len(body), 1 << 16):
            writer.write(body[at : at + (1 << 16)])
            await writer.drain()
        if stream:
            return await asyncio.sleep(600)
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(port, flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@contextmanager
def serving(count: int, nice: int = 0) -> Iterator[str]:
    """Serve a stream that begins with so many tasks, from another process; give its address."""
    with tempfile.TemporaryDirectory() as folder:
        first, master = Path(folder, "first"), Path(folder, "master")
        state = states.v1(count, AGENTS).removeprefix(b'{"type":"GET_STATE","get_state":')[:-1]
        body = b'{"type":"SUBSCRIBED","subscribed":{"get_state":%b}}' % state
        first.write_bytes(b"%d\n%b" % (len(body), body))
        print(f"\na stream that begins with {count:,} tasks, {len(body) / 1e6:.0f} MB", flush=True)
        command = ["nice", "-n", str(nice), sys.executable, "-c", SERVER, str(first), str(master)]
        master.write_bytes(b"{}")
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout
            address = f"127.0.0.1:{int(process.stdout.readline())}"
            process.kill()
            process.wait()
        port = address.rpartition(":")[2]
        info = {"master_info": {"pid": f"master@{address}"}, "elected_time": 1.5}
        master.write_bytes(json.dumps({"type": "GET_MASTER", "get_master": info}).encode())
        command[5] = SERVER.replace('"127.0.0.1", 0', f'"127.0.0.1", {port}')
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()
            try:
                yield address
            finally:
                process.kill()

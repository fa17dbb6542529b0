"""Has a large document cut by a process of its own; a small one is its only piece.

The process reads the document on its standard input and writes the pieces, each after its length
(RecordIO), to its standard output.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import IO

from pointsman.discovery.cut import cut
from pointsman.discovery.errors import Transient
from pointsman.discovery.recordio import Records

MOST_WHOLE = 24 << 20
"""Bytes that are decoded here, in a fiftieth of a second; a process needs ten times that."""

COMMAND = (sys.executable, "-I", "-m", "pointsman.discovery.pieces")
READ = 1 << 18


def pieces(chunks: list[bytes]) -> Iterator[bytes]:
    """Yield the pieces of a document, which is given in the chunks in which it came.

    To be called in a thread: it waits for the process. The chunks are taken off their list one by
    one, as to free hundreds of megabytes at once takes long. Raises Transient when the document
    can't be read, or the process ends early.
    """
    if sum(map(len, chunks)) <= MOST_WHOLE:
        yield b"".join(chunks)
        return
    records = Records()
    with subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        feeder = threading.Thread(target=_feed, args=(process.stdin, chunks))
        feeder.start()
        try:
            while chunk := os.read(process.stdout.fileno(), READ):
                for record in records.feed(chunk):
                    yield b"".join(record)
        finally:
            process.stdout.close()
            feeder.join()
        reason = process.stderr.read().decode(errors="replace").strip()
    if process.returncode or records.started:
        ended = f"ended with {process.returncode}"
        raise Transient(reason or f"the process that cuts a large state {ended}")


def _feed(stdin: IO[bytes], chunks: list[bytes]) -> None:
    chunks.reverse()
    with suppress(BrokenPipeError), stdin:
        while chunks:
            stdin.write(chunks.pop())


def main() -> int:
    """Cut what is on standard input."""
    try:
        for piece in cut(sys.stdin.buffer.read()):
            sys.stdout.buffer.write(b"%d\n%b" % (len(piece), piece))
    except Transient as error:
        sys.stderr.write(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Has a large document cut by a process of its own; a small one is its only piece.

The process reads the document on its standard input and writes the pieces, each after its length
(RecordIO), to its standard output.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import IO

from pointsman.discovery.cut import cut
from pointsman.discovery.errors import Transient
from pointsman.discovery.recordio import Records

MOST_WHOLE = 24 << 20
"""Bytes that are decoded here, in a fiftieth of a second; a process needs ten times that."""

COMMAND = (sys.executable, "-I", "-m", "pointsman.discovery.pieces")
READ = 1 << 18


def pieces(chunks: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the pieces of a document, which is given in the chunks in which it came.

    To be called in a thread: it waits for the process. Raises Transient when the document can't be
    read, or the process ends early.
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


def _feed(stdin: IO[bytes], chunks: Sequence[bytes]) -> None:
    with suppress(BrokenPipeError), stdin:
        for chunk in chunks:
            stdin.write(chunk)


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

"""RecordIO, Mesos's framing of a stream: the length of a record in digits, a newline, the record.

Without I/O: bytes in, records out (Mesos ``docs/scheduler-http-api.md``, "RecordIO response
format").
"""

from collections.abc import Iterator

from pointsman.discovery.errors import Transient

MOST_DIGITS = 12
MOST_BYTES = 4 << 30
"""Of a record: a master's whole state is one, so it may be large."""


class Records:
    """Takes the bytes of a stream as they come, in chunks of any size."""

    def __init__(self) -> None:
        self._digits = b""
        self._left: int | None = None
        self._chunks: list[bytes] = []

    @property
    def started(self) -> bool:
        """Whether a record has begun that is not whole yet."""
        return bool(self._digits) or self._left is not None

    def feed(self, chunk: bytes) -> Iterator[list[bytes]]:
        """Yield each record that is whole with this chunk, in the chunks in which it came.

        Raises Transient when the bytes are no RecordIO; nothing can be fed then any more.
        """
        at = 0
        while at < len(chunk) or self._left == 0:
            if self._left is None:
                at = self._read_length(chunk, at)
                continue
            taken = chunk[at : at + self._left]
            self._chunks.append(taken)
            self._left -= len(taken)
            at += len(taken)
            if not self._left:
                record, self._chunks, self._left = self._chunks, [], None
                yield record

    def _read_length(self, chunk: bytes, at: int) -> int:
        """Read digits up to a newline; return where the record begins."""
        end = chunk.find(b"\n", at, at + MOST_DIGITS + 1)
        self._digits += chunk[at : end if end >= 0 else at + MOST_DIGITS + 1]
        digits = self._digits
        if len(digits) > MOST_DIGITS or (digits and not digits.isdigit()):
            raise Transient(f"the stream has {digits[:MOST_DIGITS]!r} where a length should be")
        if end < 0:
            return len(chunk)
        if not digits or int(digits) > MOST_BYTES:
            raise Transient(f"the stream has a record of {digits.decode() or 'no'} bytes")
        self._digits, self._left = b"", int(digits)
        return end + 1

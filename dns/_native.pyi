"""What dns/native/module.c has."""

from collections.abc import Iterable
from typing import TypeAlias, final

Numbers: TypeAlias = tuple[list[tuple[int, int, int]], tuple[int, ...], int, int, int]
"""Queries as (type or 0, outcome, how many); a histogram of `counts.BOUNDS`; nanoseconds spent;
queries passed up, and those for which there was no room."""

@final
class Table:
    """Known answers, which servers read while this thread writes them.

    ``zones`` are pairs of an apex and the index of the zone that has its names, which is another
    one for a mirror; the longest apex comes first. ``flags`` are those of every answer, which has
    at most ``udp_size`` octets. ``exempt`` are networks without a limit, as 16 octets (IPv4 mapped
    to IPv6) and bits; to any other network at most ``rate`` answers go in a second, -1 for no
    limit. Raises ValueError for what can't be.
    """

    def __new__(
        cls,
        zones: list[tuple[str, int]],
        flags: int,
        udp_size: int,
        exempt: list[tuple[bytes, int]],
        rate: int,
    ) -> Table: ...
    @property
    def size(self) -> int:
        """Octets of memory."""

    def deny(self, zone: int, record: bytes | None, /) -> None:
        """Say no in a zone with this SOA record, given without its owner; None asks Python."""

    def mark(self, zone: int, name: str, there: bool, /) -> bool:
        """Have a name be there, or not; return whether that is new. Of zones, not of mirrors."""

    def teach(
        self, name: str, zone: int, rrsets: list[tuple[int, list[bytes], list[str]]], /
    ) -> None:
        """Take all rrsets of a name, in place of what was known of it.

        Each is a type, its records as an answer has them, and, where all of these end in the name
        of a target of the same zone, these names, which the records then lack. Addresses of targets
        are sent along; Python is asked while one of the targets was not taught, and about a type
        without any record.
        """

    def forget(self, name: str, /) -> bool:
        """Have Python answer about a name; return whether it was known."""

    def known(self, names: Iterable[str], /) -> list[str]:
        """Return those of the names that were taught."""

    def answer(self, query: bytes, /) -> bytes | None:
        """Return the answer to a query, None for what isn't known."""

    def asked(self, query: bytes, /) -> str | None:
        """Return the name that a plain query is about, in small letters; None for any other."""

    def counts(self) -> Numbers:
        """Return what was counted of `answer`."""

@final
class Server:
    """A thread that answers what comes to a socket, and passes the rest up on another.

    Neither socket may be closed before `stop`. What is passed up is a datagram: two octets with
    the sizes of address and control, both of them as recvmsg(2) gave them, and the packet. Raises
    OSError.
    """

    def __new__(cls, table: Table, socket: int, up: int, name: str) -> Server: ...
    def use(self, table: Table, /) -> None:
        """Answer from this table from now on."""

    def stop(self) -> None:
        """End the thread; what has not been read stays in the socket."""

    def counts(self) -> Numbers:
        """Return what was counted so far."""

"""What Python gives the responder: it is taken or refused, and nothing of it is lost."""

import gc
import resource
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest

Rrset: TypeAlias = tuple[int, list[bytes], list[str]]

QUERY = b"id\1\0\0\1\0\0\0\0\0\0\3web\5mesos\0\0\1\0\1"
RECORD = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\1"
SOA = b"\0\6\0\1\0\0\0\x3c\0\4SOA!"
ZONES = [("in.mesos.", 0), ("mesos.", 1)]
WEB: tuple[str, int, list[Rrset]] = ("web.mesos.", 1, [(1, [RECORD], [])])
MAPPED = b"\0" * 10 + b"\xff\xff" + b"\x7f\0\0\0"
RA = 0x8400
LONGEST = ("w" * 61 + ".") * 4 + "mesos."


@pytest.fixture
def table(native: Any) -> Any:
    return native.Table(ZONES, RA, 1232, [(MAPPED, 104)], 200)


# What is refused.


class Number:
    """A number that does something while it is read."""

    def __init__(self, does: Callable[[], object] = bool) -> None:
        self.does = does

    def __index__(self) -> int:
        self.does()
        return 1


@pytest.mark.parametrize(
    "given",
    [
        (),
        (ZONES, RA, 1232, []),
        (ZONES, RA, 1232, [], -1, 0),
        (None, RA, 1232, [], -1),
        (tuple(ZONES), RA, 1232, [], -1),
        ([None], RA, 1232, [], -1),
        (["mesos."], RA, 1232, [], -1),
        ([("mesos.",)], RA, 1232, [], -1),
        ([(b"mesos.", 0)], RA, 1232, [], -1),
        ([("mesos.", None)], RA, 1232, [], -1),
        ([("mesos.", Number())], RA, 1232, [], -1),
        ([("mesos.", 1)], RA, 1232, [], -1),  # there is no such zone
        ([("mesos.", -1)], RA, 1232, [], -1),
        ([("mesos", 0)], RA, 1232, [], -1),
        ([("", 0)], RA, 1232, [], -1),
        ([("\xe9.", 0)], RA, 1232, [], -1),
        ([("a" * 254 + ".", 0)], RA, 1232, [], -1),
        ([("mesos.", 0), ("in.mesos.", 0)], RA, 1232, [], -1),  # the longest comes first
        ([("mesos.", 0)] * 65, RA, 1232, [], -1),
        (ZONES, None, 1232, [], -1),
        (ZONES, -1, 1232, [], -1),
        (ZONES, 65_536, 1232, [], -1),
        (ZONES, RA, 511, [], -1),
        (ZONES, RA, 4_097, [], -1),
        (ZONES, RA, 65_536 + 1232, [], -1),
        (ZONES, RA, 1 << 70, [], -1),
        (ZONES, RA, 1232, None, -1),
        (ZONES, RA, 1232, [MAPPED], -1),
        (ZONES, RA, 1232, [(MAPPED[1:], 8)], -1),
        (ZONES, RA, 1232, [(MAPPED + b"\0", 8)], -1),
        (ZONES, RA, 1232, [("\0" * 16, 8)], -1),
        (ZONES, RA, 1232, [(MAPPED, 129)], -1),
        (ZONES, RA, 1232, [(MAPPED, -1)], -1),
        (ZONES, RA, 1232, [(MAPPED, 96)] * 257, -1),
        (ZONES, RA, 1232, [], None),
        (ZONES, RA, 1232, [], 1 << 40),
    ],
)
def test_a_table_is_not_made_of(native: Any, given: tuple[Any, ...]) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        native.Table(*given)


def test_a_table_takes_as_much_as_it_has_room_for(native: Any) -> None:
    zones = [(f"{number:02}.mesos.", 0) for number in range(64)]
    table = native.Table(zones, 65_535, 4_096, [(MAPPED, 128)] * 256, 2**31 - 1)
    assert native.Table([], 0, 512, [], 0).answer(QUERY) is None
    assert table.mark(63, "web.63.mesos.", True)


RRSET: Rrset = (1, [RECORD], [])
SERVICE = (33, [RECORD[:12]], ["web.mesos."])


@pytest.mark.parametrize(
    "given",
    [
        (),
        ("web.mesos.", 1),
        (b"web.mesos.", 1, [RRSET]),
        (None, 1, [RRSET]),
        ("web.mesos", 1, [RRSET]),
        ("", 1, [RRSET]),
        (".", 1, [RRSET]),
        ("web.mesos.\0", 1, [RRSET]),
        ("\xfc.mesos.", 1, [RRSET]),
        ("\udc80.mesos.", 1, [RRSET]),
        ("w" + LONGEST, 1, [RRSET]),
        ("web.mesos.", 0, [RRSET]),  # it is in the other zone
        ("x.in.mesos.", 1, [RRSET]),
        ("web.example.", 1, [RRSET]),
        ("web.mesos.", 2, [RRSET]),
        ("web.mesos.", -1, [RRSET]),
        ("web.mesos.", 256 + 1, [RRSET]),
        ("web.mesos.", 65_536 + 1, [RRSET]),
        ("web.mesos.", 1.0, [RRSET]),
        ("web.mesos.", Number(), [RRSET]),
        ("web.mesos.", 1, None),
        ("web.mesos.", 1, (RRSET,)),
        ("web.mesos.", 1, [None]),
        ("web.mesos.", 1, [list(RRSET)]),
        ("web.mesos.", 1, [RRSET] * 17),
        ("web.mesos.", 1, [()]),
        ("web.mesos.", 1, [(1, [RECORD])]),
        ("web.mesos.", 1, [(*RRSET, 0)]),
        ("web.mesos.", 1, [(-1, [RECORD], [])]),
        ("web.mesos.", 1, [(65_537, [RECORD], [])]),
        ("web.mesos.", 1, [(Number(), [RECORD], [])]),
        ("web.mesos.", 1, [(1, None, [])]),
        ("web.mesos.", 1, [(1, RECORD, [])]),
        ("web.mesos.", 1, [(1, (RECORD,), [])]),
        ("web.mesos.", 1, [(1, [None], [])]),
        ("web.mesos.", 1, [(1, ["x" * 16], [])]),
        ("web.mesos.", 1, [(1, [bytearray(RECORD)], [])]),
        ("web.mesos.", 1, [(1, [b""], [])]),
        ("web.mesos.", 1, [(1, [RECORD[:11]], [])]),
        ("web.mesos.", 1, [(1, [bytes(65_536)], [])]),
        ("web.mesos.", 1, [RRSET, (1, [RECORD, b""], [])]),
        ("web.mesos.", 1, [(1, [RECORD] * 65_536, [])]),
        ("web.mesos.", 1, [(33, [RECORD], None)]),
        ("web.mesos.", 1, [(33, [RECORD], "")]),
        ("web.mesos.", 1, [(33, [RECORD], "web.mesos.")]),
        ("web.mesos.", 1, [(33, [RECORD], ("web.mesos.",))]),
        ("web.mesos.", 1, [(33, [RECORD], {"web.mesos.": 0})]),
        ("web.mesos.", 1, [(33, [RECORD], [None])]),
        ("web.mesos.", 1, [(33, [RECORD], [b"web.mesos."])]),
        ("web.mesos.", 1, [(33, [RECORD], [1])]),
        ("web.mesos.", 1, [(33, [RECORD], [["web.mesos."]])]),
        ("web.mesos.", 1, [(33, [], ["web.mesos."])]),
        ("web.mesos.", 1, [(33, [RECORD], ["web.mesos."] * 2)]),
        ("web.mesos.", 1, [(33, [RECORD] * 2, ["web.mesos."])]),
        ("web.mesos.", 1, [(33, [RECORD], ["web.mesos."] * 65_537)]),
        ("web.mesos.", 1, [(33, [RECORD] * 65_536, ["web.mesos."] * 65_536)]),
        ("web.mesos.", 1, [(33, [RECORD], ["web.mesos"])]),
        ("web.mesos.", 1, [(33, [RECORD], [""])]),
        ("web.mesos.", 1, [(33, [RECORD], ["."])]),
        ("web.mesos.", 1, [(33, [RECORD], ["web.example."])]),
        ("web.mesos.", 1, [(33, [RECORD], ["web.in.mesos."])]),  # it is in the other zone
        ("web.mesos.", 1, [(33, [RECORD], ["xmesos."])]),
        ("web.mesos.", 1, [(33, [RECORD], ["\xfc.mesos."])]),
        ("web.mesos.", 1, [(33, [RECORD], ["\udc80.mesos."])]),
        ("web.mesos.", 1, [(33, [RECORD], ["w" + LONGEST])]),
        ("web.mesos.", 1, [(33, [RECORD] * 2, ["web.mesos.", "web.example."])]),
        ("web.mesos.", 1, [SERVICE, RRSET, (33, [RECORD], ["web.example."])]),
        ("web.mesos.", 1, [(33, [RECORD, b""], ["web.mesos."] * 2)]),
        ("x.in.mesos.", 0, [SERVICE]),
    ],
)
def test_a_table_is_not_taught(table: Any, given: tuple[Any, ...]) -> None:
    table.teach(*WEB)
    answer, size = table.answer(QUERY), table.size
    with pytest.raises((TypeError, ValueError, OverflowError)):
        table.teach(*given)
    assert (table.answer(QUERY), table.size) == (answer, size)


def test_lists_do_not_grow_while_they_are_read(table: Any) -> None:
    records = [RECORD]
    grows = Number(lambda: records.extend([RECORD] * 10_000))
    refused: list[list[Any]] = [
        [(grows, records, [])],
        [(1, records, []), (grows, [RECORD], [])],
    ]
    for rrsets in refused:
        with pytest.raises(ValueError, match="number"):
            table.teach("web.mesos.", 1, rrsets)
    assert records == [RECORD]


@pytest.mark.parametrize("target", [[], ["web.mesos."], [LONGEST]])
@pytest.mark.parametrize("number", [1, 200, 256, 257, 65_535])
def test_long_lists_are_taken(table: Any, number: int, target: list[str]) -> None:
    rrsets: list[Rrset] = [(type_, [RECORD] * number, target * number) for type_ in range(2, 18)]
    table.teach("web.mesos.", 1, rrsets)
    table.teach(LONGEST, 1, [])
    answer = table.answer(QUERY.replace(b"\0\1\0\1", b"\0\2\0\1"))
    assert answer[6:8] == (number if number == 1 else 0).to_bytes(2)
    assert bool(answer[2] & 2) == (number > 1)
    assert table.size < 200_000


def test_no_length_of_a_record_is_too_much(table: Any) -> None:
    table.teach("web.mesos.", 1, [(1, [RECORD.ljust(65_535, b"x")] * 100, [])])
    assert table.answer(QUERY)[2] & 2


def test_addresses_that_end_in_names_do_no_harm(table: Any) -> None:
    # They make no sense, and are not to be read beyond their end.
    table.teach(LONGEST, 1, [])
    table.teach("host.mesos.", 1, [(28, [RECORD], [LONGEST])])
    table.teach("web.mesos.", 1, [(1, [RECORD[:12]], ["host.mesos."])])
    answer = table.answer(QUERY)
    assert answer[6:12] == b"\0\1\0\0\0\1"
    assert answer.endswith(b"\4host\xc0\x10" + RECORD[2:])


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("deny", ()),
        ("deny", (2, SOA)),
        ("deny", (-1, SOA)),
        ("deny", (256, SOA)),
        ("deny", ("1", SOA)),
        ("deny", (1, "SOA" * 9)),
        ("deny", (1, b"")),
        ("deny", (1, SOA[:9])),
        ("deny", (1, bytes(4_097))),
        ("deny", (1, bytearray(SOA))),
        ("mark", (1, "web.mesos.")),
        ("mark", (0, "web.mesos.", True)),
        ("mark", (2, "web.mesos.", True)),
        ("mark", (1, "web.in.mesos.", True)),
        ("mark", (1, b"web.mesos.", True)),
        ("mark", (1, "web.mesos", True)),
        ("mark", (1, "xmesos.", True)),
        ("forget", (None,)),
        ("forget", (b"web.mesos.",)),
        ("forget", ("web",)),
        ("forget", ()),
        ("known", (None,)),
        ("known", ([None],)),
        ("answer", (None,)),
        ("answer", ("",)),
        ("answer", (bytearray(QUERY),)),
        ("asked", (None,)),
        ("asked", (memoryview(QUERY),)),
        ("counts", (1,)),
    ],
)
def test_a_table_refuses(table: Any, method: str, given: tuple[Any, ...]) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError, IndexError)):
        getattr(table, method)(*given)


def test_what_a_name_list_raises_is_raised(table: Any) -> None:
    def names() -> Iterator[str]:
        table.teach(*WEB)
        yield "web.mesos."
        table.forget("web.mesos.")
        yield "web.mesos."
        raise LookupError

    with pytest.raises(LookupError):
        table.known(names())


@pytest.mark.parametrize("size", [0, 1, 11, 12, 17, 4_096, 70_000])
def test_no_length_of_a_query_is_too_much(table: Any, size: int) -> None:
    table.teach(*WEB)
    assert table.answer(QUERY.ljust(size, b"\0")[:size]) is None
    assert table.answer(bytes(size)) is None


# What is kept, and given back.


def test_a_table_gives_back_what_it_took(table: Any) -> None:
    size = table.size
    for number in range(5):
        table.mark(1, f"{number}.mesos.", True)
        rrsets = [(type_, [RECORD] * 9, [f"{number}.mesos."] * 9) for type_ in range(9)]
        table.teach(f"{number}.mesos.", 1, rrsets)
        table.deny(1, SOA)
    assert table.size > size + 5 * 9 * 9 * (len(RECORD) + 8)
    for number in range(5):
        table.mark(1, f"{number}.mesos.", False)
        table.forget(f"{number}.mesos.")
    table.deny(1, None)
    assert table.size == size


def test_no_reference_is_lost_or_kept(native: Any, table: Any) -> None:
    name, target = ("".join([label, ZONES[1][0]]) for label in ("web.", "host."))
    record, soa = bytes(16), bytes(12)
    query, address = bytes(bytearray(QUERY)), bytes(bytearray(MAPPED))
    records, targets = [record] * 2, [target, name]
    rrset = (1, records, targets)
    rrsets, zones, exempt = [rrset], [(name, 0)], [(address, 8)]
    held = (
        name, target, record, records, targets, soa, query, address, rrset, rrsets, zones, exempt,
    )  # fmt: skip

    def all_once() -> None:
        native.Table(zones, RA, 1232, exempt, 1)
        table.teach(name, 1, rrsets)
        table.teach(target, 1, [])
        table.deny(1, soa)
        table.deny(1, None)
        table.mark(1, name, True)
        table.mark(1, name, False)
        table.known([name, name])
        table.answer(query)
        table.asked(query)
        table.counts()
        table.forget(name)
        table.forget(target)
        for refused in (
            (name, 1, [(1, [record, None], targets)]),
            (name, 1, [rrset, (1, records, [target, None])]),
            (name, 1, [rrset, (1, records, [target, "web.example."])]),
            (name, 1, [rrset, (1, records, [target])]),
            (name, 1, [(1, records, (target, name))]),
            (name, 0, rrsets),
        ):
            with pytest.raises((TypeError, ValueError)):
                table.teach(*refused)
        with pytest.raises(TypeError):
            table.known([name, name, None])
        with pytest.raises(ValueError, match="octets"):
            native.Table(zones, RA, 1, exempt, 1)

    all_once()
    before = [sys.getrefcount(each) for each in held]
    for _ in range(200):
        all_once()
    assert [sys.getrefcount(each) for each in held] == before
    gc.collect()
    tracemalloc.start()
    try:
        all_once()
        first = tracemalloc.get_traced_memory()[0]
        for _ in range(200):
            all_once()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - first < 10_000
    finally:
        tracemalloc.stop()


def test_tables_come_and_go(native: Any) -> None:
    def made() -> None:
        table = native.Table(ZONES, RA, 1232, [], -1)
        table.teach("web.mesos.", 1, [(1, [RECORD] * 40, ["web.mesos."] * 40)])
        table.deny(1, SOA)

    for _ in range(200):
        made()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(4_000):  # of 40,000 octets each
        made()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10

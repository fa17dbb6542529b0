"""Whatever the zones hold, however they changed, whatever is asked: native answers are Python's."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointlab.servers.paths import answering
from pointsman.dns import wire
from pointsman.dns.answer import Responder, Settings
from pointsman.dns.cookies import Cookies
from pointsman.dns.query import name_end
from pointsman.dns.records import Record
from pointsman.dns.teacher import MISSING
from pointsman.dns.zone import Mirror, Soa, Zone, Zones

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no native responder: {MISSING}")

LONG = f"{'x' * 63}.{'y' * 63}."
APEXES: tuple[str, ...] = (
    "mesos.", "in.mesos.", "x.deep.in.mesos.", "example.", "10.in-addr.arpa.",
    "0.10.in-addr.arpa.", f"{LONG}mesos.",
)  # fmt: skip
MIRRORS: tuple[str, ...] = (
    "mesos.thisdcos.directory.",
    "mirror.mesos.",
    "in.mirror.mesos.",
    f"m.{LONG}",
)
LABELS = ("web", "a", "b", "_tcp", "_web", "x", "in", "deep", "0", "1", "ns1", "mesos", "z" * 63)
HOST = "10.9.9.9"


def names(apexes: Iterable[str]) -> st.SearchStrategy[str]:
    """Give names below these, and the apexes themselves."""
    below = st.lists(st.sampled_from(LABELS), max_size=4)
    return st.builds(
        lambda labels, apex: "".join(f"{label}." for label in labels) + apex,
        below,
        st.sampled_from([*apexes]),
    ).filter(lambda name: len(name) < wire.MOST_NAME)


def data(type_: str, apexes: list[str]) -> st.SearchStrategy[str]:
    number = st.integers(0, 3)
    match type_:
        case "A":
            return number.map(lambda n: f"10.0.0.{n}")
        case "AAAA":
            return number.map(lambda n: f"fd00::{n}")
        case "SRV":
            target = names([*apexes, "elsewhere."])
            return st.builds(lambda n, to: f"0 {n} {80 + n} {to}", number, target)
        case "TXT":
            return st.sampled_from(["short", '"two parts" here', " ".join(["t" * 250] * 5)])
    return names([*apexes, "elsewhere."])


@st.composite
def rrsets(draw: st.DrawFn, apexes: list[str]) -> list[Record]:
    """Draw some records of one name and type."""
    name = draw(names(apexes))
    type_ = draw(st.sampled_from(["A", "A", "AAAA", "SRV", "SRV", "TXT", "PTR"]))
    count = draw(st.sampled_from([1, 1, 1, 2, 3, 28, 29, 60, 500]))
    ttl, preferred = draw(st.sampled_from([0, 5, 60])), draw(st.booleans())
    claim = draw(st.sampled_from(["", "", "", "f/one", "f/two"]))
    if type_ == "A" and count > 3:
        made = [f"10.{n >> 8}.{n & 255}.1" for n in range(count)]
    elif type_ == "SRV" and count > 3:
        made = [f"0 0 {n} {draw(names(apexes))}" for n in range(min(count, 5))]
    else:
        made = [draw(data(type_, apexes)) for _ in range(min(count, 3))]
    return [Record(name, type_, one, ttl, preferred, claim) for one in made]


def text(name: str) -> bytes:
    return b"".join(bytes([len(one)]) + one.encode() for one in name.split(".")[:-1]) + b"\0"


@st.composite
def questions(draw: st.DrawFn, apexes: list[str], held: list[str]) -> bytes:
    """Draw name, type and class; most are of a name that a zone holds or one near it."""
    name = text(draw(st.sampled_from(held) | names([*apexes, "elsewhere."])))
    match draw(st.integers(0, 9)):
        case 0:
            name = name[1 + name[0] :] if name[0] else name
        case 1:
            odd = draw(
                st.sampled_from([b"a.b", b"in.mesos", b"\0", b"\\", b"\xff\xc3", b"*", b"A"])
            )
            name = bytes([len(odd)]) + odd + name
        case 2:
            odd = draw(st.binary(min_size=1, max_size=63))
            name = bytes([len(odd)]) + odd + name
        case 3:
            name = draw(st.sampled_from([b"\0", b"\5mesos", b"\xc0\x0c", b"\x40a\0"]))
    mask = draw(st.integers(0, 255))  # in capital letters where a bit is set
    name = bytes(c ^ 32 if chr(c).isalpha() and mask >> (n & 7) & 1 else c
                 for n, c in enumerate(name))  # fmt: skip
    usual = st.sampled_from([1, 1, 1, 28, 33, 33, 16, 12, 2, 6, 255])
    type_ = draw(usual | usual | st.integers(0, 0xFFFF) | st.integers(247, 258))
    class_ = draw(st.sampled_from([1] * 12 + [0, 3, 254, 255, 0x0101]))
    return name + type_.to_bytes(2) + class_.to_bytes(2)


SIZES = st.sampled_from([0, 511, 512, 513, 1231, 1232, 1233, 4096, 65_535]) | st.integers(0, 65_535)
OPTIONS = ("", "", "", "000a 0008 3132333435363738", "0003 0000", "000b 0000", "fde9 0001 78",
           "000a 0004 31323334", "000a 00")  # fmt: skip


@st.composite
def packets(draw: st.DrawFn, apexes: list[str], held: list[str]) -> bytes:
    """Draw what may be sent: mostly what libraries and resolvers send."""
    rest, additional = b"", 0
    if draw(st.booleans()):
        options = bytes.fromhex(draw(st.sampled_from(OPTIONS)))
        usual = draw(st.integers(0, 5))
        version, extended = (1, 0) if usual == 0 else (0, 3) if usual == 1 else (0, 0)
        flags = draw(st.sampled_from([0, 0, 0x8000, 0x8000, 0x4000, 0x80, 1]))
        size = draw(SIZES)
        rest = b"\0\0\x29" + size.to_bytes(2) + bytes([extended, version]) + flags.to_bytes(2)
        rest += len(options).to_bytes(2) + options
        additional = 1
    flags = draw(st.sampled_from([0x0100] * 5 + [0] * 5 + [0x10, 0x20, 0x130, 0x40, 0x0800, 0x7900]
                                 + [0x0200, 0x0400, 0x0F, 0x8000, 0x80]))  # fmt: skip
    counts = [1, 0, 0, additional]
    if draw(st.integers(0, 9)) == 0:
        counts[draw(st.integers(0, 3))] = draw(st.sampled_from([0, 1, 2, 0x100, 0xFFFF]))
    head = draw(st.integers(0, 0xFFFF)).to_bytes(2) + flags.to_bytes(2)
    head += b"".join(count.to_bytes(2) for count in counts)
    whole = head + draw(questions(apexes, held)) + rest
    match draw(st.integers(0, 19)):
        case 0:
            return whole[: draw(st.integers(0, len(whole)))]
        case 1:
            return whole + draw(st.binary(min_size=1, max_size=12))
        case 2:
            at = draw(st.integers(0, len(whole) - 1))
            return whole[:at] + draw(st.binary(max_size=3)) + whole[at + 1 :]
    return whole


def turned(answer: bytes | None) -> tuple[object, ...]:
    """Return an answer with its records sorted, which take turns; all else as it is."""
    if answer is None or len(answer) < 12 or answer[4:6] != b"\0\1" or answer[6:8] <= b"\0\1":
        return (answer,)
    at = name_end(answer, 12) + 4
    before, found = answer[:at], []
    for _ in range(int.from_bytes(answer[6:8])):
        end = name_end(answer, at) + 10
        end += int.from_bytes(answer[end - 2 : end])
        found.append(answer[at:end])
        at = end
    return before, sorted(found), answer[at:]


def responder(path: str, zones: Zones) -> Responder:
    cookies = Cookies(b"secret", lambda: 1_700_000_000.0)
    return answering(path, zones, settings=Settings(1232, "node-7", "1"), cookies=cookies)


def said(one: Responder, query: bytes) -> bytes | None:
    answer = one.udp(query, HOST)
    assert answer is None or isinstance(answer, bytes)
    return answer


def counted(one: Responder) -> dict[object, int]:
    """Return all that is counted, but for what is 0."""
    one.counts.collect()
    found: dict[object, int] = {key: cell[0] for key, cell in one.counts.queries.items() if cell[0]}
    return found | {key: number for key, number in one.counts.dropped.items() if number}


def built(apexes: list[str], mirrors: list[str]) -> Zones:
    made = [
        Zone(apex, Soa(f"ns1.{apex}", f"root.ns1.{apex}", minimum=30), 60, ["10.0.0.9"])
        for apex in apexes
    ]
    return Zones(
        *made, mirrors=[Mirror(apex, made[n % len(made)]) for n, apex in enumerate(mirrors)]
    )


def near(zones: Zones) -> list[str]:
    """Return the names of all zones and mirrors, those above them, and some beside and below."""
    found = set()
    for zone in zones.served:
        held = zone.zone if isinstance(zone, Mirror) else zone
        for owner in held.owners:
            name = zone.here(owner) if isinstance(zone, Mirror) else owner
            while name:
                found |= {name, f"beside.{name.partition('.')[2]}", f"x.{name}"}
                name = name.partition(".")[2]
    return sorted(name for name in found if len(name) < wire.MOST_NAME)


def of(name: str) -> bytes:
    """Return a query for the addresses of a name."""
    return bytes.fromhex("0007 0000 0001 0000 0000 0000") + text(name) + b"\0\1\0\1"


def wanted(zones: Zones, name: str) -> int:
    """Return the response code that a name deserves."""
    zone = zones.of(name)
    return wire.REFUSED if zone is None else wire.ANSWERED if zone.has(name) else wire.NXDOMAIN


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_native_answers_are_those_of_python(data: st.DataObject) -> None:
    apexes = data.draw(st.lists(st.sampled_from(APEXES), min_size=1, max_size=4, unique=True))
    mirrors = data.draw(st.lists(st.sampled_from(MIRRORS), max_size=2, unique=True))
    zones = built(apexes, mirrors)
    every = [*apexes, *mirrors]
    begun = data.draw(st.lists(rrsets(apexes), max_size=4))
    held = [record for some in begun for record in some]
    zones.update((), held)
    late = data.draw(st.sampled_from([*apexes, "none"]))
    for zone in zones:
        zone.loaded = zone.apex != late
    python, native = responder("python", zones), responder("native", zones)
    for _ in range(data.draw(st.integers(1, 4))):
        asked = data.draw(st.lists(packets(every, near(zones)), max_size=8))
        for query in asked + asked:
            one, other = said(python, query), said(native, query)
            assert turned(one) == turned(other)
        before = near(zones)
        for name in before:
            said(python, of(name))
            said(native, of(name))
        new = [r for some in data.draw(st.lists(rrsets(apexes), max_size=3)) for r in some]
        ours = [record for record in held if isinstance(zones.of(record.name), Zone)]
        gone = [r for r in ours if data.draw(st.booleans())] if len(ours) < 20 else ours[::2]
        touched = zones.update(gone, new)
        for record in gone:
            held.remove(record)
        held += new
        for zone in zones:
            zone.loaded = True
        python.invalidate(touched)
        native.invalidate(touched)
        for name in sorted({*before, *near(zones)}):
            assert turned(said(python, of(name))) == turned(said(native, of(name)))
        asked += data.draw(st.lists(packets(every, near(zones)), max_size=4))
        fresh = [responder(path, zones) for path in ("python", "native")]
        for query in asked:
            answers = [turned(said(one, query)) for one in (python, native, *fresh)]
            assert answers[1:] == answers[:-1]
    assert counted(python) == counted(native)
    assert native.teacher is not None
    numbers = sorted((zone.apex for zone in zones.served), key=len, reverse=True)
    for name in near(zones):
        home = zones.of(name)
        if isinstance(home, Zone):  # that a name is there as the zone says is nothing new
            number = numbers.index(home.apex)
            assert not native.teacher.table.mark(number, name, home.has(name))
        for one in (said(python, of(name)), said(native, of(name))):
            assert one is not None
            assert one[3] & 0xF == wanted(zones, name)


@settings(deadline=None)
@given(st.integers(2, 40), st.integers(0, 100), st.sampled_from(["A", "SRV"]))
def test_each_record_comes_first_once_in_as_many_answers(
    count: int, before: int, type_: str
) -> None:
    zones = built(["mesos."], [])
    values = [f"10.0.0.{n}" if type_ == "A" else f"0 1 {n} web.mesos." for n in range(count)]
    zones.update((), [Record("many.mesos.", type_, one, 60) for one in values])
    for zone in zones:
        zone.loaded = True
    native = responder("native", zones)
    name = b"\4many\5mesos\0" + wire.TYPES[type_].to_bytes(2) + b"\0\1"
    size = 10 + len(wire.data(type_, values[0])) + 2
    query = (
        bytes.fromhex("0007 0100 0001 0000 0000 0001")
        + name
        + bytes.fromhex("00 0029 04d0 00000000 0000")
    )
    for _ in range(before):
        said(native, query)
    firsts = set()
    for _ in range(count):
        answer = said(native, query)
        assert answer is not None
        assert not answer[2] & 2
        at = 12 + len(name)
        firsts.add(answer[at : at + size])
        records = [answer[at + n * size : at + n * size + size] for n in range(count)]
        assert len({*records}) == count
    assert len(firsts) == count

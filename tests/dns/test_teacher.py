"""What a native table is taught of the zones, and how it follows their changes."""

import random
from collections.abc import Iterable

import dns.message
import dns.rcode
import pytest

from pointsman.dns import teacher, wire
from pointsman.dns.counts import Counts
from pointsman.dns.records import Record
from pointsman.dns.teacher import MISSING, MOST_EXEMPT, MOST_RECORDS, MOST_ZONES, Teacher
from pointsman.dns.zone import Mirror, Soa, Zone, Zones

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no native responder: {MISSING}")

MIRROR = "mesos.thisdcos.directory."
WEB = Record("web.mesos.", "A", "10.0.0.1", 60)
DEEP = Record("a.b.c.mesos.", "A", "10.0.0.3", 60)
TASK = Record("web-1.mesos.", "A", "10.0.0.7", 60)
SERVICE = Record("_web._tcp.mesos.", "SRV", "0 1 80 web-1.mesos.", 60)


def made(
    *records: Record, exempt: Iterable[str] = (), rate: int = -1
) -> tuple[Teacher, Zones, Counts]:
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos.", minimum=30), 60, ["10.0.0.9"])
    zones, counts = Zones(zone, mirrors=[Mirror(MIRROR, zone)]), Counts()
    zones.update((), records)
    zone.loaded = True
    return Teacher(zones, counts, wire.QR | wire.AA, 1232, exempt, rate), zones, counts


def query(name: str, type_: str = "A") -> bytes:
    return dns.message.make_query(name, type_, id=7).to_wire()


def read(answer: bytes | None) -> tuple[str, list[str], list[str]]:
    """Return code, answers and additional records of an answer that must be there."""
    assert answer is not None
    found = dns.message.from_wire(answer)
    code = dns.rcode.to_text(found.rcode())
    parts = [[str(d) for rrset in part for d in rrset] for part in (found.answer, found.additional)]
    return code, sorted(parts[0]), sorted(parts[1])


def test_it_teaches_what_is_asked_for_and_that_alone() -> None:
    one, _, _ = made(WEB, DEEP)
    assert one.table.answer(query("web.mesos.")) is None
    assert read(one.answer(query("web.mesos."))) == ("NOERROR", ["10.0.0.1"], [])
    assert read(one.table.answer(query("WEB.mesos."))) == ("NOERROR", ["10.0.0.1"], [])
    assert one.table.known(["web.mesos.", DEEP.name, "c.mesos.", "nope.mesos."]) == ["web.mesos."]


def test_all_that_is_not_there_is_known_once_a_zone_was_asked() -> None:
    one, _, _ = made(WEB, DEEP)
    assert one.table.answer(query("nope.mesos.")) is None
    assert read(one.answer(query("nope.mesos."))) == ("NXDOMAIN", [], [])
    for name in ("other.mesos.", "x.web.mesos.", "d.c.mesos.", "b.mesos."):
        assert read(one.table.answer(query(name))) == ("NXDOMAIN", [], [])
    for name in ("web.mesos.", "mesos.", "c.mesos.", "b.c.mesos.", "a.b.c.mesos.", "ns1.mesos."):
        assert one.table.answer(query(name)) is None  # it is there, and was not taught
    assert one.table.answer(query(f"nope.{MIRROR}")) is None
    assert read(one.answer(query(f"nope.{MIRROR}"))) == ("NXDOMAIN", [], [])


def test_an_empty_name_between_has_no_records_of_any_type() -> None:
    one, _, _ = made(DEEP)
    for type_ in ("A", "SRV", "TYPE65280"):
        assert read(one.answer(query("b.c.mesos.", type_))) == ("NOERROR", [], [])


@pytest.mark.parametrize(
    ("name", "type_"),
    [("example.com.", "A"), (".", "NS"), ("mesos.", "AXFR"), ("web.mesos.", "ANY"),
     ("web.mesos.", "IXFR")],
)  # fmt: skip
def test_what_python_decides_on_is_left_to_it(name: str, type_: str) -> None:
    one, _, _ = made(WEB)
    for _ in range(2):
        assert one.answer(query(name, type_)) is None


def test_a_zone_without_a_view_is_left_to_python_until_it_has_one() -> None:
    one, zones, _ = made(WEB)
    (zone,) = zones
    zone.loaded = False
    assert one.answer(query("web.mesos.")) is None
    assert one.answer(query("nope.mesos.")) is None
    zone.loaded = True
    assert read(one.answer(query("nope.mesos."))) == ("NXDOMAIN", [], [])


def test_what_was_known_follows_a_change_at_once() -> None:
    one, zones, _ = made(WEB, DEEP)
    for name in ("web.mesos.", f"web.{MIRROR}", DEEP.name, "b.c.mesos."):
        one.answer(query(name))
    new = Record("web.mesos.", "A", "10.0.0.2", 60)
    one.follow(zones.update([WEB, DEEP], [new]))
    for name in ("web.mesos.", f"web.{MIRROR}"):
        assert read(one.table.answer(query(name))) == ("NOERROR", ["10.0.0.2"], [])
    for name in (DEEP.name, "b.c.mesos.", "c.mesos.", f"c.{MIRROR}"):
        assert read(one.table.answer(query(name))) == ("NXDOMAIN", [], [])
    one.follow(zones.update([], [DEEP]))
    for name in (DEEP.name, "b.c.mesos.", "c.mesos."):
        assert one.table.answer(query(name)) is None  # it was forgotten, and is there
        assert read(one.answer(query(name)))[0] == "NOERROR"


def test_no_is_said_with_the_serial_of_the_latest_change() -> None:
    one, zones, _ = made(WEB)
    for name in ("nope.mesos.", "web.mesos.", f"nope.{MIRROR}"):
        one.answer(query(name, "AAAA"))
    one.follow(zones.update([], [DEEP]))
    (zone,) = zones
    for name in ("nope.mesos.", "web.mesos.", f"nope.{MIRROR}"):
        answer = one.table.answer(query(name, "AAAA"))
        assert answer is not None
        (start,) = dns.message.from_wire(answer).authority[0]
        assert start.serial == zone.serial


def test_targets_are_taught_with_who_names_them() -> None:
    one, _, _ = made(SERVICE, TASK)
    assert read(one.answer(query(SERVICE.name, "SRV")))[2] == ["10.0.0.7"]
    assert one.table.known((SERVICE.name, TASK.name)) == [SERVICE.name, TASK.name]
    assert read(one.table.answer(query(TASK.name))) == ("NOERROR", ["10.0.0.7"], [])


def test_a_service_follows_the_addresses_of_its_targets() -> None:
    one, zones, _ = made(SERVICE, TASK)
    one.answer(query(SERVICE.name, "SRV"))
    moved = Record(TASK.name, "A", "10.0.0.8", 60)
    one.follow(zones.update([TASK], [moved]))
    assert read(one.table.answer(query(SERVICE.name, "SRV")))[2] == ["10.0.0.8"]


def test_a_service_has_new_targets_at_once() -> None:
    one, zones, _ = made(SERVICE, TASK)
    one.answer(query(SERVICE.name, "SRV"))
    another = Record("web-2.mesos.", "A", "10.0.0.8", 60)
    service = Record(SERVICE.name, "SRV", f"0 1 80 {another.name}", 60)
    one.follow(zones.update([], [another, service]))
    assert read(one.table.answer(query(SERVICE.name, "SRV"))) == (
        "NOERROR",
        ["0 1 80 web-1.mesos.", "0 1 80 web-2.mesos."],
        ["10.0.0.7", "10.0.0.8"],
    )


@pytest.mark.parametrize("asked", [(), (TASK.name,)], ids=["", "target known"])
@pytest.mark.parametrize("first", [True, False], ids=["was there", "was not"])
def test_a_service_is_left_to_python_while_a_target_is_not_there(
    first: bool, asked: tuple[str, ...]
) -> None:
    one, zones, _ = made(SERVICE, *((TASK,) if first else ()))
    one.answer(query(SERVICE.name, "SRV"))
    if first:
        one.follow(zones.update([TASK], []))
    for _ in range(2):
        assert one.answer(query(SERVICE.name, "SRV")) is None
        assert read(one.answer(query(SERVICE.name)))[0] == "NOERROR"
    one.follow(zones.update([], [TASK]))
    for name in asked:
        one.answer(query(name))
    assert read(one.answer(query(SERVICE.name, "SRV")))[2] == ["10.0.0.7"]
    assert one.table.answer(query(SERVICE.name, "SRV"))


@pytest.mark.parametrize("target", ["db.example.org.", "mesos.", f"web-1.{MIRROR}", "x.web.mesos."])
def test_a_service_elsewhere_is_left_to_python(target: str) -> None:
    one, _, _ = made(Record(SERVICE.name, "SRV", f"0 1 80 {target}", 60), TASK, WEB)
    for _ in range(2):
        assert one.answer(query(SERVICE.name, "SRV")) is None


def test_a_service_is_left_to_python_where_its_mirror_can_not_have_the_target() -> None:
    # One is too long under the mirror's apex, one is in a zone inside of the mirror's.
    for target in (f"{'n' * 61}." * 4 + "mesos.", "web.sub.mesos."):
        zone, inside = (
            Zone(apex, Soa(f"ns1.{apex}", f"root.ns1.{apex}", minimum=30), 60, ["10.0.0.9"])
            for apex in ("mesos.", f"sub.{MIRROR}")
        )
        zones = Zones(zone, inside, mirrors=[Mirror(MIRROR, zone)])
        service = Record(SERVICE.name, "SRV", f"0 1 80 {target}", 60)
        zones.update((), [service, Record(target, "A", "10.0.0.7", 60)])
        zone.loaded = True
        one = Teacher(zones, Counts(), wire.QR | wire.AA, 1232)
        assert read(one.answer(query(SERVICE.name, "SRV")))[1] == [service.data]
        mirrored = SERVICE.name.removesuffix("mesos.") + MIRROR
        for _ in range(2):
            assert one.answer(query(mirrored, "SRV")) is None


def test_services_that_name_each_other_are_taught() -> None:
    ring = [
        Record(f"s{n}.mesos.", "SRV", f"0 1 80 s{(n + 1) % 2000}.mesos.", 60) for n in range(2000)
    ]
    one, _, _ = made(*ring)
    assert read(one.answer(query("s7.mesos.", "SRV")))[1] == ["0 1 80 s8.mesos."]
    assert len(one.table.known(record.name for record in ring)) == len(ring)


def test_what_has_no_room_in_any_answer_comes_by_tcp() -> None:
    many = (f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(70_000))
    one, _, _ = made(*(Record("many.mesos.", "A", data, 60) for data in many))
    answer = one.answer(query("many.mesos."))
    assert answer is not None
    assert answer[2] & 2
    assert MOST_RECORDS * 16 > 4096


def test_what_was_counted_stays_after_it_is_closed() -> None:
    one, _, counts = made(WEB)
    for _ in range(5):
        one.answer(query("web.mesos."))
    assert counts.total("answered") == 5
    one.answer(query("web.mesos."))
    one.close()
    assert counts.total("answered") == 6
    assert not counts._sources


def test_names_that_are_made_up_take_no_memory() -> None:
    one, _, _ = made(WEB, DEEP)
    for name in ("web.mesos.", "b.c.mesos.", f"web.{MIRROR}"):
        one.answer(query(name))
    size = one.table.size
    pick = random.Random(1)
    head = bytes.fromhex("0007 0100 0001 0000 0000 0000")
    ends = [b"\5mesos\0", b"\3web\5mesos\0", wire.name(MIRROR), b"\1x\1b\1c\5mesos\0"]
    for number in range(250_000):
        label = b"\x0c%012x" % pick.getrandbits(48)
        type_ = pick.getrandbits(16).to_bytes(2)
        one.answer(head + label + ends[number & 3] + type_ + b"\0\1")  # of no name
        one.answer(head + b"\3web\5mesos\0" + type_ + b"\0\1")
        one.answer(head + label + b"\7example\0" + type_ + b"\0\1")  # of no zone
        one.answer(head + b"\1b\1c\5mesos\0" + type_ + b"\0\1")
    assert one.table.size == size
    assert len(one._denying) == 2


def test_names_that_come_and_go_leave_no_memory_behind() -> None:
    one, zones, _ = made(WEB)
    sizes = []
    for number in range(3000):
        record = Record(f"task-{number}.mesos.", "A", "10.0.0.1", 60)
        one.follow(zones.update([], [record]))
        one.answer(query(record.name))
        one.follow(zones.update([record], []))
        sizes.append(one.table.size)
    assert max(sizes[1000:]) <= max(sizes[:1000])


def test_limits_and_exemptions_are_as_many_as_an_operator_likes() -> None:
    exempt = [f"10.{n >> 8}.{n & 255}.0/24" for n in range(MOST_EXEMPT + 50)]
    for rate in (-1, 0, 1, 1 << 40):
        one, _, _ = made(WEB, exempt=exempt, rate=rate)
        assert one.answer(query("web.mesos."))


def test_networks_are_given_as_those_of_ipv6() -> None:
    assert [*teacher._networks(("10.0.0.0/8", "::ffff:10.0.0.0/104", "fd00::/8", "::/0"))] == [
        (bytes(10) + b"\xff\xff\n\0\0\0", 104),
        (b"\xfd" + bytes(15), 8),
        (bytes(16), 0),
    ]


def test_there_is_an_end_to_zones() -> None:
    soa = Soa("ns1.x.", "root.x.")
    most = Zones(*(Zone(f"z{n}.", soa, 60) for n in range(MOST_ZONES)))
    Teacher(most, Counts(), 0, 1232)
    with pytest.raises(ValueError, match="more than 64 zones"):
        Teacher(Zones(*most, Zone("another.", soa, 60)), Counts(), 0, 1232)

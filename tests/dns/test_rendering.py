from pointsman.dns import rendering, wire
from pointsman.dns.records import Record
from pointsman.dns.zone import Mirror, Rrset, Soa, Zone

LENGTH = len(wire.name("_web._tcp.mesos."))


def served() -> Zone:
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos.", minimum=30), 60)
    records = [Record("web-1.mesos.", "A", f"10.0.0.{n}", 60) for n in (1, 2)]
    zone.update((), [*records, Record("web-1.mesos.", "AAAA", "fd00::1", 60)])
    return zone


def test_a_record_of_the_question_points_to_it() -> None:
    found = rendering.records(Rrset("web.mesos.", "A", 60, ("10.0.0.1", "10.0.0.2")))
    assert found == [bytes.fromhex(f"c00c 0001 0001 0000003c 0004 0a0000{n:02x}") for n in (1, 2)]


def test_services_and_nameservers_name_others() -> None:
    srv = Rrset("_web._tcp.mesos.", "SRV", 60, ("0 1 80 a.mesos.", "0 1 81 a.mesos.", "0 1 82 b."))
    assert rendering.targets(srv) == ("a.mesos.", "b.")
    assert rendering.targets(Rrset("mesos.", "NS", 60, ("ns1.mesos.",))) == ("ns1.mesos.",)
    assert rendering.targets(Rrset("web.mesos.", "A", 60, ("10.0.0.1",))) == ()


def test_addresses_end_in_a_pointer_to_the_zone_in_the_question() -> None:
    found = rendering.addresses(served(), ("web-1.mesos.", "nope.mesos.", "web-1.other."), LENGTH)
    assert len(found) == 3
    apex = 12 + len(b"\4_web\4_tcp")
    assert all(record.startswith(b"\5web-1" + wire.pointer(apex)) for record in found)


def test_no_is_said_with_the_start_of_the_zone_as_it_is_now() -> None:
    zone, denials = served(), rendering.Denials()
    first = denials.record(zone, LENGTH)
    assert first.startswith(wire.pointer(22) + bytes.fromhex("0006 0001 0000001e"))
    assert denials.record(zone, LENGTH) == first
    zone.update((), [Record("x.mesos.", "A", "10.0.0.9", 60)])
    assert denials.record(zone, LENGTH) != first
    mirror = denials.record(Mirror("l4lb.example.", zone), 40)
    assert wire.name("ns1.l4lb.example.") in mirror

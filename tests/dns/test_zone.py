import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.dns.records import Record
from pointsman.dns.zone import Mirror, Rrset, Soa, Zone, Zones

SOA = Soa("ns1.mesos.", "root.ns1.mesos.")
ONE = Record("web.marathon.mesos.", "A", "10.0.0.1", 60)
TWO = Record("web.marathon.mesos.", "A", "10.0.0.2", 60)
SICK = Record("web.marathon.mesos.", "A", "10.0.0.3", 60, preferred=False)


def zone(*records: Record) -> Zone:
    made = Zone("mesos.", SOA, 60, ["10.0.0.9"])
    made.update((), records)
    return made


def test_the_apex_has_a_start_and_a_nameserver() -> None:
    assert zone().rrset("mesos.", "NS") == Rrset("mesos.", "NS", 60, ("ns1.mesos.",))
    start = zone().rrset("mesos.", "SOA")
    assert start is not None
    assert start.data == ("ns1.mesos. root.ns1.mesos. 1 60 600 86400 60",)
    assert zone().rrset("ns1.mesos.", "A") == Rrset("ns1.mesos.", "A", 60, ("10.0.0.9",))


def test_records_of_a_name_and_type_are_one_rrset() -> None:
    assert zone(TWO, ONE).rrset("web.marathon.mesos.", "A") == Rrset(
        "web.marathon.mesos.", "A", 60, ("10.0.0.1", "10.0.0.2")
    )


def test_names_are_counted_and_not_their_records() -> None:
    assert (zone().names, zone(ONE, TWO).names, len(zone(ONE, TWO))) == (1, 2, 3)


def test_an_unhealthy_instance_is_answered_only_when_no_healthy_one_is_left() -> None:
    both = zone(ONE, SICK)
    found = both.rrset(ONE.name, "A")
    assert found is not None
    assert found.data == ("10.0.0.1",)
    both.update([ONE], [])
    found = both.rrset(ONE.name, "A")
    assert found is not None
    assert found.data == ("10.0.0.3",)


def test_a_record_that_two_tasks_gave_stays_until_both_are_gone() -> None:
    shared = zone(ONE, ONE)
    shared.update([ONE], [])
    assert shared.rrset(ONE.name, "A")
    shared.update([ONE], [])
    assert shared.rrset(ONE.name, "A") is None
    assert not shared.has("marathon.mesos.")


def test_taking_out_what_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        zone().update([ONE], [])


def test_names_between_a_record_and_the_apex_are_there() -> None:
    found = zone(Record("_web._tcp.marathon.mesos.", "SRV", "0 1 80 x.mesos.", 60))
    assert found.has("_tcp.marathon.mesos.")
    assert found.has("marathon.mesos.")
    assert not found.has("nope.mesos.")


def test_a_change_tells_the_names_it_touched_and_raises_the_serial() -> None:
    made = zone(ONE)
    before = made.serial
    assert made.update([ONE], [TWO]) == {ONE.name, "mesos."}
    assert made.serial == before + 1
    assert made.update([], []) == set()
    assert made.serial == before + 1


def test_the_serial_wraps() -> None:
    made = Zone("mesos.", SOA, 60, serial=(1 << 32) - 1)
    made.update([], [ONE])
    assert made.serial == 0


def test_the_lowest_ttl_is_that_of_the_rrset() -> None:
    found = zone(ONE, Record(ONE.name, "A", "10.0.0.7", 5)).rrset(ONE.name, "A")
    assert found is not None
    assert found.ttl == 5


def test_a_name_belongs_to_the_longest_apex() -> None:
    outer, inner = Zone("mesos.", SOA, 60), Zone("dc2.mesos.", SOA, 60)
    zones = Zones(outer, inner)
    assert zones.of("web.mesos.") is outer
    assert zones.of("web.dc2.mesos.") is inner
    assert zones.of("dc2.mesos.") is inner
    assert zones.of("example.com.") is None
    assert zones.of(".") is None
    assert list(zones) == [outer, inner]


records = st.builds(
    Record,
    st.sampled_from(["a.mesos.", "b.a.mesos.", "c.b.a.mesos.", "d.mesos."]),
    st.sampled_from(["A", "AAAA"]),
    st.sampled_from(["10.0.0.1", "10.0.0.2"]),
    st.sampled_from([5, 60]),
    st.booleans(),
)


@given(st.lists(st.tuples(st.integers(0, 5), st.lists(records, max_size=3)), max_size=20))
def test_a_zone_kept_up_to_date_equals_one_made_from_nothing(
    steps: list[tuple[int, list[Record]]],
) -> None:
    kept, tasks = zone(), dict[int, list[Record]]()
    for task, new in steps:
        kept.update(tasks.get(task, []), new)
        tasks[task] = new
    fresh = zone(*(record for its in tasks.values() for record in its))
    assert [r for r in kept.rrsets() if r.type != "SOA"] == [
        r for r in fresh.rrsets() if r.type != "SOA"
    ]
    assert len(kept) == len(fresh)
    for name in ("a.mesos.", "b.a.mesos.", "c.b.a.mesos.", "d.mesos.", "x.mesos."):
        assert kept.has(name) == fresh.has(name)
        assert kept.types(name) == fresh.types(name)


def test_an_empty_zone_is_found_by_its_apex() -> None:
    empty = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60)
    mirror = Mirror("mesos.thisdcos.directory.", empty)
    zones = Zones(empty, mirrors=[mirror])
    assert len(empty) == 0
    assert zones.at("mesos.") is empty
    assert zones.at("mesos.thisdcos.directory.") is mirror


def test_a_mirror_has_the_same_records_with_the_names_in_them_renamed() -> None:
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60, ["10.0.0.9"])
    zones = Zones(zone, mirrors=[Mirror("mesos.thisdcos.directory.", zone)])
    service = Record("_web._tcp.mesos.", "SRV", "0 1 80 web-1.mesos.", 60)
    touched = zones.update((), [service, Record("other.", "A", "10.0.0.1", 60)])
    assert touched == {
        "mesos.": {"_web._tcp.mesos.", "mesos."},
        "mesos.thisdcos.directory.": {
            "_web._tcp.mesos.thisdcos.directory.",
            "mesos.thisdcos.directory.",
        },
    }
    mirror = zones.of("_web._tcp.mesos.thisdcos.directory.")
    assert isinstance(mirror, Mirror)
    found = mirror.rrset("_web._tcp.mesos.thisdcos.directory.", "SRV")
    assert found is not None
    assert found.data == ("0 1 80 web-1.mesos.thisdcos.directory.",)
    assert mirror.has("_tcp.mesos.thisdcos.directory.")
    assert mirror.types("mesos.thisdcos.directory.") == ["NS", "SOA"]
    assert mirror.soa.mname == "ns1.mesos.thisdcos.directory."
    zone.loaded = True
    assert mirror.loaded


def a(name: str, address: str, claim: str = "") -> Record:
    return Record(name, "A", address, 60, claim=claim)


def answered(*records: Record, name: str = "api.mesos.") -> tuple[str, ...]:
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60)
    zone.update((), records)
    found = zone.rrset(name, "A")
    assert bool(found) == (zone.types(name) == ["A"])
    return found.data if found else ()


def test_a_claimed_name_goes_to_the_first_by_name_and_never_from_its_owner() -> None:
    one, two = a("api.mesos.", "10.0.0.1", "b/api"), a("api.mesos.", "10.0.0.2", "a/api")
    assert answered(one, one) == ("10.0.0.1",)
    assert answered(one, two) == ("10.0.0.2",)
    assert answered(one, two, a("api.mesos.", "10.0.0.3")) == ("10.0.0.3",)
    assert answered(one, a("web.api.mesos.", "10.0.0.4")) == ()


def test_a_claimed_name_may_differ_when_a_name_below_it_comes_or_goes() -> None:
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60)
    below = a("x.y.api.mesos.", "10.0.0.4")
    zone.update((), [a("api.mesos.", "10.0.0.1", "b/api")])
    assert "api.mesos." in zone.update((), [below])
    assert zone.rrset("api.mesos.", "A") is None
    assert "api.mesos." in zone.update([below], ())
    assert zone.rrset("api.mesos.", "A") is not None

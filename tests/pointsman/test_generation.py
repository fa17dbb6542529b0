from pointsman.config import Config, DnsConfig
from pointsman.dns.answer import Counts
from pointsman.generation import Generation, zone
from pointsman.metrics import Metrics


def test_each_configuration_has_its_zones_and_goes_on_counting() -> None:
    counts = Counts(answered=7)
    made = Generation(Config(dns=DnsConfig(domain="dc1")), ["10.0.0.9"], None, Metrics(), counts)
    assert [z.apex for z in made.zones] == ["dc1.", "l4lb.thisdcos.directory."]
    assert not any(z.loaded for z in made.zones)
    assert made.responder.counts is counts


def test_a_zone_has_its_nameserver_inside() -> None:
    made = zone("mesos.", 60, ["10.0.0.9", "fd00::9"], 7)
    for type_, data in (("NS", "ns1.mesos."), ("A", "10.0.0.9"), ("AAAA", "fd00::9")):
        found = made.rrset("mesos." if type_ == "NS" else "ns1.mesos.", type_)
        assert found is not None
        assert found.data == (data,)

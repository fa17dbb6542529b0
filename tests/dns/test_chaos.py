import dns.message
import dns.rcode
import pytest

from pointlab.servers.paths import answering, served
from pointsman.dns.answer import Settings
from pointsman.dns.zone import Soa, Zone, Zones


def asked(path: str, name: str, type_: str, settings: Settings) -> dns.message.Message:
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60)
    query = dns.message.make_query(name, type_, "CH")
    with served(answering(path, Zones(zone), settings=settings), path) as server:
        data = server.udp(query.to_wire(), "10.0.0.1")
    assert isinstance(data, bytes)
    return dns.message.from_wire(data)


TOLD = Settings(nsid="node-7", version="Pointsman")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("id.server.", "node-7"),
        ("HOSTNAME.bind.", "node-7"),
        ("version.bind.", "Pointsman"),
        ("version.server.", "Pointsman"),
    ],
)
@pytest.mark.parametrize("type_", ["TXT", "ANY"])
def test_what_a_server_tells_of_itself(path: str, name: str, text: str, type_: str) -> None:
    answer = asked(path, name, type_, TOLD)
    assert str(answer.answer[0]) == f'{answer.question[0].name} 0 CH TXT "{text}"'


@pytest.mark.parametrize(
    ("name", "type_", "settings"),
    [
        ("version.bind.", "TXT", Settings()),
        ("id.server.", "TXT", Settings(version="x")),
        ("version.bind.", "A", TOLD),
        ("authors.bind.", "TXT", TOLD),
        ("web.mesos.", "A", TOLD),
    ],
)
def test_what_it_does_not_tell(path: str, name: str, type_: str, settings: Settings) -> None:
    answer = asked(path, name, type_, settings)
    assert answer.rcode() == dns.rcode.REFUSED
    assert not answer.answer

"""Packets that no well-behaved client sends, made with scapy, and what they deserve."""

import pytest
from scapy.layers.dns import DNS, DNSQR, DNSRR, DNSRROPT
from scapy.packet import Packet, Raw

from pointlab.servers.paths import answering, served
from pointsman.dns.records import Record
from pointsman.dns.zone import Soa, Zone, Zones

FORMERR, NOTIMP, REFUSED = 1, 4, 5
WEB = DNSQR(qname="web.mesos", qtype="A")


def said(path: str, packet: Packet | bytes) -> Packet | None:
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60)
    zone.update((), [Record("web.mesos.", "A", "10.0.0.1", 60)])
    zone.loaded = True
    with served(answering(path, Zones(zone)), path) as server:
        answer = server.udp(bytes(packet), "127.0.0.1")
    assert answer is None or isinstance(answer, bytes)
    return None if answer is None else DNS(answer)


@pytest.mark.parametrize(
    "packet",
    [
        DNS(id=7, qd=[WEB, WEB]),
        DNS(id=7, qd=[WEB], ancount=1),
        DNS(id=7, qd=[WEB], an=[DNSRR(rrname="web.mesos", rdata="10.6.6.6")]),
        DNS(id=7, qd=[WEB], ns=[DNSRR(rrname="mesos", rdata="10.6.6.6")]),
        DNS(id=7, qd=[WEB], tc=1),
        DNS(id=7, qd=[WEB], arcount=3),
        DNS(id=7, qd=[WEB], ar=[DNSRROPT(), DNSRROPT()]),
        DNS(id=7, qd=[WEB], ar=[DNSRROPT(rrname="web.mesos")]),
        DNS(id=7, qdcount=1, qd=[]) / Raw(b"\xc0\x0c\0\1\0\1"),  # a name that is itself
        DNS(id=7, qdcount=1, qd=[]) / Raw(b"\x05web"),
        DNS(id=7, qdcount=1, qd=[]) / Raw(b"\x3fa" * 5 + b"\0\0\1\0\1"),
        DNS(id=7, qdcount=1, qd=[]) / Raw((b"\x3f" + b"a" * 63) * 5 + b"\0\0\1\0\1"),
        DNS(id=7, qdcount=0, qd=[]),
    ],
)
def test_what_can_not_be_a_query_is_a_format_error(path: str, packet: Packet) -> None:
    answer = said(path, packet)
    assert answer is not None
    assert (answer.id, answer.qr, answer.rcode, answer.ancount) == (7, 1, FORMERR, 0)


def test_what_is_not_asked_of_a_server_like_this_is_refused_or_not_implemented(path: str) -> None:
    for opcode in (1, 2, 3, 4, 5, 6, 15):
        answer = said(path, DNS(id=7, opcode=opcode, qd=[WEB]))
        assert answer is not None
        assert (answer.rcode, answer.opcode) == (NOTIMP, opcode)
    for type_ in ("AXFR", "IXFR", 253, 254):
        answer = said(path, DNS(id=7, qd=[DNSQR(qname="mesos", qtype=type_)]))
        assert answer is not None
        assert answer.rcode == REFUSED


def test_an_answer_is_never_answered(path: str) -> None:
    # Else two servers could be set to answer each other for ever.
    assert said(path, DNS(id=7, qr=1, qd=[WEB])) is None
    assert said(path, DNS(id=7, qr=1, rcode=1)) is None


def test_flags_that_mean_nothing_in_a_query_are_passed_over(path: str) -> None:
    answer = said(path, DNS(id=7, qd=[WEB], aa=1, ra=1, z=1, ad=1, cd=1, rd=1))
    assert answer is not None
    assert (answer.rcode, answer.aa, answer.ra, answer.z, answer.rd) == (0, 1, 0, 0, 1)
    assert answer.an[0].rdata == "10.0.0.1"


def test_what_stands_behind_the_query_is_passed_over(path: str) -> None:
    answer = said(path, bytes(DNS(id=7, qd=[WEB])) + b"tail")
    assert answer is not None
    assert answer.an[0].rdata == "10.0.0.1"

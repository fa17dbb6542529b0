"""What a hostile upstream says: it is dropped, or given out as a message that can be read."""

from collections.abc import Callable, Iterator

import dns.flags
import dns.message
import dns.rrset

from pointsman.dns import message, reply, wire
from pointsman.dns.query import Query, read
from pointsman.dns.reply import STALE

ID = b"id"
QUESTION = wire.name("www.example.org.") + b"\0\1\0\1"
HEAD = ID + b"\x81\x80\0\1"
TEXTS = (
    "A 192.0.2.1",
    "AAAA 2001:db8::1",
    "NS ns.example.org.",
    "CNAME web.example.org.",
    "SOA ns.example.org. root.example.org. 1 2 3 4 5",
    "MX 10 mail.example.org.",
    'TXT "a" "b.c"',
    "SRV 0 1 80 web.example.org.",
    "RP a.example.org. b.example.org.",
    'NAPTR 100 50 "s" "http" "" _http._tcp.example.org.',
    "NSEC z.example.org. A AAAA",
    "RRSIG A 8 3 3600 20300101000000 20200101000000 1 example.org. AAAA",
    "HTTPS 1 web.example.org. alpn=h2",
)


def seeds() -> Iterator[bytes]:
    """Yield messages behind their questions: the counts of records, then these."""
    query = dns.message.make_query("www.example.org.", "A", use_edns=0)
    for at in range(len(TEXTS)):
        made = dns.message.make_response(query)
        sections = (made.answer, made.authority, made.additional)
        for number, section in enumerate(sections):
            for text in (TEXTS + TEXTS)[at + number : at + 3 * number + 2]:
                type_, data = text.split(" ", 1)
                owner = "www.example.org." if number else "web.example.org."
                section.append(dns.rrset.from_text(owner, 60, "IN", type_, data))
        whole = made.to_wire()
        yield whole[6:12] + whole[12 + len(QUESTION) :]


def begin() -> Callable[[bytes], None]:
    """Return a function that takes an upstream's message."""
    query = read(ID + b"\1\0\0\1\0\0\0\0\0\0" + QUESTION)
    assert isinstance(query, Query)
    query.opt = message.opt(1232)

    def take(data: bytes) -> None:
        data = data.ljust(6, b"\0")
        whole = HEAD + data[:6] + QUESTION + data[6:]
        assert reply.belongs(whole, ID, QUESTION)
        found = reply.read(whole)
        if found is None:
            return
        assert 0 <= found.lifetime <= reply.MOST_TTL
        if found.code not in (wire.ANSWERED, wire.NXDOMAIN):
            return
        for most, age in ((65_535, 0), (512, found.lifetime // 2), (65_535, STALE)):
            query.most = most
            out = found.answer(query, age)
            assert len(out) <= most
            again = reply.read(out)
            assert again is not None
            assert again.edns
            assert not reply.truncated(out) or most == 512
            assert again.lifetime <= max(found.lifetime, reply.STALE_TTL)

    return take

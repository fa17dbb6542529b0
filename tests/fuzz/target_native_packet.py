"""The native responder's packet path; what is wanted of it is in the file of C beside this."""

from collections.abc import Iterator

import dns.message
import target_query

NAMES = (
    "far.mesos.", "tcp.mesos.", "_web._tcp.mesos.", "_many._tcp.mesos.", "_far._udp.mesos.",
    "_gone._udp.mesos.", "_long._udp.mesos.", "ask.mesos.", "mesos.", "web.x.", "_web.x.", "a.b.x.",
    f"{'n' * 63}.mesos.",
)  # fmt: skip


def seeds() -> Iterator[bytes]:
    """Yield the messages of the whole server's seeds, and some about what these tables hold."""
    yield from target_query.seeds()
    for name in NAMES:
        for type_ in ("A", "NS", "SRV", "TXT"):
            for size in (512, 1232, 4096):
                query = dns.message.make_query(name, type_, use_edns=0, payload=size)
                yield query.to_wire()
            yield dns.message.make_query(name, type_, use_edns=False, want_dnssec=False).to_wire()

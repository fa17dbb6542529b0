"""The query log: off by default, one of so many queries when on."""

import logging
from collections.abc import Callable

from pointsman.dns import wire
from pointsman.dns.counts import SHOWN
from pointsman.dns.query import Answer, read

log = logging.getLogger("pointsman.query")
CODES = {
    wire.ANSWERED: "NOERROR",
    wire.FORMERR: "FORMERR",
    wire.SERVFAIL: "SERVFAIL",
    wire.NXDOMAIN: "NXDOMAIN",
    wire.NOTIMP: "NOTIMP",
    wire.REFUSED: "REFUSED",
}


def logged(
    answer: Callable[[bytes, str], Answer], one_of: int, transport: str
) -> Callable[[bytes, str], Answer]:
    """Return the same, that writes one of so many queries to the log."""
    seen = 0

    def answered(data: bytes, host: str) -> Answer:
        nonlocal seen
        found = answer(data, host)
        seen += 1
        if seen >= one_of:
            seen = 0
            log.info("%s", line(data, host, transport, found))
        return found

    return answered


def line(data: bytes, host: str, transport: str, answer: Answer) -> str:
    """Return one query and what became of it, as ``host udp web.marathon.mesos. A NOERROR 3``."""
    query = read(data, host) if len(data) >= 12 else wire.FORMERR
    if isinstance(query, int):
        asked = f"{len(data)} octets"
    else:
        shown = SHOWN.get(query.type, f"TYPE{query.type}")
        asked = f"{query.name.encode('unicode_escape').decode()} {shown}"
    if answer is None:
        became = "no answer"
    elif isinstance(answer, bytes):
        cut = " TC" if answer[2] & wire.TC >> 8 else ""
        became = f"{CODES.get(answer[3] & 0xF, '?')} {int.from_bytes(answer[6:8])}{cut}"
    else:
        became = "asked elsewhere"
    return f"{host} {transport} {asked} {became}"

"""HTTP/1.1 of probes (RFC 9112): requests as octets, responses from octets, and what they mean."""

import re
from collections.abc import Generator
from typing import TypeAlias, TypeVar
from urllib.parse import quote

import msgspec

from pointsman.healthcheck.model import Failed, Http, Outcome, Place, Result

MOST_HEAD = 16 * 1024
"""Octets of status lines and headers, interim responses included."""
MOST_BODY = 64 * 1024
"""Octets of a body that are kept; it is read no further."""
_MOST_CHUNK_LINE = 1024

_T = TypeVar("_T")
_Reading: TypeAlias = Generator[None, None, _T]
"""Yields where more octets are needed, so that it does not matter how they are cut."""

_Headers: TypeAlias = dict[bytes, list[bytes]]

_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_STATUS_LINE = re.compile(rb"HTTP/1\.\d ([1-9]\d\d)(?: .*)?", re.DOTALL)
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LENGTH = re.compile(rb"\d{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?", re.DOTALL)
_EMPTY = frozenset((204, 304))
"""Statuses whose responses have no body, as those below 200."""
_WITH_CONTENT = frozenset(("POST", "PUT", "PATCH"))
"""Methods whose requests say that they have none (RFC 9110, section 8.6)."""


def request(http: Http, place: Place) -> bytes:
    """Return the request; raises Failed when a part of it can't be sent."""
    headers = {
        "host": ("Host", http.host or str(place)),
        "user-agent": ("User-Agent", "pointsman"),
        "accept": ("Accept", "*/*"),
        "connection": ("Connection", "close"),
    }
    if http.method in _WITH_CONTENT:
        headers["content-length"] = ("Content-Length", "0")
    for name, _ in http.headers:
        headers.pop(name.lower(), None)
    target = quote(http.path, safe=_PRINTABLE, errors="replace")
    lines = [f"{http.method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in (*headers.values(), *http.headers)]
    for line in lines:
        if _CONTROL.search(line):
            raise Failed(Outcome.UNTRIED, f"can't be sent: {line!r}")
    return "\r\n".join((*lines, "", "")).encode(errors="replace")


class Response(msgspec.Struct, frozen=True, gc=False):
    """What has been answered."""

    status: int
    body: bytes = b""
    """Its first ``MOST_BODY`` octets; nothing unless they matter."""


class Reader:
    """Reads one response, and no further than matters to the probe."""

    def __init__(self, http: Http) -> None:
        self._octets = _Octets()
        self._response = _response(http, self._octets)
        next(self._response)

    def feed(self, data: bytes) -> Response | None:
        """Return the response as soon as it is whole; raises Failed when it is none.

        Empty data stand for the end of the connection, after which there is always one or the
        other.
        """
        self._octets.held += data
        self._octets.ended = not data
        try:
            next(self._response)
        except StopIteration as done:
            response: Response = done.value
            return response
        return None


class _Octets:
    """What has come and has not been read yet."""

    def __init__(self) -> None:
        self.held = bytearray()
        self.taken = 0
        self.ended = False

    def take(self, count: int) -> bytes:
        taken = bytes(self.held[:count])
        del self.held[:count]
        self.taken += len(taken)
        return taken


def _response(http: Http, octets: _Octets) -> _Reading[Response]:
    status, headers = 0, _Headers()
    while status < 200 and status != 101:  # 101 ends what is HTTP of a connection.
        yield from _protocol(octets)
        status, headers = yield from _head(octets)
    chunked, length = _framing(headers)
    matters = http.body and http.method != "HEAD" and expected(http, status)
    if not matters or status < 200 or status in _EMPTY:
        return Response(status)
    if chunked:
        return Response(status, (yield from _chunks(octets)))
    if length is not None:
        return Response(status, (yield from _exactly(octets, min(length, MOST_BODY))))
    while len(octets.held) < MOST_BODY and not octets.ended:
        yield
    return Response(status, octets.take(MOST_BODY))


def _protocol(octets: _Octets) -> _Reading[None]:
    """Look whether it is HTTP: what is not may never send a line's end."""
    start = b"HTTP/"
    while (begun := octets.held[: len(start)]) != start:
        if begun[:1] == b"\x15":  # an alert (RFC 8446, section 5.1)
            raise Failed(Outcome.BAD, "the answer is TLS")
        if not start.startswith(begun):
            raise Failed(Outcome.BAD, "the answer is not HTTP")
        if octets.ended and not begun:
            raise Failed(Outcome.BAD, "connection closed without an answer")
        yield from _more(octets)


def _head(octets: _Octets) -> _Reading[tuple[int, _Headers]]:
    line = yield from _head_line(octets)
    found = _STATUS_LINE.fullmatch(line)
    if not found:
        raise Failed(Outcome.BAD, "malformed status line")
    headers = _Headers()
    while line := (yield from _head_line(octets)):
        if line[:1] in b" \t":
            continue  # Goes on with the one before, which RFC 9112 lets nobody send any more.
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name):
            raise Failed(Outcome.BAD, "malformed header")
        headers.setdefault(name.lower(), []).append(value.strip(b" \t"))
    return int(found[1]), headers


def _head_line(octets: _Octets) -> _Reading[bytes]:
    return (yield from _line(octets, MOST_HEAD - octets.taken, "the headers are too long"))


def _framing(headers: _Headers) -> tuple[bool, int | None]:
    """Return whether the body comes in chunks, and its length if it is said."""
    if codings := headers.get(b"transfer-encoding"):
        return codings[-1].lower().rpartition(b",")[2].strip() == b"chunked", None
    said = {
        part.strip() for value in headers.get(b"content-length", ()) for part in value.split(b",")
    }
    if not said:
        return False, None
    length = said.pop()
    if said or not _LENGTH.fullmatch(length):
        raise Failed(Outcome.BAD, "malformed Content-Length")
    return False, int(length)


def _chunks(octets: _Octets) -> _Reading[bytes]:
    body = bytearray()
    while True:
        line = yield from _line(octets, _MOST_CHUNK_LINE, "malformed chunk")
        found = _CHUNK.fullmatch(line)
        if not found:
            raise Failed(Outcome.BAD, "malformed chunk")
        size = int(found[1], 16)
        body += yield from _exactly(octets, min(size, MOST_BODY - len(body)))
        if not size or len(body) == MOST_BODY:
            return bytes(body)
        if (yield from _line(octets, 2, "malformed chunk")):
            raise Failed(Outcome.BAD, "malformed chunk")


def _line(octets: _Octets, most: int, otherwise: str) -> _Reading[bytes]:
    """Read a line of so many octets at most, its end included."""
    while (end := octets.held.find(b"\n", 0, most)) < 0:
        if len(octets.held) >= most:
            raise Failed(Outcome.BAD, otherwise)
        yield from _more(octets)
    return octets.take(end + 1).removesuffix(b"\n").removesuffix(b"\r")


def _exactly(octets: _Octets, count: int) -> _Reading[bytes]:
    while len(octets.held) < count:
        yield from _more(octets)
    return octets.take(count)


def _more(octets: _Octets) -> _Reading[None]:
    if octets.ended:
        raise Failed(Outcome.BAD, "connection closed before the end of the answer")
    yield


def expected(http: Http, status: int) -> bool:
    """Tell whether a status is good."""
    return any(low <= status <= high for low, high in http.statuses)


def judged(http: Http, response: Response) -> Result:
    """Return the good result; raises Failed with what is not as expected."""
    if not expected(http, response.status):
        ranges = (f"{low}-{high}" if low < high else f"{low}" for low, high in http.statuses)
        raise Failed(Outcome.BAD, f"HTTP {response.status}, expected {', '.join(ranges)}")
    text = response.body.decode(errors="replace")
    if http.body and http.body not in text:
        raise Failed(Outcome.BAD, f"the body lacks {http.body!r}")
    return Result(Outcome.GOOD, f"HTTP {response.status}")

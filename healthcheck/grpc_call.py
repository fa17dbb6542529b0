"""A call of the gRPC health service as octets that come and go: HTTP/2 without a connection."""

from collections.abc import Iterable
from urllib.parse import unquote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import SettingCodes, Settings

from pointsman.healthcheck import grpc_health
from pointsman.healthcheck.model import Failed, Outcome, Result

MOST = 32_768
"""Octets that a call takes; a whole one is some hundred, and each small frame costs much."""

_SETTINGS_FRAME = b"\4"
"""The type of the first frame (RFC 9113 section 3.4)."""

_MOST_HEADERS = 16_384
_MOST_REASON = 200
_CONFIG = H2Configuration(client_side=True, header_encoding=None)
_SETTINGS = {
    SettingCodes.ENABLE_PUSH: 0,
    SettingCodes.MAX_CONCURRENT_STREAMS: 1,
    SettingCodes.MAX_HEADER_LIST_SIZE: _MOST_HEADERS,
}


class Call:
    """One call of ``Health/Check``: give it what comes, and send what it has to say."""

    def __init__(self, service: str, authority: str, scheme: str) -> None:
        self._left = MOST
        self._head = b""
        self._fields: dict[bytes, bytes] = {}
        self._body = bytearray()
        self._connection = H2Connection(_CONFIG)
        self._connection.local_settings = Settings(client=True, initial_values=_SETTINGS)
        self._connection.decoder.max_header_list_size = _MOST_HEADERS
        headers = [
            (":method", "POST"),
            (":scheme", scheme),
            (":path", grpc_health.PATH),
            (":authority", authority),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "pointsman"),
        ]
        try:
            self._connection.initiate_connection()
            self._connection.send_headers(1, headers)
            self._connection.send_data(1, grpc_health.request(service), end_stream=True)
        except Exception as error:
            raise Failed(Outcome.UNTRIED, f"no such call can be made: {error}") from error

    def sending(self) -> bytes:
        """Return what is to be sent now."""
        return self._connection.data_to_send()

    def receive(self, data: bytes) -> Result | None:
        """Take what has come, nothing for the end; return the result once it is there.

        Raises Failed.
        """
        if not data:
            raise Failed(Outcome.BAD, "connection closed before the answer was whole")
        self._head = (self._head + data[:4])[:4]
        if self._head[3:] not in (b"", _SETTINGS_FRAME):
            # What another protocol says would be the length of a frame to wait for.
            raise Failed(Outcome.BAD, "no HTTP/2")
        self._left -= len(data)
        if self._left < 0:
            raise Failed(Outcome.BAD, f"sends more than {MOST >> 10} KiB")
        try:
            events = self._connection.receive_data(data)
        except Exception as error:
            # Not all that hpack and hyperframe raise becomes an error of h2.
            raise Failed(Outcome.BAD, f"HTTP/2: {error}"[:_MOST_REASON]) from error
        for event in events:
            if self._ends(event):
                return self._result()
        return None

    def _ends(self, event: Event) -> bool:
        """Take note of an event; tell whether it is the last one."""
        match event:
            case ResponseReceived(headers=headers):
                self._note(headers)
                self._look()
            case TrailersReceived(headers=headers):
                self._note(headers)
            case DataReceived(data=data):
                self._body += data or b""
            case StreamReset(error_code=code):
                raise Failed(Outcome.BAD, f"stream reset: {_error(code)}")
            case ConnectionTerminated(error_code=code):
                raise Failed(Outcome.BAD, f"goes away: {_error(code)}")
            case StreamEnded():
                return True
        return False

    def _note(self, headers: Iterable[tuple[bytes | str, bytes | str]] | None) -> None:
        self._fields.update((_octets(name), _octets(value)) for name, value in headers or ())

    def _look(self) -> None:
        """Look whether this is gRPC at all."""
        code, kind = self._fields.get(b":status", b""), self._fields.get(b"content-type", b"")
        if code != b"200":
            raise Failed(Outcome.BAD, f"HTTP {_plain(code)}, expected gRPC")
        if not kind.startswith(b"application/grpc"):
            raise Failed(Outcome.BAD, f"{_plain(kind) or 'no content type'}, expected gRPC")

    def _result(self) -> Result:
        code = self._fields.get(b"grpc-status", b"")
        if code != b"0":
            said = _plain(self._fields.get(b"grpc-message", b""))
            raise Failed(Outcome.BAD, ": ".join(filter(None, (_code(code), said))))
        try:
            status = grpc_health.status(bytes(self._body))
        except ValueError as error:
            raise Failed(Outcome.BAD, f"the answer is damaged: {error}") from error
        if status != grpc_health.SERVING:
            raise Failed(Outcome.BAD, status)
        return Result(Outcome.GOOD, status)


def _octets(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _plain(value: bytes) -> str:
    """Return what people may read of a header, whose percent signs encode (PROTOCOL-HTTP2.md)."""
    text = unquote(value.decode(errors="replace"), errors="replace")[:_MOST_REASON]
    return "".join(char if char.isprintable() else "?" for char in text)


def _code(code: bytes) -> str:
    if not code:
        return "no gRPC status"
    number = int(code) if code.isdigit() and len(code) < 3 else len(grpc_health.CODES)
    name = grpc_health.CODES[number] if number < len(grpc_health.CODES) else ""
    return f"gRPC status {_plain(code)} {name}".rstrip()


def _error(code: ErrorCodes | int | None) -> str:
    return code.name if isinstance(code, ErrorCodes) else f"error {code}"

"""Reads RecordIO: a decimal length, a newline, that many bytes of JSON, and again."""

import http.client
import json
from collections.abc import Iterator
from typing import Any


def records(reply: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """Yield each record of a streaming answer, until it ends."""
    while True:
        length = b""
        while not length.endswith(b"\n"):
            byte = reply.read(1)
            if not byte:
                return
            length += byte
        body = b""
        while len(body) < int(length):
            more = reply.read(int(length) - len(body))
            if not more:
                return
            body += more
        yield json.loads(body)

"""Asks the Pointsman that runs here, over HTTP."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from pointsman.config import Config
from pointsman.discovery import text
from pointsman.discovery.errors import Fatal, Transient
from pointsman.event_stream import events

PATIENCE = 10.0
"""Seconds for an answer."""
SILENCE = 40.0
"""Seconds that a stream may be silent, which has a comment every fifteen."""
RETRY = 1.0
"""Seconds until a stream that ended is asked for again."""


def fetch(config: Config, path: str) -> dict[str, Any]:
    """Return what is answered to a path.

    Raises Fatal when the configuration gives no place to ask at, and Transient when nobody answers
    there, or something else.
    """
    with _Asked(config, path, PATIENCE) as reply:
        try:
            found: dict[str, Any] = json.loads(reply.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Transient(f"http://{config.http.listen}{path}: {error}") from error
    return found


def follow(
    config: Config,
    last: int,
    complain: Callable[[str], None],
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[dict[str, Any]]:
    """Yield the events after the one with this number as they come, over restarts; never ends.

    ``complain`` is told once why there are none for now. Raises Fatal as ``fetch`` does.
    """
    begin, silent = str(last), False
    while True:
        try:
            with _Asked(config, "/v1/watch", SILENCE, {"Last-Event-ID": begin}) as reply:
                silent = False
                for sent in events(line.decode() for line in reply):
                    begin = sent.id
                    yield json.loads(sent.data)
        except (OSError, http.client.HTTPException, ValueError, Transient) as error:
            if not silent:
                complain(str(error))
            silent = True
        wait(RETRY)


class _Asked:
    """A question, and its answer while it is read."""

    def __init__(
        self, config: Config, path: str, patience: float, headers: dict[str, str] | None = None
    ) -> None:
        if not config.http.listen:
            raise Fatal("http.listen is empty: there is nobody to ask")
        host, port = text.endpoint(config.http.listen)
        self._where = f"http://{config.http.listen}"
        self._path, self._headers = path, headers or {}
        self._connection = http.client.HTTPConnection(host, port, timeout=patience)

    def __enter__(self) -> http.client.HTTPResponse:
        try:
            self._connection.request("GET", self._path, headers=self._headers)
            reply = self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            problem = f"no Pointsman answers at {self._where}: {error}; is it running?"
            raise Transient(problem) from error
        if reply.status != 200:
            self._connection.close()
            raise Transient(f"{self._where}{self._path} answers {reply.status}")
        return reply

    def __exit__(self, *_: object) -> None:
        self._connection.close()

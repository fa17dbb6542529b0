"""Doubles of what Pointsman talks to, for tests: a master that says what it is told to."""

import http.server
import threading
from types import TracebackType
from typing import Self


class MasterDouble:
    """An HTTP server on a loopback address whose ``/state`` is ``body``."""

    def __init__(self, body: bytes, address: str = "127.0.0.1") -> None:
        self.body = body
        """Answered as it stands when asked."""
        self.status = 200
        self.asked = 0
        double = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                double.asked += 1
                self.send_response(double.status)
                self.send_header("Content-Length", str(len(double.body)))
                self.end_headers()
                self.wfile.write(double.body)

            def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - its name
                pass

        self._server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

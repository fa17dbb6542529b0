"""A small HTTP server, the lab's service: it says which task answered, and where.

usage: web.py ADDRESS PORT

``/sleep/SECONDS`` takes so long. Connections are kept for further requests, as HTTP/1.1 has it. On
SIGTERM it ends as a service should: it goes on answering, says with each answer that its connection
ends, and is gone once there have been none for a second.

The standard library's server takes a quarter of a second longer to start.
"""

import os
import signal
import socket
import sys
import threading
import time

QUIET = 1.0
"""Seconds without a connection after which nobody comes any more."""


class Server:
    """Answers every request alike."""

    def __init__(self, address: str, port: int) -> None:
        name = os.environ.get("TASK", "?")
        self._body = f"{name} on {address}:{port}\n".encode()
        self._ending = False
        self._open = 0
        self._last = 0.0
        self._lock = threading.Lock()
        self._socket = socket.create_server((address, port), backlog=512)

    def run(self) -> None:
        """Accept connections for ever."""
        while True:
            connection, _ = self._socket.accept()
            self._count(1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def end(self, *_: object) -> None:
        """End once nobody comes any more."""
        self._ending = True
        self._last = time.monotonic()
        threading.Thread(target=self._leave, daemon=True).start()

    def _leave(self) -> None:
        while self._open or time.monotonic() - self._last < QUIET:
            time.sleep(0.05)
        os._exit(0)

    def _count(self, change: int) -> None:
        with self._lock:
            self._open += change
            self._last = time.monotonic()

    def _serve(self, connection: socket.socket) -> None:
        """Answer the requests of a connection."""
        connection.settimeout(60)
        try:
            with connection:
                while head := _head(connection):
                    path = head.split(b" ", 2)[1]
                    if path.startswith(b"/sleep/"):
                        time.sleep(float(path[len(b"/sleep/") :]))
                    last = self._ending or b"\r\nconnection: close" in head.lower()
                    connection.sendall(self._answer(last))
                    if last:
                        return
        except (OSError, ValueError, IndexError):
            pass  # the client went away, or spoke nonsense: its concern
        finally:
            self._count(-1)

    def _answer(self, last: bool) -> bytes:
        fields = b"Content-Type: text/plain\r\nContent-Length: %d\r\n" % len(self._body)
        kept = b"Connection: close\r\n" if last else b""
        return b"HTTP/1.1 200 OK\r\n" + fields + kept + b"\r\n" + self._body


def _head(connection: socket.socket) -> bytes:
    """Read the head of a request; empty when the client asks no more."""
    request = b""
    while b"\r\n\r\n" not in request:
        more = connection.recv(65_536)
        if not more:
            return b""
        request += more
    return request


if __name__ == "__main__":
    server = Server(sys.argv[1], int(sys.argv[2]))
    signal.signal(signal.SIGTERM, server.end)
    server.run()

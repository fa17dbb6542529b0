"""A small HTTP server, the lab's service: it says which task answered, and where.

usage: web.py ADDRESS PORT

It listens on all addresses, of IPv4 and IPv6, where ADDRESS is ``::``.
``/sleep/SECONDS`` takes so long. Connections are kept for further requests, as HTTP/1.1 has it. On
SIGTERM it ends as a service should: it goes on answering, says with each answer that its connection
ends, and is gone once there have been none for some seconds, or after some more.

The standard library's server takes a quarter of a second longer to start.
"""

import os
import signal
import socket
import sys
import threading
import time

QUIET = 3.0
"""Seconds without a connection after which nobody comes any more."""
MOST = 20.0
"""Seconds after which it ends though somebody still comes, as health checks do."""


class Server:
    """Answers every request alike."""

    def __init__(self, address: str, port: int) -> None:
        self._name = os.environ.get("TASK", "?")
        self._ending = False
        self._open = 0
        self._last = 0.0
        self._lock = threading.Lock()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.create_server(
            (address, port), family=family, backlog=512, dualstack_ipv6=address == "::"
        )

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
        began = time.monotonic()
        while self._open or time.monotonic() < min(self._last + QUIET, began + MOST):
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
                asked = _where(connection)
                while head := _head(connection):
                    path = head.split(b" ", 2)[1]
                    if path.startswith(b"/sleep/"):
                        time.sleep(float(path[len(b"/sleep/") :]))
                    last = self._ending or _is_last(head.lower())
                    connection.sendall(self._answer(asked, last))
                    if last:
                        return
        except (OSError, ValueError, IndexError):
            pass  # the client went away, or spoke nonsense: its concern
        finally:
            self._count(-1)

    def _answer(self, asked: str, last: bool) -> bytes:
        body = f"{self._name} on {asked}\n".encode()
        fields = b"Content-Type: text/plain\r\nContent-Length: %d\r\n" % len(body)
        kept = b"Connection: close\r\n" if last else b""
        return b"HTTP/1.1 200 OK\r\n" + fields + kept + b"\r\n" + body


def _where(connection: socket.socket) -> str:
    """Return the address and port that were asked, which of several may be any."""
    address, port = connection.getsockname()[:2]
    address = address.removeprefix("::ffff:")
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _is_last(head: bytes) -> bool:
    """Tell whether a client waits for the connection's end: one of HTTP/1.0 does unless it says."""
    kept = b"\r\nconnection: keep-alive" in head
    return b"\r\nconnection: close" in head or (b" http/1.0\r\n" in head and not kept)


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

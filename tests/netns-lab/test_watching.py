import http.server
import socket
import threading
from collections.abc import Iterator

import pytest

from pointlab.site.process import wait_for
from pointlab.watch.recording import Recording, endpoint
from pointlab.watch.watching import LoadSpec, Watching


class Answering(http.server.BaseHTTPRequestHandler):
    """Says who it is."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"web.1")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as its base
        pass


class Server6(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


@pytest.fixture(params=["127.0.0.1", "::1"])
def host(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return where a web server listens."""
    kind = Server6 if ":" in request.param else http.server.ThreadingHTTPServer
    with kind((request.param, 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.server_address[1]
        yield f"[{request.param}]:{port}" if ":" in request.param else f"127.0.0.1:{port}"
        server.shutdown()
        thread.join()


def test_host_is_an_address_and_a_port() -> None:
    assert endpoint("11.0.0.1:80") == ("11.0.0.1", 80)
    assert endpoint("[fd01::1]:80") == ("fd01::1", 80)


@pytest.mark.parametrize("keep", [False, True])
def test_what_runs_is_recorded_while_it_runs_and_afterwards(host: str, keep: bool) -> None:
    load = LoadSpec("web from here", "", "client", "master", host, 200, keep)
    nowhere = "lab-nowhere", "127.0.0.1"
    watching = Watching("web", host, {"master": nowhere}, [load], "_web._tcp.mesos", "web.vip")

    def recording() -> Recording:
        return watching.recording("a run", "one master", (), (), ())

    watching.start()
    wait_for(lambda: len(recording().loads[0].requests) > 5, "requests")
    wait_for(lambda: all(view.spans for view in recording().views), "looks")
    watching.stop()

    found = recording()
    assert found.began < found.ended
    assert {r.server for r in found.loads[0].requests} == {"web.1"}
    assert not any(r.error for r in found.loads[0].requests)
    assert [(view.node, view.what) for view in found.views] == [
        ("master", "kernel"),
        ("master", "srv"),
        ("master", "vip"),
    ]
    assert {span.status for view in found.views for span in view.spans} == {"no host"}

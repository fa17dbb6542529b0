"""The whole program probes what it balances over on a real kernel: what each end comes to."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from pointlab.servers.daemon import Daemon, ipvsadm, state, task
from pointlab.site.process import wait_for
from pointsman.doubles import MasterDouble

VIP = ("11.225.36.193", 80)  # of web.marathon
PORT = 31000
TIMES = "interval=0.4 edge=0.1 timeout=0.3 fall=2 rise=2 grace=2"


class Web:
    """An HTTP server that does as it is told, and keeps what connections it has."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.reply: bytes | None = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        """None for no answer."""
        self.start()

    def start(self) -> None:
        self.socket = socket.create_server((self.address, PORT))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while connection.recv(1000):
                if self.reply is not None:
                    connection.sendall(self.reply)

    def close(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Box:
    """The program, a master that says that all runs well, and what is balanced over."""

    def __init__(self, opened: ExitStack, folder: Path) -> None:
        self.opened = opened
        self.folder = folder
        self.webs = [Web("127.0.0.11"), Web("127.0.0.12"), Web("127.0.0.13")]
        for web in self.webs:
            opened.callback(web.close)

    def start(self, vip: str = "", health: str = "") -> Daemon:
        labels = {"VIP_0": "/web:80", "VIP_0_HEALTHCHECK": f"http /health {TIMES}"}
        self.tasks = [
            task(f"web.{at}", web.address, PORT, labels=labels) for at, web in enumerate(self.webs)
        ]
        self.master = self.opened.enter_context(MasterDouble(state(*self.tasks)))
        daemon = Daemon(self.folder, self.master.address, vip, health=health)
        daemon.start()
        self.opened.callback(daemon.kill)
        return daemon


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with ExitStack() as opened:
        yield Box(opened, tmp_path)


def weights() -> dict[str, int]:
    """Return the weights of the real servers, by the last number of their addresses."""
    rows = (line.split() for line in ipvsadm() if line.startswith("-a"))
    return {row[4].split(":")[0].rpartition(".")[2]: int(row[7]) for row in rows}


ALL = {"11": 1, "12": 1, "13": 1}


def has(expected: dict[str, int]) -> None:
    wait_for(lambda: weights() == expected, f"weights {expected}")


def test_who_refuses_is_deleted_and_who_answers_badly_drains(box: Box) -> None:
    daemon = box.start("drain = 600.0")
    has(ALL)
    with socket.create_connection(VIP, 5) as kept:
        kept.settimeout(5)
        kept.sendall(b"x")
        assert kept.recv(100).startswith(b"HTTP/1.1 200")
        for web in box.webs[:2]:  # one of the others keeps the connection, or the third does
            web.reply = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
        wait_for(lambda: daemon.health()["web.1"] == "sick", "what is believed of them")
        wait_for(lambda: weights().get("13") == 1, "the third")
        wait_for(lambda: not any(weights().get(name) for name in ("11", "12")), "their weights")
        kept.sendall(b"x")
        assert kept.recv(100)  # what they had goes on
    shown = daemon.command("status")
    assert "HTTP 503, expected 200-399" in shown
    box.webs[2].close()
    wait_for(lambda: daemon.health()["web.2"] == "lost", "what is believed of the third")


def test_a_connection_to_one_that_refuses_is_reset_not_left_hanging(box: Box) -> None:
    box.webs[1:] = []
    daemon = box.start('drain = 600.0\nno_live = "refuse"')
    has({"11": 1})
    box.webs[0].close()
    has({})
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(VIP, 5)
    box.webs[0].start()
    has({"11": 1})
    assert daemon.health() == {"web.0": "up"}


def test_all_broken_at_once_are_all_used_and_come_back(box: Box) -> None:
    daemon = box.start()
    has(ALL)
    good = box.webs[0].reply
    for web in box.webs:
        web.reply = None
    wait_for(lambda: set(daemon.health().values()) == {"sick"}, "what is believed")
    assert weights() == ALL  # better a doubtful answer than surely none
    for web in box.webs:
        web.reply = good
    wait_for(lambda: set(daemon.health().values()) == {"up"}, "their recovery")
    has(ALL)


def test_what_is_down_stays_out_over_a_crash(box: Box) -> None:
    daemon = box.start()
    has(ALL)
    box.webs[0].close()
    has({"12": 1, "13": 1})
    wait_for(lambda: "127.0.0.11" in (box.folder / "state/health").read_text(), "the file")
    daemon.end(signal.SIGKILL)
    changes = box.folder / "log"
    changes.write_text("")
    daemon.start()
    wait_for(lambda: daemon.health()["web.1"] == "up", "what is believed")
    assert weights() == {"12": 1, "13": 1}
    assert "add tcp" not in changes.read_text()


def test_a_new_task_gets_connections_once_it_has_answered(box: Box) -> None:
    daemon = box.start()
    has(ALL)
    late = task("web.9", "127.0.0.19", PORT, labels={
        "VIP_0": "/web:80", "VIP_0_HEALTHCHECK": f"http /health {TIMES}",
    })  # fmt: skip
    box.master.body = state(*box.tasks, late)
    wait_for(lambda: daemon.health().get("web.9") in ("new", "lost"), "the new one")
    assert weights() == ALL
    box.webs.append(Web("127.0.0.19"))
    box.opened.callback(box.webs[-1].close)
    has({**ALL, "19": 1})


def test_what_nobody_asked_for_is_not_probed_unless_tcp_is_switched_on(box: Box) -> None:
    plain = [task("web.0", "127.0.0.11", PORT, labels={"VIP_0": "/web:80"})]
    master = box.opened.enter_context(MasterDouble(state(*plain)))
    daemon = Daemon(box.folder, master.address)
    daemon.start()
    box.opened.callback(daemon.kill)
    has({"11": 1})
    assert daemon.health() == {}
    text = daemon.config.read_text()
    daemon.config.write_text(text.replace("[health]", "[health]\ntcp = true\ninterval = 0.3"
                                          "\ntimeout = 0.3\nedge_interval = 0.1"))  # fmt: skip
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: daemon.health() == {"web.0": "up"}, "its probe")
    box.webs[0].close()
    wait_for(lambda: daemon.health() == {"web.0": "lost"}, "its end")
    assert weights() == {"11": 1}  # there is nobody else

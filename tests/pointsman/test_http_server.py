import asyncio
import json
import socket

import aiohttp
import pytest

from pointsman.config import Config
from pointsman.discovery.errors import Fatal
from pointsman.discovery.model import Note
from pointsman.dns.zone import Zones
from pointsman.healthcheck.model import Status, Target
from pointsman.healthcheck.state import State
from pointsman.http_server import HttpServer
from pointsman.metrics import Metrics
from pointsman.pipeline import Views
from pointsman.testing import AGENT, discovery, port, task
from pointsman.vip.addresses import Range
from pointsman.vip.backends import backends
from pointsman.vip.elect import Place
from pointsman.vip.parts import Look
from pointsman.vip.policy import Defaults
from pointsman.vip.wanted import begin, update

WEB = task(discovery=discovery("web", port(31000, VIP_0="/web:80", VIP_1="10.1.1.1:8080")))


class Served:
    views = Views(
        wanted=update(
            begin((Range("11.0.0.0", "11.0.0.255"),)),
            (), backends(WEB, AGENT, Defaults())[0], Place(), 0, 0,
        )
    )  # fmt: skip
    mode = "stream, leader 10.0.0.1:5050"
    complaints = ("no masquerading: install iptables",)
    notes = (Note("task x of y", "why"),)
    zones = Zones()
    config = Config()
    not_ready = "no master has been read yet"

    @property
    def health(self) -> tuple[dict[Target, Status], dict[Target, State]]:
        return {}, {}

    async def count(self) -> None:
        """Count nothing."""

    async def look(self) -> Look:
        """Return what a kernel would have that followed."""
        return Look(self.views.wanted.table, settings={"net.ipv4.vs.conntrack": "1"})


def get(served: Served, *paths: str) -> list[tuple[int, str, str]]:
    async def run() -> list[tuple[int, str, str]]:
        server = HttpServer(served, Metrics())
        with socket.create_server(("127.0.0.1", 0)) as probe:
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        await server.listen(address)
        try:
            async with aiohttp.ClientSession() as session:
                answers = []
                for path in paths:
                    method, _, path = path.rpartition(" ")
                    async with session.request(method or "GET", f"http://{address}{path}") as reply:
                        answers.append((reply.status, reply.content_type, await reply.text()))
                return answers
        finally:
            await server.listen("")

    return asyncio.run(run())


def test_health_and_readiness() -> None:
    served = Served()
    assert get(served, "/healthz", "/readyz") == [
        (200, "text/plain", "ok\n"),
        (503, "text/plain", "no master has been read yet\n"),
    ]
    served.not_ready = ""
    assert get(served, "/readyz") == [(200, "text/plain", "ready\n")]


def test_metrics_are_in_prometheus_text() -> None:
    ((status, kind, text),) = get(Served(), "/metrics")
    assert (status, kind) == (200, "text/plain")
    assert "# TYPE pointsman_tasks gauge" in text


def test_vips_are_told_as_dcos_net_told_them() -> None:
    ((status, kind, text),) = get(Served(), "/v1/vips")
    assert (status, kind) == (200, "application/json")
    backend = [{"ip": "10.0.0.11", "port": 31000, "weight": 1}]
    assert json.loads(text) == [
        {"vip": "10.1.1.1:8080", "ip": "10.1.1.1", "protocol": "tcp", "backend": backend},
        {
            "vip": "web.marathon.l4lb.thisdcos.directory:80",
            "ip": "11.0.0.199",
            "protocol": "tcp",
            "backend": backend,
        },
    ]


def test_what_was_left_out_is_told() -> None:
    ((_, _, text),) = get(Served(), "/v1/notes")
    assert json.loads(text) == [{"where": "task x of y", "why": "why"}]


def test_nothing_can_be_changed_and_nothing_else_is_there() -> None:
    assert [status for status, _, _ in get(Served(), "POST /v1/vips", "/nope")] == [405, 404]


def test_an_address_that_is_taken_is_explained_and_the_old_one_kept() -> None:
    async def run() -> None:
        server = HttpServer(Served(), Metrics())
        with (
            socket.create_server(("127.0.0.1", 0)) as holder,
            pytest.raises(Fatal, match="is taken"),
        ):
            await server.listen(f"127.0.0.1:{holder.getsockname()[1]}")

    asyncio.run(run())


def test_what_a_client_has_is_not_sent_again() -> None:
    async def run() -> None:
        server = HttpServer(Served(), Metrics())
        with socket.create_server(("127.0.0.1", 0)) as probe:
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        await server.listen(address)
        async with aiohttp.ClientSession() as session:
            for path in ("/v1/vips", "/v1/enumerate", "/v1/records"):
                async with session.get(f"http://{address}{path}") as first:
                    tag = first.headers["ETag"]
                known = {"If-None-Match": tag}
                async with session.get(f"http://{address}{path}", headers=known) as second:
                    assert (second.status, await second.read()) == (304, b"")
        await server.listen("")

    asyncio.run(run())


def test_the_paths_of_mesos_dns_answer() -> None:
    paths = ["/v1/version", "/v1/config", "/v1/hosts/nope.mesos", "/v1/services/_x._tcp.mesos"]
    for status, kind, body in get(Served(), *paths, "/v1/enumerate", "/v1/records"):
        assert (status, kind) == (200, "application/json")
        json.loads(body)
    ((status, _, _), (unready, _, _)) = get(Served(), "/v1/hosts/a.mesos/ports", "/v1/axfr")
    assert (status, unready) == (501, 503)


def test_the_status_tells_what_is_there_and_what_is_missing() -> None:
    ((status, kind, text),) = get(Served(), "/v1/status")
    assert (status, kind) == (200, "application/json")
    found = json.loads(text)
    assert found["ready"] is False
    assert found["not_ready"] == "no master has been read yet"
    assert found["complaints"] == ["no masquerading: install iptables"]
    assert found["settings"] == {"net.ipv4.vs.conntrack": "1"}
    named = found["virtual_servers"][-1]
    assert named["name"] == "web.marathon.l4lb.thisdcos.directory"
    (real,) = named["real_servers"]
    assert (real["state"], real["task_id"]) == ("live", "web.1")

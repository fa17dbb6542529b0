import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from pointsman.config import Config, HttpConfig
from pointsman.discovery.errors import Fatal
from pointsman.discovery.model import Note
from pointsman.dns.zone import Zones
from pointsman.events import Happening, Ring
from pointsman.healthcheck.model import TRUSTING, Status, Target
from pointsman.healthcheck.state import State
from pointsman.http_server import HttpServer
from pointsman.metrics import Metrics
from pointsman.pipeline import Views, derive
from pointsman.resolve import explain
from pointsman.rules import rules
from pointsman.testing import AGENT, cluster, discovery, port, task
from pointsman.vip.addresses import Range
from pointsman.vip.backends import backends
from pointsman.vip.elect import Place
from pointsman.vip.parts import Look, Report
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
    events = Ring()
    not_ready = "no master has been read yet"

    @property
    def health(self) -> tuple[dict[Target, Status], dict[Target, State]]:
        return {}, {}

    problems: tuple[str, ...] = ()
    repairs = Report()

    async def count(self) -> None:
        """Count nothing."""

    async def reload(self) -> tuple[str, ...]:
        """Read nothing."""
        return self.problems

    async def resync(self) -> Report:
        """Make nothing right."""
        return self.repairs

    async def look(self) -> Look:
        """Return what a kernel would have that followed."""
        return Look(self.views.wanted.table, settings={"net.ipv4.vs.conntrack": "1"})


@asynccontextmanager
async def serving(served: Served) -> AsyncIterator[str]:
    """Serve this; give the URL."""
    server = HttpServer(served, Metrics())
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    await server.listen(address)
    try:
        yield f"http://{address}"
    finally:
        await server.close()


def get(served: Served, *paths: str) -> list[tuple[int, str, str]]:
    async def run() -> list[tuple[int, str, str]]:
        async with serving(served) as url, aiohttp.ClientSession() as session:
            answers = []
            for path in paths:
                method, _, path = path.rpartition(" ")
                async with session.request(method or "GET", f"{url}{path}") as reply:
                    answers.append((reply.status, reply.content_type, await reply.text()))
            return answers

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
        async with serving(Served()) as url, aiohttp.ClientSession() as session:
            for path in ("/v1/vips", "/v1/enumerate", "/v1/records"):
                async with session.get(f"{url}{path}") as first:
                    tag = first.headers["ETag"]
                known = {"If-None-Match": tag}
                async with session.get(f"{url}{path}", headers=known) as second:
                    assert (second.status, await second.read()) == (304, b"")

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


def test_events_are_told_as_they_were_since_one_and_of_a_kind() -> None:
    served = Served()
    served.events = Ring(5)
    served.events.add([Happening("task", "web.1", "", "TASK_RUNNING"), Happening("node", "x")], 1.0)
    all_, later, tasks = get(
        served, "/v1/events", "/v1/events?since=5&limit=9", "/v1/events?kind=task"
    )
    assert json.loads(all_[2]) == {
        "events": [
            {"id": 5, "at": 1.0, "kind": "task", "what": "web.1", "before": "",
             "after": "TASK_RUNNING", "why": ""},
            {"id": 6, "at": 1.0, "kind": "node", "what": "x", "before": "", "after": "", "why": ""},
        ],
        "last": 6,
    }  # fmt: skip
    assert [e["id"] for e in json.loads(later[2])["events"]] == [6]
    assert [e["id"] for e in json.loads(tasks[2])["events"]] == [5]


def test_a_watcher_goes_on_after_the_last_event_that_it_had() -> None:
    async def run() -> None:
        served = Served()
        served.events = Ring()
        served.events.add([Happening("task", one) for one in "abc"], 1.0)
        async with serving(served) as url, aiohttp.ClientSession() as session:
            async with session.get(f"{url}/v1/watch", headers={"Last-Event-ID": "2"}) as reply:
                assert reply.content_type == "text/event-stream"
                said = [await reply.content.readline() for _ in range(3)]
            assert said == [b": what happens from here on\n", b"\n", b"id: 3\n"]
            for nonsense in ("x", "9" * 5000):
                asked = ("GET", "/v1/watch", {"Last-Event-ID": nonsense})
                ((status, told),) = await answers(url, asked)
                assert (status, told["parameter"]) == (400, "since")
            served.config = Config(http=HttpConfig(watchers=0))
            async with session.get(f"{url}/v1/watch") as reply:
                assert (reply.status, reply.headers["Retry-After"]) == (503, "5")

    asyncio.run(run())


def test_a_name_is_resolved_as_the_command_does() -> None:
    served = Served()
    found = cluster(WEB)
    served.views = derive(found, rules(Config()), health=TRUSTING)
    ((status, _, text),) = get(served, "/v1/resolve?name=WEB.marathon.mesos&type=a")
    said = msgspec.json.encode(explain("WEB.marathon.mesos", "A", found, Config()))
    assert (status, text) == (200, said.decode())
    assert json.loads(text)["answer"] == [
        {"name": "web.marathon.mesos.", "type": "A", "ttl": 60, "data": ["10.0.0.11"]}
    ]


def test_the_summary_has_it_all_at_a_glance() -> None:
    served = Served()
    served.views = derive(cluster(WEB), rules(Config()), health=TRUSTING)
    ((status, _, text),) = get(served, "/v1/summary")
    found = json.loads(text)
    assert status == 200
    assert found["node"] == os.uname().nodename
    assert {name: found[name] for name in found if name not in ("node", "version")} == {
        "ready": False, "not_ready": "no master has been read yet",
        "mode": "stream, leader 10.0.0.1:5050", "leader": "10.0.0.1:5050",
        "agents": 1, "frameworks": 1, "tasks": 1, "virtual_servers": 2, "real_servers": 2,
        "names": 0, "notes": 1, "complaints": ["no masquerading: install iptables"],
        "last_event": 0,
    }  # fmt: skip


def test_the_status_is_searched_and_told_in_parts() -> None:
    paths = [
        "search=WEB.marathon",
        "search=10.1.1",
        "search=web.1",
        "limit=1&offset=1",
        "search=n0",
    ]
    found = [json.loads(t) for _, _, t in get(Served(), *(f"/v1/status?{p}" for p in paths))]
    assert [(one["total"], len(one["virtual_servers"])) for one in found] == [
        (1, 1), (1, 1), (2, 2), (2, 1), (0, 0),
    ]  # fmt: skip
    assert found[0]["virtual_servers"][0]["name"] == "web.marathon.l4lb.thisdcos.directory"
    assert found[3]["virtual_servers"][0]["address"] == "11.0.0.199"


def test_a_parameter_that_is_of_no_use_is_named() -> None:
    for path in ("/v1/events?since=x", "/v1/status?since=1", "/v1/watch?since=-1"):
        ((status, kind, text),) = get(Served(), path)
        assert (status, kind) == (400, "application/problem+json")
        assert json.loads(text)["parameter"] == "since"


async def answers(url: str, *asked: tuple[str, str, dict[str, str]]) -> list[tuple[int, Any]]:
    """Return the status and the JSON that each of these requests is answered with."""
    found: list[tuple[int, Any]] = []
    async with aiohttp.ClientSession() as session:
        for method, path, headers in asked:
            async with session.request(method, f"{url}{path}", headers=headers) as reply:
                found.append((reply.status, await reply.json(content_type=None)))
    return found


def test_changes_need_a_token_and_without_one_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("0123456789abcdef")
    good, bad = ({"Authorization": f"Bearer {t}"} for t in ("0123456789abcdef", "another"))

    async def run() -> None:
        served = Served()
        async with serving(served) as url:
            ((status, told),) = await answers(url, ("POST", "/v1/reload", good))
            assert (status, told["detail"]) == (
                403,
                "http.token_file is not set, and so nothing can be changed over HTTP",
            )
            served.config = Config(http=HttpConfig(token_file=str(tmp_path / "token")))
            asked = [("POST", "/v1/reload", headers) for headers in ({}, bad, good)]
            assert [status for status, _ in await answers(url, *asked)] == [401, 401, 200]
            async with aiohttp.ClientSession() as session, session.post(f"{url}/v1/resync") as none:
                assert none.headers["WWW-Authenticate"] == 'Bearer realm="pointsman"'
            served.problems = ("http.listen: is taken",)
            served.repairs = Report(repaired=2, complaints=("no iptables",))
            reloaded, resynced = await answers(
                url, ("POST", "/v1/reload", good), ("POST", "/v1/resync", good)
            )
            assert reloaded == (409, {"problems": ["http.listen: is taken"]})
            assert resynced == (
                200,
                {"repaired": 2, "changes": [], "failures": [], "complaints": ["no iptables"]},
            )
            served.config = Config(http=HttpConfig(token_file=str(tmp_path / "gone")))
            ((status, told),) = await answers(url, ("POST", "/v1/reload", good))
            assert (status, told["detail"].split(": ")[0]) == (403, "http.token_file")

    asyncio.run(run())


def test_a_reload_that_moves_the_listener_is_answered_where_it_was_asked_for(
    tmp_path: Path,
) -> None:
    (tmp_path / "token").write_text("0123456789abcdef")

    async def run() -> None:
        class Moving(Served):
            config = Config(http=HttpConfig(token_file=str(tmp_path / "token")))

            async def reload(self) -> tuple[str, ...]:
                await server.listen("")
                return ()

        server = HttpServer(Moving(), Metrics())
        with socket.create_server(("127.0.0.1", 0)) as probe:
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        await server.listen(address)
        token = {"Authorization": "Bearer 0123456789abcdef"}
        assert await answers(f"http://{address}", ("POST", "/v1/reload", token)) == [
            (200, {"problems": []})
        ]
        await server.close()

    asyncio.run(run())


def test_a_page_of_others_can_not_ask_by_a_name_that_leads_here() -> None:
    async def run() -> None:
        served = Served()
        async with serving(served) as url:
            asked = ("GET", "/v1/config", {"Host": "evil.example:8123"})
            ((status, told),) = await answers(url, asked)
            assert status == 421
            assert "this is not evil.example:8123" in told["detail"]
            assert "http.hosts" in told["detail"]
            served.config = Config(http=HttpConfig(hosts=("evil.example",)))
            assert [status for status, _ in await answers(url, asked)] == [200]

    asyncio.run(run())


def test_a_body_is_refused_and_so_is_a_head_that_is_too_long() -> None:
    async def run() -> None:
        async with serving(Served()) as url, aiohttp.ClientSession() as session:
            async with session.get(f"{url}/v1/notes", data=b"x" * 100) as reply:
                told = await reply.json(content_type=None)
                assert (reply.status, told["detail"]) == (413, "no request here has a body")
            async with session.get(f"{url}/v1/notes", headers={"X": "x" * 9000}) as reply:
                assert reply.status == 400

    asyncio.run(run())


def test_browsers_keep_nothing_that_changes_and_take_it_for_nothing_else() -> None:
    async def run() -> None:
        async with serving(Served()) as url, aiohttp.ClientSession() as session:
            for path, kept in (
                ("/v1/status", "no-store"),
                ("/v1/vips", "no-cache"),
                ("/v1/watch", "no-store"),
                ("/nope", "no-store"),
            ):
                async with session.get(f"{url}{path}", headers={"Origin": "http://x"}) as reply:
                    assert reply.headers["Cache-Control"] == kept
                    assert reply.headers["X-Content-Type-Options"] == "nosniff"
                    assert not [h for h in reply.headers if h.startswith("Access-Control")]
            async with session.head(f"{url}/v1/watch") as reply:
                assert reply.status == 405

    asyncio.run(run())


def test_a_watcher_that_goes_gives_its_place_away() -> None:
    async def run() -> None:
        served = Served()
        served.config = Config(http=HttpConfig(watchers=1))
        async with serving(served) as url, aiohttp.ClientSession() as session:
            async with session.get(f"{url}/v1/watch") as first:
                await first.content.readline()
            async with asyncio.timeout(20):
                while True:
                    async with session.get(f"{url}/v1/watch") as second:
                        if second.status == 200:
                            break

    asyncio.run(run())

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from pointsman import announce
from pointsman.announce import Announcer, Bird, ExaBgp, Settings, Vips
from pointsman.cli import main
from pointsman.config import parse
from pointsman.discovery.errors import Fatal, Transient
from pointsman.doubles import serving
from pointsman.vip.announce import CLEAR, Attributes, Routes, bird

PATIENCE = 20.0
ONE, BOTH = frozenset({"11.0.0.1/32"}), frozenset({"11.0.0.1/32", "11.0.0.2/32"})


class Pointsman:
    """Says what it serves, as its HTTP side does."""

    def __init__(self) -> None:
        self.routes: Routes = ONE
        self.ready = True
        self.body = b""
        """In place of what it serves."""
        self.asked: list[tuple[str, int]] = []

    async def handle(self, request: web.Request) -> web.Response:
        reply = self._reply(request)
        self.asked.append((request.path, reply.status))
        return reply

    def _reply(self, request: web.Request) -> web.Response:
        if request.path == "/readyz":
            status = 200 if self.ready else 503
            return web.Response(text="ready\n" if self.ready else "no master yet\n", status=status)
        tag = str(hash(self.routes))
        if any(known.value == tag for known in request.if_none_match or ()):
            return web.Response(status=304)
        backend = [{"ip": "10.0.0.1", "port": 1, "weight": 1}]
        told = [{"ip": route.partition("/")[0], "backend": backend} for route in self.routes]
        body = self.body or json.dumps(told).encode()
        return web.Response(body=body, headers={"ETag": f'"{tag}"'})


class Shown:
    """Whom an announcer announces by, in a test; remembers each step."""

    def __init__(self) -> None:
        self.steps: list[Routes] = []
        self.why = ""

    async def show(self, found: Routes) -> None:
        if self.why:
            raise Transient(self.why)
        if self.steps[-1:] != [found]:
            self.steps.append(found)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


def followed(
    check: Callable[[Pointsman, Shown, list[float], Announcer], Coroutine[Any, Any, None]],
) -> tuple[Pointsman, Shown]:
    """Run a check beside an announcer; return who was asked and what was shown until its end."""
    pointsman, shown, now = Pointsman(), Shown(), [0.0]

    async def run() -> None:
        async with serving(pointsman.handle) as url, aiohttp.ClientSession() as session:
            settings = Settings(url, hold=60, interval=0.005)
            vips = Vips(session, settings)
            announcer = Announcer(vips, shown, settings, lambda: now[0])
            running = asyncio.create_task(announcer.run())
            try:
                await check(pointsman, shown, now, announcer)
            finally:
                announcer.ended.set()
                await running

    asyncio.run(run())
    return pointsman, shown


async def asked_again(pointsman: Pointsman, path: str = "/readyz") -> None:
    """Wait until it was asked twice more: what came before is then done with."""
    pointsman.asked.clear()
    await until(lambda: [p for p, _ in pointsman.asked].count(path) > 1)


def test_what_is_served_is_announced_and_withdrawn_at_the_end() -> None:
    async def check(pointsman: Pointsman, shown: Shown, *_: Any) -> None:
        await until(lambda: shown.steps == [ONE])
        pointsman.routes = BOTH
        await until(lambda: shown.steps == [ONE, BOTH])

    _, shown = followed(check)
    assert shown.steps == [ONE, BOTH, frozenset()]


def test_what_did_not_change_is_not_sent_again() -> None:
    async def check(pointsman: Pointsman, *_: Any) -> None:
        await until(lambda: ("/v1/vips", 304) in pointsman.asked)

    pointsman, _ = followed(check)
    assert pointsman.asked.count(("/v1/vips", 200)) == 1


@pytest.mark.parametrize("trouble", ["not ready", "not JSON", "no address"])
def test_what_is_announced_stands_for_a_while_without_pointsman(
    trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def check(pointsman: Pointsman, shown: Shown, now: list[float], _: Announcer) -> None:
        await until(lambda: shown.steps == [ONE])
        pointsman.ready = trouble != "not ready"
        if trouble != "not ready":
            pointsman.routes = BOTH
            pointsman.body = b"<html>" if trouble == "not JSON" else b'[{"backend": []}]'
        await asked_again(pointsman)
        now[0] = 59.0
        await asked_again(pointsman)
        assert shown.steps == [ONE]
        now[0] = 61.0
        await until(lambda: shown.steps == [ONE, frozenset()])
        pointsman.ready, pointsman.body = True, b""
        await until(lambda: shown.steps[2:] == [pointsman.routes])

    followed(check)
    complaints = [r.message.partition("; ")[2] for r in caplog.records if r.levelname == "WARNING"]
    assert complaints == ["what is announced stands", "everything is withdrawn"]


def test_a_start_beside_a_pointsman_that_is_not_ready_changes_nothing_yet() -> None:
    async def check(pointsman: Pointsman, shown: Shown, now: list[float], _: Announcer) -> None:
        pointsman.ready = False
        await asked_again(pointsman)
        shown.steps.clear()
        await asked_again(pointsman)
        assert shown.steps == []
        now[0] = 61.0
        await until(lambda: shown.steps == [frozenset()])

    followed(check)


def test_what_can_not_be_announced_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    async def check(pointsman: Pointsman, shown: Shown, *_: Any) -> None:
        await until(lambda: shown.steps == [ONE])
        shown.why, pointsman.routes = "BIRD is not there", BOTH
        await asked_again(pointsman)
        shown.why = ""
        await until(lambda: shown.steps == [ONE, BOTH])

    followed(check)
    assert [r.message for r in caplog.records if r.levelname == "WARNING"] == ["BIRD is not there"]


def test_nobody_there_is_transient() -> None:
    with pytest.raises(Transient, match=r"http://127\.0\.0\.1:1: "):
        asyncio.run(announce.once(Settings("http://127.0.0.1:1")))


def test_exabgp_is_told_more_than_a_pipe_holds() -> None:
    many = frozenset(f"11.0.{n >> 8}.{n & 255}/32" for n in range(5000))

    async def run() -> list[str]:
        out, into = os.pipe()
        with os.fdopen(out) as reader:
            try:
                telling = asyncio.create_task(ExaBgp(Attributes(), into).show(many))
                lines = await asyncio.to_thread(lambda: [next(reader) for _ in range(5001)])
                await telling
            finally:
                os.close(into)
        return lines

    lines = asyncio.run(run())
    assert lines[0] == f"{CLEAR}\n"
    assert len(set(lines)) == 5001


def test_bird_reads_its_file_after_a_change_alone(tmp_path: Path) -> None:
    path, told = tmp_path / "vips.conf", tmp_path / "told"
    reload = ["sh", "-c", f"wc -l < {path} >> {told}"]

    async def run() -> None:
        announcing = Bird(path, reload)
        announcing.begin()
        assert path.read_text() == bird(frozenset())
        for found in (frozenset[str](), frozenset[str](), ONE, ONE, BOTH):
            await announcing.show(found)
        assert path.read_text() == bird(BOTH)

    asyncio.run(run())
    # The first is for a change that BIRD may have missed.
    assert told.read_text().split() == ["7", "8", "9"]


def test_a_file_that_is_there_stands_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "vips.conf"
    path.write_text(bird(ONE))
    Bird(path, []).begin()
    assert path.read_text() == bird(ONE)


def test_a_reload_that_fails_is_run_again(tmp_path: Path) -> None:
    ready = tmp_path / "ready"

    async def run() -> None:
        announcing = Bird(tmp_path / "vips.conf", ["sh", "-c", f"echo so; rm {ready}"])
        with pytest.raises(Transient, match=r"exit code 1: so"):
            await announcing.show(ONE)
        ready.touch()
        await announcing.show(ONE)
        assert not ready.exists()
        await announcing.show(ONE)
        with pytest.raises(Transient, match="No such file"):
            await Bird(tmp_path / "vips.conf", ["/nowhere/birdc"]).show(ONE)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("127.0.0.1:8123", "http://127.0.0.1:8123"),
        ("0.0.0.0:8123", "http://127.0.0.1:8123"),
        ("[::]:8123", "http://[::1]:8123"),
        ("10.0.0.1:80", "http://10.0.0.1:80"),
    ],
)
def test_pointsman_is_asked_where_it_listens(listen: str, url: str) -> None:
    assert announce.address(configured(listen)) == url


def test_a_pointsman_without_http_can_not_be_followed() -> None:
    with pytest.raises(Fatal, match=r"http\.listen is empty"):
        announce.address(configured(""))


def configured(listen: str) -> Any:
    return parse(f'[discovery]\nmasters = ["10.0.0.1:5050"]\n[http]\nlisten = "{listen}"\n')


def command(folder: Path, url: str, *words: str) -> list[str]:
    path = folder / "pointsman.toml"
    listen = url.removeprefix("http://")
    path.write_text(f'[discovery]\nmasters = ["10.0.0.1:5050"]\n[http]\nlisten = "{listen}"\n')
    return [sys.executable, "-m", "pointsman", "announce", "--config", str(path), *words]


def test_the_command_prints_once(tmp_path: Path) -> None:
    pointsman = Pointsman()

    async def printed(*words: str) -> str:
        async with serving(pointsman.handle) as url:
            process = await asyncio.create_subprocess_exec(
                *command(tmp_path, url, "--once", *words), stdout=asyncio.subprocess.PIPE
            )
            said, _ = await process.communicate()
            assert process.returncode == 0
            return said.decode()

    assert asyncio.run(printed()) == "announce route 11.0.0.1/32 next-hop self\n"
    assert asyncio.run(printed("--ranges")) == "announce route 11.0.0.0/8 next-hop self\n"
    assert asyncio.run(printed("--format", "bird")) == bird(ONE)


def test_the_end_of_exabgp_is_that_of_the_command(tmp_path: Path) -> None:
    async def run() -> list[bytes]:
        async with serving(Pointsman().handle) as url:
            process = await asyncio.create_subprocess_exec(
                *command(tmp_path, url),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            assert process.stdin
            assert process.stdout
            lines = [await process.stdout.readline() for _ in range(2)]
            process.stdin.write(b"done\nerror\nshutdown 7 1\n")
            said, errors = await process.communicate()
            assert b"ExaBGP refused an instruction" in errors
            assert process.returncode == 0
            return [*lines, said]

    assert asyncio.run(run()) == [
        b"clear adj-rib out\n",
        b"announce route 11.0.0.1/32 next-hop self\n",
        b"withdraw route 11.0.0.1/32 next-hop self\n",
    ]


def test_a_file_for_bird_must_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["announce", "--format", "bird"]) == 2
    assert "name it by --output" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["0", "-1", "nan", "inf", "soon"])
def test_an_interval_is_above_0(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["announce", "--interval", word])
    assert "--interval" in capsys.readouterr().err

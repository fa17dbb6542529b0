"""The served OpenAPI document is true of the server: Schemathesis asks what it says, and otherwise.

What it makes up is the same at each run, and bounded.
"""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from immutables import Map
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import BaseSchema

from pointsman.config import Config, HttpConfig
from pointsman.dns.zone import Zones
from pointsman.endpoints import ENDPOINTS, Endpoint
from pointsman.events import Happening, Ring
from pointsman.generation import zones
from pointsman.healthcheck.asking import CheckRules
from pointsman.healthcheck.model import Health, Standing, Status, Target, Timing
from pointsman.healthcheck.state import State
from pointsman.http_server import HttpServer
from pointsman.metrics import Metrics
from pointsman.pipeline import derive
from pointsman.rules import rules
from pointsman.testing import cluster, discovery, port, task
from pointsman.vip.checks import Checks
from pointsman.vip.model import Activity
from pointsman.vip.parts import Look, Report

TOKEN = "0123456789abcdef"
WEB = discovery("web", port(31000, VIP_0="/web:80", VIP_1="10.1.1.1:8080"))


class Served:
    """A node with a VIP, a target that is sick, notes, and what happened."""

    not_ready = ""
    mode = "stream, leader 10.0.0.1:5050"
    complaints = ("no masquerading: install iptables",)

    def __init__(self, token_file: Path) -> None:
        self.config = Config(http=HttpConfig(token_file=str(token_file)))
        found = cluster(
            task(discovery=WEB),
            task("web.2", addresses=("10.0.0.12", "fd00::12"), discovery=WEB),
            task("bad.1", discovery=discovery("bad", port(1, VIP_0="nonsense"))),
        )
        checked = msgspec.structs.replace(
            rules(self.config), checks=Checks(CheckRules(Timing(), tcp=True))
        )
        self.views = derive(found, checked, health=Health(trusting=True))
        statuses = {t: Status(Standing.SICK, 1.0, "HTTP 503") for t in self.views.watched}
        self.statuses = Map(statuses)
        self.notes = self.views.notes
        self.zones: Zones = zones(self.config, ["10.0.0.9"], 1)
        self.zones.update((), self.views.added)
        self.events = Ring(5)
        self.events.add([Happening("task", "web.1", "", "TASK_RUNNING", "why")] * 9, 5.0)

    @property
    def health(self) -> tuple[Map[Target, Status], dict[Target, State]]:
        return self.statuses, {}

    async def count(self) -> None:
        """Count nothing."""

    async def look(self) -> Look:
        table = self.views.wanted.table
        return Look(
            table,
            {key: dict.fromkeys(table[key].real_servers, Activity(3)) for key in table},
            deadlines={(key, e): 1e9 for key in table for e in table[key].real_servers},
        )

    async def reload(self) -> tuple[str, ...]:
        return ("http.listen: is taken",)

    async def resync(self) -> Report:
        return Report(repaired=1, complaints=("x",))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    token = tmp_path_factory.mktemp("http") / "token"
    token.write_text(TOKEN)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    loop = asyncio.new_event_loop()
    server = HttpServer(Served(token), Metrics())
    loop.run_until_complete(server.listen(address))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield f"http://{address}"
    asyncio.run_coroutine_threadsafe(server.close(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(scope="module")
def document(url: str) -> BaseSchema:
    """Give what is served."""
    return schemathesis.openapi.from_url(f"{url}/v1/openapi.json")


bounded = settings(
    max_examples=25,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


ENDING = [e for e in ENDPOINTS if e.path != "/v1/watch"]
"""Those whose answers have an end."""
CASES = [(e, GenerationMode.POSITIVE) for e in ENDING] + [
    (e, GenerationMode.NEGATIVE) for e in ENDING if e.query and msgspec.structs.fields(e.query)
]


@pytest.mark.parametrize(
    ("endpoint", "mode"), CASES, ids=lambda one: getattr(one, "path", str(one))
)
def test_what_the_document_says_is_so(
    document: BaseSchema, endpoint: Endpoint, mode: GenerationMode
) -> None:
    operation = document[endpoint.path][endpoint.method]
    unlike: list[Any] = [not_a_server_error] if 501 in endpoint.others else []

    @bounded
    @given(operation.as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(
            headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20, excluded_checks=unlike
        )

    check()


GIVEN = {"{host}": "web.marathon.mesos", "{service}": "_web._tcp.marathon.mesos"}


@pytest.mark.parametrize(
    "endpoint",
    [e for e in ENDPOINTS if e.media == "application/json" and e.path != "/v1/openapi.json"],
    ids=lambda e: e.path,
)
def test_an_answer_has_all_that_is_declared_and_nothing_else(url: str, endpoint: Endpoint) -> None:
    path = endpoint.path
    for name, value in GIVEN.items():
        path = path.replace(name, value)
    query = "?name=web.marathon.mesos" if path == "/v1/resolve" else ""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    connection.request(
        endpoint.method, f"{path}{query}", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    said = connection.getresponse().read()
    connection.close()
    read = msgspec.json.decode(said, type=endpoint.answer)
    assert json.loads(msgspec.json.encode(read)) == json.loads(said)

"""The framework's control interface: JSON over HTTP; framework.py's head lists the requests."""

import contextlib
import http.server
import json
import os
import threading
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework import Framework

Json = dict[str, Any]


def control(framework: "Framework", health: Path) -> type[http.server.BaseHTTPRequestHandler]:
    """Return the handler of the control interface; ``health`` is where executors look."""

    class Control(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *words: Any) -> None:  # noqa: A002 - the base's name
            pass

        def do_GET(self) -> None:
            with framework.lock:
                answers: Json = {
                    "/tasks": framework.tasks,
                    "/apps": {
                        app: {
                            "instances": spec["instances"],
                            "tasks": framework.instances(app),
                            "discovery": spec.get("discovery", {}),
                        }
                        for app, spec in framework.apps.items()
                    },
                    "/framework": framework.describe(),
                    "/history": {"history": framework.history},
                }
                self._reply(answers.get(self.path))

        def do_POST(self) -> None:
            text = self._body()
            if self.path == "/tasks":
                specs = json.loads(text)
                framework.launch(specs if isinstance(specs, list) else [specs])
                self._reply({})
            elif self.path in ("/teardown", "/quit"):
                if self.path == "/teardown":
                    framework.teardown()
                self._reply({})
                threading.Timer(0.3, os._exit, (0,)).start()
            else:
                self._reply(None)

        def do_DELETE(self) -> None:
            one = urllib.parse.unquote(self.path.removeprefix("/tasks").lstrip("/"))
            framework.kill([one] if one else json.loads(self._body()))
            self._reply({})

        def do_PUT(self) -> None:
            text = self._body().strip()
            kind, _, rest = self.path.removeprefix("/").partition("/")
            if kind == "apps":
                framework.keep(urllib.parse.unquote(rest), json.loads(text))
                self._reply({})
            elif kind == "acknowledge":
                framework.acknowledge(json.loads(text))
                self._reply({})
            elif rest.endswith("/health"):
                _force(health / urllib.parse.unquote(rest.removesuffix("/health")), text)
                self._reply({})
            else:
                self._reply(None)

        def _body(self) -> str:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()

        def _reply(self, value: Json | None) -> None:
            data = json.dumps(value or {}, indent=1).encode() + b"\n"
            self.send_response(404 if value is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Control


def _force(file: Path, health: str) -> None:
    """Tell the executor what health to report: ``true``, ``false``, or ``null`` for the real."""
    if health == "null":
        with contextlib.suppress(FileNotFoundError):
            file.unlink()
    else:
        new = file.with_name(f"{file.name}.new")
        new.write_text(health)
        new.replace(file)

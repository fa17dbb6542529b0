"""What stands in deploy/ for Prometheus and Grafana is good, as promtool and the program say."""

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROMTOOL = ROOT / ".lab/prometheus/usr/bin/promtool"
ALERTS = ROOT / "deploy/alerts.yaml"
TESTS = ROOT / "tests/pointsman/alerts_test.yaml"
VARIABLES = {"$__rate_interval": "5m", "$instance": ".*", "$job": "pointsman"}
"""What Grafana puts in the place of its variables."""


def scraped(host: str) -> str:
    with urllib.request.urlopen(f"http://{host}:8123/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def promtool(*words: str | Path, said: str = "") -> None:
    done = subprocess.run(
        [PROMTOOL, *words], input=said, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr, done.stderr


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return list(group["rules"])


def queries() -> Iterator[str]:
    """Yield each query of the dashboard, as Prometheus gets it."""
    for panel in json.loads((ROOT / "deploy/grafana.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"]
            for variable, value in VARIABLES.items():
                query = query.replace(variable, value)
            yield query


def series(metrics: str) -> set[str]:
    """Return the names that the series of these metrics have."""
    found = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", metrics, re.MULTILINE):
        suffixes = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
        found |= {name + suffix for suffix in suffixes.get(kind, ("",))}
    return found


def test_metrics_are_as_prometheus_wants_them(served: str) -> None:
    promtool("check", "metrics", said=scraped(served))


def test_each_alert_comes_and_stays_away() -> None:
    promtool("check", "rules", ALERTS)
    promtool("test", "rules", TESTS)
    tested = {case["name"] for case in yaml.safe_load(TESTS.read_text())["tests"]}
    assert tested == {f"{a['alert']} {what}" for a in alerts() for what in ("fires", "quiet")}


def test_queries_of_the_dashboard_are_promql(tmp_path: Path) -> None:
    rules = [{"record": f"query:{n}", "expr": query} for n, query in enumerate(queries())]
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", file)


def test_alerts_and_dashboard_ask_for_metrics_that_there_are(served: str) -> None:
    metrics = scraped(served)
    asked = " ".join((*queries(), *(alert["expr"] for alert in alerts())))
    names = set(re.findall(r"pointsman_\w+", asked))
    assert names <= series(metrics)
    there = set(re.findall(r"^# TYPE (\S+)", metrics, re.MULTILINE))
    shown = {re.sub("_(bucket|sum|count)$", "", name) for name in names} | names
    assert there <= shown, "the dashboard shows every metric"


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    panels = json.loads((ROOT / "deploy/grafana.json").read_text())["panels"]
    for at in (panel["gridPos"] for panel in panels):
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken
        assert all(x < 24 for x, _ in cells)
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_each_alert_leads_to_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning", "info")
    page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    titles = re.findall(r"^## (.*)$", (ROOT / page).read_text(), re.MULTILINE)
    assert anchor in {re.sub("[^a-z0-9]+", "-", title.lower()).strip("-") for title in titles}

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from pointsman.config import Config, parse_whole
from pointsman.config_view import example, rows, text, toml
from pointsman.layers import keys

GOLDEN = Path(__file__).parents[2] / "deploy/pointsman.example.toml"


def test_the_example_that_is_shipped_is_the_one_that_is_printed() -> None:
    """`pointsman show config --example > deploy/pointsman.example.toml` makes it anew."""
    assert GOLDEN.read_text() == example()


def test_the_example_has_every_key_with_its_default() -> None:
    said = re.sub(r"(?m)^#(?! )", "", example())
    said = re.sub(r"(?m)^#? +(\".*)$", r"\1", said)
    assert msgspec.convert(tomllib.loads(said), Config) == Config()
    assert set(re.findall(r"(?m)^([a-z0-9_]+) = ", said)) == {
        key.name.rpartition(".")[2] for key in keys(Config())
    }


def test_the_example_as_it_stands_says_nothing_but_tables() -> None:
    def leaves(table: dict[str, object]) -> list[object]:
        return [x for v in table.values() for x in (leaves(v) if isinstance(v, dict) else [v])]

    assert leaves(tomllib.loads(example())) == []


def test_every_key_of_the_example_has_words() -> None:
    lines = example().splitlines()
    for before, line in pairwise(lines):
        if re.match(r"#[a-z]", line):
            assert before.startswith("# "), line


@pytest.mark.parametrize(
    "value",
    ["", 'a"b\\c\n\t\x7f', 1, 1.5, True, [], ["a", 2], {}, {"a": ["b"]}, {"a b": {"c": 1}}],
)
def test_values_are_written_as_toml(value: object) -> None:
    assert tomllib.loads(f"value = {toml(value)}")["value"] == value


def test_each_value_is_told_with_where_it_comes_from_and_no_secret_is() -> None:
    reading = parse_whole(
        '[discovery]\nzookeeper = "zk://me:hush@10.0.0.1:2181/mesos"', {"POINTSMAN_DNS__TTL": "9"}
    )
    found = {row["key"]: row for row in rows(reading)}
    assert found["dns.ttl"] == {
        "key": "dns.ttl",
        "value": 9,
        "from": "environment",
        "variable": "POINTSMAN_DNS__TTL",
    }
    assert found["discovery.zookeeper"]["value"] == "zk://***@10.0.0.1:2181/mesos"
    assert found["dns.domain"]["from"] == "default"
    assert "hush" not in text(list(found.values()))


def test_people_read_three_columns() -> None:
    row = {"key": "dns.ttl", "value": 9, "from": "file", "variable": "POINTSMAN_DNS__TTL"}
    assert text([row]) == "KEY      FROM  VALUE\ndns.ttl  file  9\n"

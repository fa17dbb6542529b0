from typing import Literal

import msgspec
import pytest

from pointsman.layers import Key, keys, laid, origins, overrides, unknown, variable


class Inner(msgspec.Struct, frozen=True):
    per_second: int = 5
    on: bool = False
    names: tuple[str, ...] = ("a",)
    by_name: dict[str, tuple[str, ...]] = {}
    how: Literal["open", "refuse"] = "open"


class Outer(msgspec.Struct, frozen=True):
    folder: str = "/x"
    rate_limit: Inner = Inner()


def test_keys_are_named_with_their_tables() -> None:
    assert [(key.name, key.value) for key in keys(Outer())] == [
        ("folder", "/x"),
        ("rate_limit.per_second", 5),
        ("rate_limit.on", False),
        ("rate_limit.names", ("a",)),
        ("rate_limit.by_name", {}),
        ("rate_limit.how", "open"),
    ]


def test_a_variable_is_called_after_its_key() -> None:
    assert variable("rate_limit.per_second") == "POINTSMAN_RATE_LIMIT__PER_SECOND"
    assert variable("folder") == "POINTSMAN_FOLDER"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("FOLDER", "[not] a = list", "[not] a = list"),
        ("RATE_LIMIT__PER_SECOND", "7", 7),
        ("RATE_LIMIT__ON", "true", True),
        ("RATE_LIMIT__ON", "0", False),
        ("RATE_LIMIT__NAMES", "b, c", ("b", "c")),
        ("RATE_LIMIT__NAMES", '["b,c"]', ["b,c"]),
        ("RATE_LIMIT__NAMES", "", ()),
        ("RATE_LIMIT__BY_NAME", '{ x = ["y"] }', {"x": ["y"]}),
    ],
)
def test_variables_have_the_types_of_their_keys(name: str, text: str, value: object) -> None:
    found, problems = overrides({f"POINTSMAN_{name}": text}, keys(Outer()))
    assert (list(found.values()), problems) == ([value], ())


def test_names_of_others_are_left_alone() -> None:
    environ = {"POINTSMAN_SERVICE_HOST": "10.0.0.1", "POINTSMAN_ADDRESS": "", "PATH": "/bin"}
    assert overrides(environ, keys(Outer())) == ({}, ())


def test_what_is_meant_for_us_and_unknown_is_told_with_the_nearest() -> None:
    _, problems = overrides({"POINTSMAN_RATELIMIT__PER_SECOND": "1"}, keys(Outer()))
    (problem,) = problems
    assert problem.startswith("POINTSMAN_RATELIMIT__PER_SECOND: unknown variable")
    assert problem.endswith("did you mean POINTSMAN_RATE_LIMIT__PER_SECOND?")


def test_unknown_keys_are_told_with_the_nearest_in_their_table() -> None:
    table = {"foldr": "", "rate_limit": {"off": True}}
    assert list(unknown(table, Outer())) == [
        'foldr: unknown key; did you mean "folder"?',
        "rate_limit.off: unknown key; there are per_second, on, names, by_name, how",
    ]


def test_other_values_are_laid_over_a_table_that_stays_as_it_is() -> None:
    table = {"rate_limit": {"per_second": 1, "on": True}}
    over = {"rate_limit.per_second": 2, "folder": "/y"}
    assert laid(table, over) == {"rate_limit": {"per_second": 2, "on": True}, "folder": "/y"}
    assert table["rate_limit"]["per_second"] == 1


def test_it_is_known_where_each_value_comes_from() -> None:
    known = [Key(name, int, 0) for name in ("a", "b", "t.c", "t.d")]
    assert origins({"a": 1, "t": {"c": 1}}, {"a": 2}, known) == {
        "a": "environment",
        "b": "default",
        "t.c": "file",
        "t.d": "default",
    }

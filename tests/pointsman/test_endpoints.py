import msgspec
import pytest

from pointsman.endpoints import (
    BadParameter,
    EventsQuery,
    NoQuery,
    ResolveQuery,
    StatusQuery,
    read,
)


def test_parameters_are_read_as_what_they_stand_for() -> None:
    found = read([("since", "5"), ("kind", "task")], EventsQuery)
    assert (found.since, found.limit, found.kind) == (5, 2000, "task")
    assert read([], EventsQuery).since is msgspec.UNSET
    assert read([("name", "web.mesos")], ResolveQuery).type == "ANY"


@pytest.mark.parametrize(
    ("kind", "given", "name", "why"),
    [
        (EventsQuery, [("since", "x")], "since", "Expected `int`, got `str`"),
        (EventsQuery, [("since", "-1")], "since", "Expected `int` >= 0"),
        (EventsQuery, [("limit", "0")], "limit", "Expected `int` >= 1"),
        (EventsQuery, [("kind", "nope")], "kind", "Invalid enum value 'nope'"),
        (EventsQuery, [("limit", "1"), ("limit", "2")], "limit", "is given twice"),
        (StatusQuery, [("serch", "x")], "serch", "the request contains unknown field `serch`"),
        (ResolveQuery, [], "name", "the request missing required field `name`"),
        (ResolveQuery, [("name", "")], "name", "Expected `str` of length >= 1"),
        (NoQuery, [("a", "1")], "a", "the request contains unknown field `a`"),
    ],
)
def test_a_value_that_is_of_no_use_is_named(
    kind: type[msgspec.Struct], given: list[tuple[str, str]], name: str, why: str
) -> None:
    with pytest.raises(BadParameter) as refused:
        read(given, kind)
    assert (refused.value.name, str(refused.value)) == (name, f"parameter {name}: {why}")

"""Where a value of the configuration comes from: the file, above it the environment.

A variable is called after its key: ``POINTSMAN_DNS__RATE_LIMIT__SLIP`` is ``dns.rate_limit.slip``.
Names without two underscores in a row may be anybody's (Kubernetes makes some up for each service),
so of those only the keys at the top count.
"""

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

Origin: TypeAlias = Literal["default", "file", "environment"]

PREFIX = "POINTSMAN_"
_BETWEEN = "__"


class Key(msgspec.Struct, frozen=True):
    """A key that is no table."""

    name: str
    """With those of the tables that it is in: ``dns.tcp.idle``."""
    type: Any
    value: Any
    """What it has in the configuration that was asked about."""


def keys(of: msgspec.Struct, prefix: str = "") -> Iterator[Key]:
    """Yield each key of a configuration with its value, in the order in which they are declared."""
    for field in msgspec.structs.fields(of):
        value = getattr(of, field.name)
        if isinstance(value, msgspec.Struct):
            yield from keys(value, f"{prefix}{field.name}.")
        else:
            yield Key(f"{prefix}{field.name}", field.type, value)


def variable(key: str) -> str:
    """Return the name of the environment variable that goes before a key of the file."""
    return PREFIX + key.replace(".", _BETWEEN).upper()


def unknown(table: Mapping[str, Any], of: msgspec.Struct, prefix: str = "") -> Iterator[str]:
    """Yield a line for each key that there isn't, with the nearest one that there is."""
    for key, value in table.items():
        if key not in of.__struct_fields__:
            near = difflib.get_close_matches(key, of.__struct_fields__, 1, 0.5)
            there = f"there are {', '.join(of.__struct_fields__)}"
            hint = f'did you mean "{near[0]}"?' if near else there
            yield f"{prefix}{key}: unknown key; {hint}"
        elif isinstance(value, dict) and isinstance(inner := getattr(of, key), msgspec.Struct):
            yield from unknown(value, inner, f"{prefix}{key}.")


def overrides(
    environ: Mapping[str, str], known: Iterable[Key]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the values that variables give, by key, and a line for each that can't be used."""
    there = {variable(key.name): key for key in known}
    found: dict[str, Any] = {}
    problems = []
    for name, text in sorted(environ.items()):
        key = there.get(name)
        if key is None:
            if name.startswith(PREFIX) and _BETWEEN in name:
                (near,) = difflib.get_close_matches(name, there, 1, 0.0)
                problems.append(f"{name}: unknown variable; did you mean {near}?")
            continue
        try:
            found[key.name] = _value(text, key)
        except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            problems.append(f"{name}: {error}")
    return found, tuple(problems)


def _value(text: str, key: Key) -> Any:
    """Read a variable: words as they are, lists with commas or as in TOML, tables as in TOML.

    Raises ValidationError and TOMLDecodeError.
    """
    if isinstance(key.value, str):
        return text
    if text[:1] in ("[", "{"):
        return tomllib.loads(f"value = {text}")["value"]
    said = [one.strip() for one in text.split(",") if one.strip()]
    return msgspec.convert(said if isinstance(key.value, tuple) else text, key.type, strict=False)


def laid(table: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with other values, by key, in the place of its own."""
    found = dict(table)
    for key, value in over.items():
        first, dot, rest = key.partition(".")
        if not dot:
            found[first] = value
        elif isinstance(inner := found.get(first, {}), dict):
            found[first] = laid(inner, {rest: value})
    return found


def origins(
    table: Mapping[str, Any], over: Mapping[str, Any], known: Iterable[Key]
) -> dict[str, Origin]:
    """Return where the value of each key comes from."""
    return {
        key.name: "environment"
        if key.name in over
        else "file"
        if _said(table, key.name)
        else "default"
        for key in known
    }


def _said(table: Any, key: str) -> bool:
    first, dot, rest = key.partition(".")
    if not isinstance(table, dict) or first not in table:
        return False
    return not dot or _said(table[first], rest)

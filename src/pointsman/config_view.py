"""The configuration for people: one commented example of all keys, and what counts here and why."""

import ast
import inspect
import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

import msgspec

from pointsman import terminal
from pointsman.config import Config, Reading
from pointsman.layers import Key, keys, variable
from pointsman.terminal import Cell

HIDDEN = "***"
_CREDENTIAL = re.compile(r"(?<=://)[^@/]*(?=@)")
_HEADER = re.compile(r"^(header=[^:]*:\s*).*", re.DOTALL)
_WIDTH = 98

_HEAD = """
Pointsman's configuration: every key there is, with its default behind a '#'. Only one of
discovery.masters, discovery.zookeeper and discovery.file must be said. A variable of the
environment goes before each: POINTSMAN_DNS__RATE_LIMIT__SLIP before dns.rate_limit.slip.
`pointsman check` says what is wrong, `pointsman show config` what counts and why.
"""


def example() -> str:
    """Return a configuration file of comments: each key with its default and what it means."""
    return "\n".join([*_comment(_HEAD), *_table(Config(), "")]) + "\n"


def rows(reading: Reading) -> list[dict[str, Any]]:
    """Return each key, what it has, where that comes from, and the variable that would change it.

    No secret is shown: the configuration itself may hold ZooKeeper's, and those of checks' headers.
    """
    return [
        {
            "key": key.name,
            "value": _shown(key),
            "from": reading.origins[key.name],
            "variable": variable(key.name),
        }
        for key in keys(reading.config)
    ]


def text(rows: list[dict[str, Any]], *, colours: bool = False) -> str:
    """Return such rows for people: what is not by default stands out."""
    head = [Cell("KEY", "heading"), Cell("FROM", "heading"), Cell("VALUE", "heading")]
    body = (
        [
            Cell(row["key"], "" if row["from"] == "default" else "heading"),
            Cell(row["from"], "faint" if row["from"] == "default" else "good"),
            Cell(toml(row["value"])),
        ]
        for row in rows
    )
    return "\n".join(terminal.table([head, *body], colours=colours)) + "\n"


def _shown(key: Key) -> Any:
    if key.name == "discovery.zookeeper":
        return _CREDENTIAL.sub(HIDDEN, key.value)
    value = msgspec.to_builtins(key.value)
    return _without_headers(value) if key.name.startswith("health.") else value


def _without_headers(value: Any) -> Any:
    """Return a value without what the headers of the checks in it say."""
    if isinstance(value, Mapping):
        return {name: _without_headers(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_headers(inner) for inner in value]
    if not isinstance(value, str) or "header=" not in value:
        return value
    return shlex.join(_HEADER.sub(rf"\1{HIDDEN}", word) for word in shlex.split(value))


def toml(value: Any) -> str:
    """Return a value as it stands in TOML."""
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_bare(name)} = {toml(inner)}" for name, inner in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    # Strings, numbers and truth look alike in both, but for DEL.
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")


def _bare(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else toml(name)


def _table(of: msgspec.Struct, prefix: str) -> Iterator[str]:
    """Yield the lines of a table: its own keys, then the tables in it."""
    told = _docstrings(type(of))
    inner = {}
    for field in msgspec.structs.fields(of):
        value = getattr(of, field.name)
        if isinstance(value, msgspec.Struct):
            inner[field.name] = value
            continue
        yield ""
        yield from _comment(told[field.name] + _choices(field.type))
        yield from _default(field.name, value)
    for name, value in inner.items():
        yield ""
        yield ""
        yield from _comment(inspect.getdoc(type(value)) or "")
        yield f"[{prefix}{name}]"
        yield from _table(value, f"{prefix}{name}.")


def _default(name: str, value: Any) -> Iterator[str]:
    line = f"#{name} = {toml(value)}"
    if len(line) <= _WIDTH:
        yield line
        return
    yield f"#{name} = ["
    yield from textwrap.wrap(
        ", ".join(map(toml, value)), _WIDTH, initial_indent="#  ", subsequent_indent="#  "
    )
    yield "#]"


def _choices(type_: Any) -> str:
    """Return a sentence with the words that a key takes, if they are few."""
    words = get_args(type_) if get_origin(type_) is Literal else ()
    return f" One of {', '.join(f'`{word}`' for word in words)}." if words else ""


def _comment(text: str) -> list[str]:
    plain = " ".join(text.replace("``", "`").split())
    return textwrap.wrap(
        plain, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )


def _docstrings(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return what stands below each field of a struct; each has something, as tests see to."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = text
    return found

"""Cuts a large state into documents that are decoded in a millisecond each.

Decoding holds the interpreter's lock, and with it the loop that answers DNS: 100,000 tasks at once
would hold it for a sixth of a second. The pieces have the form of the whole, and together its
content, as far as it is used.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Raw

from pointsman.discovery.errors import Transient

MOST = 1 << 20
"""Bytes of a piece, at most; a single member may be larger."""

EMPTY: dict[str, Any] = {"get_tasks": {}, "get_frameworks": {}, "get_agents": {}}
"""What a state of the operator API has at least."""

_Members = dict[str, Raw]

_members = msgspec.json.Decoder(_Members)
_list = msgspec.json.Decoder(list[Raw])
_encode = msgspec.json.encode


def cut(document: bytes, most: int = MOST) -> Iterator[bytes]:
    """Yield the pieces of a ``/state``, a ``GET_STATE`` or the first record of a stream.

    Raises Transient when the document is cut short or is none of these.
    """
    try:
        whole = _members.decode(document)
        if "get_state" in whole:
            yield from _cut_v1(_members.decode(whole["get_state"]), most, _reply)
        elif "subscribed" in whole:
            subscribed = _members.decode(whole["subscribed"])
            state = _members.decode(subscribed.pop("get_state"))

            def first(rest: Any) -> Any:
                return {"type": "SUBSCRIBED", "subscribed": {**subscribed, "get_state": rest}}

            yield from _cut_v1(state, most, first)
        else:
            yield from _cut_v0(whole, most)
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError) as error:
        raise Transient(f"the state of {len(document)} bytes can't be read: {error}") from error


def _reply(state: Any) -> Any:
    return {"type": "GET_STATE", "get_state": state}


def _cut_v0(whole: _Members, most: int) -> Iterator[bytes]:
    frameworks = []
    for framework in map(_members.decode, _list.decode(whole.get("frameworks", b"[]"))):
        for tasks in _bundles(framework.pop("tasks", None), most):
            yield _encode({"tasks": tasks})
        frameworks.append(_without(framework, "completed_tasks", "unreachable_tasks"))
    for slaves in _bundles(whole.pop("slaves", None), most):
        yield _encode({"slaves": slaves})
    rest = _without(whole, "completed_frameworks", "orphan_tasks")
    yield _encode({**rest, "frameworks": frameworks})


def _cut_v1(state: _Members, most: int, wrapped: Callable[[Any], Any]) -> Iterator[bytes]:
    """Yield first what is left over, wrapped: a stream's first piece has its interval."""
    rest: dict[str, _Members] = {}
    large = {"get_tasks": "tasks", "get_agents": "agents"}
    lists = {}
    for name, members in state.items():
        if name != "get_executors":
            rest[name] = _without(_members.decode(members), "completed_tasks", "unreachable_tasks")
            rest[name] = _without(rest[name], "completed_frameworks")
            if name in large:
                lists[name] = rest[name].pop(large[name], None)
    yield _encode(wrapped(rest))
    for name, listed in lists.items():
        for bundle in _bundles(listed, most):
            yield _encode(_reply({**EMPTY, name: {large[name]: bundle}}))


def _without(members: _Members, *names: str) -> _Members:
    return {name: value for name, value in members.items() if name not in names}


def _bundles(listed: Raw | None, most: int) -> Iterator[list[Raw]]:
    bundle: list[Raw] = []
    size = 0
    for member in _list.decode(listed) if listed is not None else ():
        if bundle and size + len(member) > most:
            yield bundle
            bundle, size = [], 0
        bundle.append(member)
        size += len(member)
    if bundle:
        yield bundle

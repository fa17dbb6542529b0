"""The OpenAPI document (3.1) of what is declared, so that it says nothing else."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from pointsman import __version__
from pointsman.answers import PROBLEM, Problem
from pointsman.endpoints import Endpoint

Json = dict[str, Any]
REF = "#/components/schemas/{name}"


def document(endpoints: Iterable[Endpoint]) -> Json:
    """Return the document."""
    endpoints = tuple(endpoints)
    types = [Problem, *(type_ for endpoint in endpoints for type_ in _types(endpoint))]
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    found = {id(type_): schema for type_, schema in zip(types, schemas, strict=True)}
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, found)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pointsman",
            "version": __version__,
            "description": "What a node of Pointsman serves, and what happens there.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "That of `http.token_file`.",
                }
            },
        },
    }


def _types(endpoint: Endpoint) -> Iterator[Any]:
    yield endpoint.answer
    yield from (type_ for _, _, type_ in endpoint.others.values())


def _operation(endpoint: Endpoint, schemas: dict[int, Json]) -> Json:
    answers = {200: (endpoint.about, endpoint.media, endpoint.answer), **endpoint.others}
    if endpoint.query:
        answers[400] = ("A parameter is of no use.", PROBLEM, Problem)
    responses: Json = {
        str(status): _response(about, media, schemas[id(type_)])
        for status, (about, media, type_) in sorted(answers.items())
    }
    responses["default"] = _response("Why not.", PROBLEM, schemas[id(Problem)])
    security: Json = {"security": [{"token": []}]} if endpoint.method == "POST" else {}
    words = re.findall(r"[a-z]+", endpoint.path.removeprefix("/v1").replace("{", "by_"))
    return {
        "operationId": "_".join([endpoint.method.lower(), *words]),
        "summary": endpoint.about,
        "parameters": [*_in_path(endpoint), *_in_query(endpoint)],
        "responses": responses,
        **security,
    }


def _response(about: str, media: str, schema: Json) -> Json:
    return {"description": about, "content": {media: {"schema": schema}}}


def _in_path(endpoint: Endpoint) -> Iterator[Json]:
    for name in re.findall(r"\{(\w+)\}", endpoint.path):
        text = {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "schema": text}


def _in_query(endpoint: Endpoint) -> Iterator[Json]:
    if endpoint.query is None:
        return
    (_,), components = msgspec.json.schema_components([endpoint.query], ref_template=REF)
    declared = components[endpoint.query.__name__]
    for name, schema in declared["properties"].items():
        required = name in declared.get("required", ())
        yield {"name": name, "in": "query", "required": required, "schema": schema}

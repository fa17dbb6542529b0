"""The document says what is declared, and is one that OpenAPI's tools read."""

import re
from typing import Any

from pointsman.endpoints import ENDPOINTS
from pointsman.openapi import document

DOCUMENT = document(ENDPOINTS)


def test_each_endpoint_is_there_with_its_parameters_answers_and_errors() -> None:
    events = DOCUMENT["paths"]["/v1/events"]["get"]
    assert [(p["name"], p["in"], p["required"]) for p in events["parameters"]] == [
        ("since", "query", False),
        ("limit", "query", False),
        ("kind", "query", False),
    ]
    limit = events["parameters"][1]["schema"]
    assert (limit["type"], limit["minimum"], limit["maximum"]) == ("integer", 1, 2000)
    assert events["responses"]["200"]["content"] == {
        "application/json": {"schema": {"$ref": "#/components/schemas/Page"}}
    }
    assert set(events["responses"]) == {"200", "400", "default"}
    (host,) = DOCUMENT["paths"]["/v1/hosts/{host}"]["get"]["parameters"]
    assert (host["name"], host["in"], host["required"]) == ("host", "path", True)


def test_changes_need_the_token() -> None:
    reload = DOCUMENT["paths"]["/v1/reload"]["post"]
    assert reload["security"] == [{"token": []}]
    assert {"401", "403", "409"} <= set(reload["responses"])
    assert "security" not in DOCUMENT["paths"]["/v1/events"]["get"]


def test_each_operation_has_a_name_of_its_own() -> None:
    names = [o["operationId"] for path in DOCUMENT["paths"].values() for o in path.values()]
    assert len({*names}) == len(names) == len(ENDPOINTS)


def test_every_schema_that_is_named_is_there() -> None:
    found = set(re.findall(r"'\$ref': '#/components/schemas/([^']+)'", str(DOCUMENT)))
    schemas: dict[str, Any] = DOCUMENT["components"]["schemas"]
    assert found == schemas.keys()

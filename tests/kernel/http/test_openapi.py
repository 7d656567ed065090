"""The document: everything served is described, and described as it is served."""

import re
from typing import Any

import httpx
import jsonschema_rs
import msgspec
import pytest

from keepwell.kernel.http import Pages
from tests.kernel.http.conftest import ENDPOINTS


def resolved(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """What a reference refers to; anything else is itself."""
    place: Any = part
    if "$ref" in part:
        place = document
        for step in part["$ref"].removeprefix("#/").split("/"):
            place = place[step]
    return place


def test_each_mounted_route_is_in_the_document(pages: Pages):
    described = {(method.upper(), path) for path, methods in pages.document["paths"].items() for method in methods}
    assert described == {(endpoint.method, endpoint.path) for endpoint in pages.endpoints}
    assert len(pages.endpoints) == len(ENDPOINTS) + 5


def test_bodies_that_refuse_unknown_fields_are_closed(pages: Pages):
    schemas = pages.document["components"]["schemas"]
    assert schemas["Thing"]["additionalProperties"] is False
    assert schemas["Part"]["additionalProperties"] is False
    assert schemas["Problem"].get("additionalProperties", True) is True


def test_every_status_of_a_guarded_write_is_declared(pages: Pages):
    operation = pages.document["paths"]["/v1/things/{id}"]["put"]
    expected = {
        "201",
        "400",
        "401",
        "403",
        "404",
        "408",
        "409",
        "410",
        "412",
        "413",
        "415",
        "422",
        "428",
        "429",
        "431",
        "500",
        "503",
    }
    assert set(operation["responses"]) == expected
    assert "teapot" in resolved(pages.document, operation["responses"]["409"])["description"]
    parameters = {one["name"]: one for one in operation["parameters"]}
    assert parameters["If-Match"]["required"] is True
    assert parameters["id"]["schema"]["format"] == "uuid"
    assert "Idempotency-Key" in parameters


def test_reads_declare_what_they_take(pages: Pages):
    operation = pages.document["paths"]["/v1/things/{id}"]["get"]
    parameters = {one["name"]: one for one in operation["parameters"]}
    assert parameters["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
    assert parameters["cursor"]["schema"] == {"type": "string"}
    assert "304" in operation["responses"]
    assert "Idempotency-Key" not in parameters


def test_public_routes_need_no_credentials(pages: Pages):
    paths = pages.document["paths"]
    assert paths["/v1/auth/login"]["post"]["security"] == []
    assert "401" not in paths["/v1/auth/login"]["post"]["responses"]
    assert "security" not in paths["/v1/things"]["post"]


def test_operation_ids_are_unique(pages: Pages):
    ids = [operation["operationId"] for methods in pages.document["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))


def test_every_reference_resolves(pages: Pages):
    text = msgspec.json.encode(pages.document).decode()
    for reference in set(re.findall(r'"\$ref":"([^"]+)"', text)):
        place: Any = pages.document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_an_operation_shows_what_to_send_and_what_comes_back(pages: Pages):
    operation = pages.document["paths"]["/v1/things/{id}"]["put"]
    body = operation["requestBody"]["content"]["application/json"]["examples"]["usual"]
    answer = operation["responses"]["201"]["content"]["application/json"]["examples"]["usual"]
    assert resolved(pages.document, body)["value"]["parts"] == [{"count": 2, "kind": "a"}]
    assert resolved(pages.document, answer)["value"]["text"] == "a <b>thing</b>"


def test_what_is_the_same_is_said_once(pages: Pages):
    paths = pages.document["paths"]
    one, other = paths["/v1/things/{id}"]["put"], paths["/v1/things"]["post"]
    for status in ("403", "413"):
        assert one["responses"][status] == other["responses"][status]
    assert one["responses"]["409"] != other["responses"]["409"]
    assert one["requestBody"]["content"] == other["requestBody"]["content"]


def test_each_problem_has_an_example_that_is_what_the_door_would_answer(pages: Pages):
    response = resolved(pages.document, pages.document["paths"]["/v1/things/{id}"]["put"]["responses"]["409"])
    content = response["content"]["application/problem+json"]
    assert set(content["examples"]) == {"idempotency-key-in-use", "teapot"}
    teapot = resolved(pages.document, content["examples"]["teapot"])
    assert teapot["value"] == {
        "type": "/problems/teapot",
        "title": "It is a teapot",
        "status": 409,
        "detail": "Short and stout.",
        "instance": "/v1/things/01994fa0-37b8-7d1f-9a64-4e5c8b2d0f61",
        "code": "teapot",
        "request_id": "01994fa2-30c5-7e84-b1f7-9d0a6c4e3b25",
        "current_version": 4,
        "errors": [{"pointer": "/spout", "code": "hot", "message": "Mind it"}],
    }
    assert content["schema"]["allOf"][1] == {"properties": {"code": {"enum": list(content["examples"])}}}


def test_tags_are_described_where_somebody_does(pages: Pages):
    described = Pages(ENDPOINTS, (), "1", {"Things": "What there is."}).document["tags"]
    assert {"name": "Things", "description": "What there is."} in described
    assert {"name": "Faults"} in described


@pytest.mark.parametrize("path", ["/v1/things/x", "/v1/fail/refused", "/v1/fail/bug", "/nowhere"])
async def test_problems_match_their_schema(http: httpx.AsyncClient, pages: Pages, path: str):
    schema = {**pages.document["components"]["schemas"]["Problem"], "components": pages.document["components"]}
    jsonschema_rs.validate(schema, (await http.get(path)).json())


async def test_document_and_page_are_served_and_load_nothing_from_elsewhere(http: httpx.AsyncClient, pages: Pages):
    served = (await http.get("/openapi.json")).json()
    assert served == pages.document
    assert served["openapi"].startswith("3.1")
    start = await http.get("/")
    assert (start.status_code, start.headers["location"]) == (307, "/docs")
    page = await http.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for endpoint in pages.endpoints:
        assert f"<code>{endpoint.path}</code>" in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "<script" not in page.text
    assert "a &lt;b&gt;thing&lt;/b&gt;" in page.text
    anchors = set(re.findall(r'href="#([^"]+)"', page.text))
    assert "problem-teapot" in anchors
    assert all(f'id="{anchor}"' in page.text for anchor in anchors)


def test_refusals_of_another_shape_are_described_as_they_are_made(pages: Pages):
    operation = pages.document["paths"]["/odd/things"]["post"]
    refused = pages.document["components"]["responses"][operation["responses"]["415"]["$ref"].rpartition("/")[2]]
    content = refused["content"]["application/odd+json"]
    assert content["schema"] == {"$ref": "#/components/schemas/Trouble"}
    example = pages.document["components"]["examples"]["unsupported-media-type.Trouble"]
    assert example["value"] == {"what": "unsupported-media-type"}
    assert content["examples"].keys() == {"unsupported-media-type"}
    assert operation["requestBody"]["content"].keys() == {"application/x-www-form-urlencoded"}
    assert operation["requestBody"]["required"] is False
    assert "Trouble" in pages.document["components"]["schemas"]

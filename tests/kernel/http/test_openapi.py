"""The document: everything served is described, and described as it is served."""

import re
from typing import Any

import httpx
import jsonschema_rs
import msgspec
import pytest

from keepwell.kernel.http import Pages
from tests.kernel.http.conftest import ENDPOINTS


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
    expected = {"201", "400", "401", "403", "404", "408", "409", "412", "413", "415", "422", "428", "431", "500", "503"}
    assert set(operation["responses"]) == expected
    assert "teapot" in operation["responses"]["409"]["description"]
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

"""Operations called from inside the process are held to what a request of theirs would be held to."""

from typing import Any, cast

import msgspec
import pytest

from keepwell.kernel.envelope import Origin
from keepwell.kernel.http import Answer, RefusalForm
from keepwell.kernel.http.inside import Inside, Parts
from keepwell.kernel.http.openapi import document
from keepwell.kernel.problems import Refusal, Refused
from keepwell.kit.ids import new_id
from tests.kernel.http.conftest import ENDPOINTS, USER, Held, Thing

SHOW, KEEP, CREATE = ("GET", "/v1/things/{id}"), ("PUT", "/v1/things/{id}"), ("POST", "/v1/things")
ORIGIN = Origin("test", "inside")


async def call(operation: tuple[str, str], **parts: Any) -> Answer:
    return await Inside(ENDPOINTS, cast("Any", Held())).call(operation, USER, ORIGIN, Parts(**parts))


def told(answer: Answer) -> dict[str, Any]:
    return msgspec.to_builtins(answer.body)


async def test_parts_arrive_where_a_request_has_them():
    id_ = str(new_id())
    shown = told(await call(SHOW, path={"id": id_}, query={"limit": "7", "at": "2026-01-01T00:00:00+02:00"}))
    assert shown["id"] == id_
    assert "limit=7" in shown["text"]
    kept = await call(KEEP, path={"id": id_}, body={"name": "n"}, if_match='W/"3"', idempotency_key="one")
    assert (kept.status, told(kept)["text"]) == (201, "3 one n")


@pytest.mark.parametrize(
    ("operation", "parts", "code", "pointer"),
    [
        (SHOW, {"path": {"id": "nonsense"}}, "not-found", None),
        (SHOW, {"path": {"id": str(new_id())}, "query": {"limit": "0"}}, "invalid-parameter", "?limit"),
        (SHOW, {"path": {"id": str(new_id())}, "query": {"cursor": "\0"}}, "invalid-parameter", "?cursor"),
        (SHOW, {"path": {"id": str(new_id())}, "query": {"at": "yesterday"}}, "invalid-parameter", "?at"),
        (CREATE, {"body": {"name": 1}}, "invalid-body", "/name"),
        (CREATE, {"body": {"name": "n", "more": 1}}, "invalid-body", "/more"),
        (CREATE, {"body": {"name": "\0"}}, "invalid-body", "/name"),
        (CREATE, {"body": None}, "invalid-body", ""),
        (CREATE, {"body": {"name": object()}}, "invalid-body", None),
        (CREATE, {"body": {"name": "n", "answers": {"a": 2**70}}}, "invalid-body", None),
        (CREATE, {"body": {"name": "n"}, "idempotency_key": "two words"}, "invalid-header", None),
        (KEEP, {"path": {"id": str(new_id())}, "body": {"name": "n"}, "if_match": "*"}, "invalid-header", None),
    ],
)
async def test_what_is_wrong_is_refused_as_in_a_request(
    operation: tuple[str, str], parts: dict[str, Any], code: str, pointer: str | None
):
    with pytest.raises(Refused) as caught:
        await call(operation, **parts)
    refusal = caught.value.refusal
    assert (refusal.code, refusal.faults[0].pointer if pointer is not None else None) == (code, pointer)


def test_refusals_of_another_shape_are_described_as_such():
    def shaped(refusal: Refusal, _instance: str, _request_id: str) -> Answer:
        return Answer(refusal.type.status, msgspec.json.encode({"name": refusal.code}))

    odd = msgspec.structs.replace(ENDPOINTS[2], refused_as=RefusalForm("application/json", Thing, shaped))
    made = document([ENDPOINTS[0], odd], "1", {})
    [refused], [usual] = (contents(made, *place) for place in (("/v1/things", "post", "422"), ("/v1/things/{id}", "get", "400")))
    assert refused[0] == "application/json"
    assert refused[1]["schema"] == {"$ref": "#/components/schemas/Thing"}
    name = refused[1]["examples"]["invalid-body"]["$ref"].rsplit("/", 1)[-1]
    assert made["components"]["examples"][name] == {"summary": "The body has wrong fields", "value": {"name": "invalid-body"}}
    assert usual[0] == "application/problem+json"


def contents(document: dict[str, Any], path: str, method: str, status: str) -> list[tuple[str, dict[str, Any]]]:
    """What a refusal carries, by media type."""
    name = document["paths"][path][method]["responses"][status]["$ref"].rsplit("/", 1)[-1]
    return list(document["components"]["responses"][name]["content"].items())

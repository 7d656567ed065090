"""Bulk over HTTP: every outcome is what the single call would have answered; all or none; rehearsed; beside other callers."""

import asyncio
import re
from collections import Counter
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepwell.kit.ids import new_id
from tests.support.clinic import CLINICIAN, Clinic, match
from tests.support.effort import examples
from tests.support.forms import item
from tests.support.problems import assert_problem

_asyncpg: Any = asyncpg  # partly typed
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
FORM = (
    item("name", required=True),
    item("n", "integer"),
    item("only if", enableWhen=[{"question": "name", "operator": "=", "answerString": "x"}]),
    item("g", "group", item("in"), repeats=True),
)
URL = "http://example.org/bulk"


async def bulk(clinic: Clinic, *operations: Any, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    return await clinic.http.post("/v1/responses/bulk", json={"operations": operations, **body}, headers=headers or {})


async def outcomes(clinic: Clinic, *operations: Any, **body: Any) -> list[dict[str, Any]]:
    answer = await bulk(clinic, *operations, **body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()["outcomes"]


def patch(id_: str, version: int, **answers: Any) -> dict[str, Any]:
    return {"op": "patch", "id": id_, "if_match": version, "answers": answers}


async def test_operations_run_in_order_and_see_what_came_before(clinic: Clinic):
    form = await clinic.publish(*FORM)
    id_ = (await clinic.begin(form))["id"]
    found = await outcomes(
        clinic,
        {"op": "get", "id": id_},
        patch(id_, 1, name="x"),
        {"op": "get", "id": id_},
        patch(id_, 1, name="y"),
        {"op": "add-row", "id": id_, "group": "g", "answers": {"in": "1"}},
        {"op": "submit", "id": id_, "if_match": '"3"'},
        {"op": "amend", "id": id_, "if_match": 4, "reason": "slip", "answers": {"n": 1}},
        {"op": "void", "id": id_, "if_match": 5, "reason": "wrong person"},
        {"op": "create", "questionnaire": form, "answers": {"name": "z"}},
    )
    assert [one["status"] for one in found] == [200, 200, 200, 412, 201, 200, 200, 200, 201]
    assert [one["body"].get("version") for one in found] == [1, 2, 2, None, 3, 4, 5, 6, 1]
    assert found[2]["body"]["answers"] == {"name": "x"}
    assert (found[2]["etag"], found[3]["code"], found[3]["body"]["current_version"]) == ('"2"', "version-conflict", 2)
    assert found[8]["location"] == f"/v1/responses/{found[8]['body']['id']}"
    assert (await clinic.http.get(f"/v1/responses/{id_}")).json() == found[7]["body"]


# The property: the same operations, one by one and in bulk, on two sets of responses that were made alike.

VERSION = st.sampled_from([None, 1, 2, 2, 3, 4, '"2"'])
ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["x", "y", None, 7]),
        "n": st.sampled_from([1, None, "no"]),
        "only if": st.sampled_from(["z", None]),
        "g[ROW].in": st.sampled_from(["a", None]),
        "nobody": st.just(1),
    },
)
SLOT = st.integers(0, 2)
KEY = st.sampled_from([None, None, "k1", "k2"])
CHANGE = {"slot": SLOT, "if_match": VERSION, "idempotency_key": KEY}
OPERATION = st.one_of(
    st.fixed_dictionaries({"op": st.just("get"), "slot": SLOT}),
    st.fixed_dictionaries({
        "op": st.just("patch"), "answers": ANSWERS, "on_conflict": st.sampled_from(["refuse", "merge"]), **CHANGE,
    }),
    st.fixed_dictionaries({"op": st.just("submit"), **CHANGE}),
    st.fixed_dictionaries({"op": st.just("amend"), "reason": st.sampled_from(["slip", ""]), "answers": ANSWERS, **CHANGE}),
    st.fixed_dictionaries({"op": st.just("void"), "reason": st.just("wrong"), **CHANGE}),
    st.fixed_dictionaries({
        "op": st.just("add-row"), "group": st.sampled_from(["g", "name", "x"]), "answers": st.just({"in": "b"}), **CHANGE,
    }),
    st.fixed_dictionaries({
        "op": st.just("remove-row"), "row": st.sampled_from(["ROW", str(new_id()), "no id"]),
        "on_conflict": st.sampled_from(["refuse", "merge"]), **CHANGE,
    }),
    st.fixed_dictionaries({
        "op": st.just("create"),
        "questionnaire": st.sampled_from(["FORM", f"{URL}|1", f"{URL}|2", str(new_id())]),
        "answers": ANSWERS.map(lambda answers: {name: value for name, value in answers.items() if "ROW" not in name}),
        "idempotency_key": KEY,
    }),
    st.fixed_dictionaries({"op": st.just("patch"), "slot": SLOT, "if_match": st.just(1), "answers": st.just([])}),
    st.fixed_dictionaries({"op": st.just("patch"), "slot": SLOT, "if_match": st.just(1), "unknown": st.just(1)}),
    st.fixed_dictionaries({"op": st.just("get"), "id": st.sampled_from(["no id", str(new_id())])}),
)  # fmt: skip
PATHS = {"create": ("POST", ""), "get": ("GET", "/{id}"), "patch": ("PATCH", "/{id}"), "add-row": ("POST", "/{id}/rows"),
         "remove-row": ("DELETE", "/{id}/rows/{row}"), "submit": ("POST", "/{id}/submit"), "amend": ("POST", "/{id}/amend"),
         "void": ("POST", "/{id}/void")}  # fmt: skip
_IN_THE_ADDRESS = ("op", "id", "row", "if_match", "idempotency_key", "on_conflict")


class Scene:
    """Three responses of one actor, each with a row, and what was done to them."""

    def __init__(self, clinic: Clinic, name: str, form: str) -> None:
        self.clinic = clinic
        self.form = form
        self.headers = clinic.acting(name + str(new_id()), CLINICIAN)
        self.ids: list[str] = []
        self.rows: list[str] = []

    async def set(self) -> "Scene":
        for _ in range(3):
            body = {"questionnaire": self.form, "answers": {"name": "base"}}
            created = await self.clinic.http.post("/v1/responses", json=body, headers=self.headers)
            self.ids.append(created.json()["id"])
            path = f"/v1/responses/{self.ids[-1]}/rows"
            row = await self.clinic.http.post(path, json={"group": "g", "answers": {"in": "base"}}, headers=self.headers)
            self.rows.append(row.json()["id"])
        return self

    def meant(self, operation: dict[str, Any]) -> dict[str, Any]:
        """The operation on this scene's own responses."""
        slot: int = operation.get("slot", 0)
        text = msgspec.json.encode(operation).decode().replace("ROW", self.rows[slot]).replace("FORM", self.form)
        found: dict[str, Any] = {name: value for name, value in msgspec.json.decode(text).items() if value is not None}
        if "slot" in found:
            found["id"] = self.ids[found.pop("slot")]
        return found

    async def single(self, operation: dict[str, Any]) -> dict[str, Any]:
        method, path = PATHS[operation["op"]]
        headers = dict(self.headers)
        if (version := operation.get("if_match")) is not None:
            headers["if-match"] = version if isinstance(version, str) else f'"{version}"'
        if key := operation.get("idempotency_key"):
            headers["idempotency-key"] = key
        body = {name: value for name, value in operation.items() if name not in _IN_THE_ADDRESS}
        query = {"on_conflict": operation["on_conflict"]} if "on_conflict" in operation else {}
        sent: Any = {} if method in ("GET", "DELETE") or operation["op"] == "submit" else {"json": body}
        answer = await self.clinic.http.request(
            method, "/v1/responses" + path.format_map(operation).replace(" ", "%20"), params=query, headers=headers, **sent
        )
        found: dict[str, Any] = {"status": answer.status_code, "body": answer.json()}
        found |= {name: answer.headers[name] for name in ("etag", "location") if name in answer.headers}
        if answer.status_code >= 400:
            found["code"] = answer.json()["code"]
        if "idempotency-replayed" in answer.headers:
            found["idempotency_replayed"] = True
        if "retry-after" in answer.headers:
            found["retry_after"] = int(answer.headers["retry-after"])
        return found

    async def bulk(self, operations: list[dict[str, Any]], **body: Any) -> list[dict[str, Any]]:
        answer = await bulk(self.clinic, *operations, headers=self.headers, **body)
        assert answer.status_code == 200, answer.text
        return answer.json()["outcomes"]

    def told(self, found: list[dict[str, Any]]) -> list[Any]:
        """The outcomes with every id exchanged for the order in which it came up, and without the names of requests."""
        names: dict[str, str] = {}
        for known in (*self.ids, *self.rows):
            names[known] = f"known {len(names)}"
        told: list[Any] = []
        for one in found:
            one["body"].pop("request_id", None)
            text = msgspec.json.encode(one, order="deterministic").decode()
            told.append(msgspec.json.decode(_UUID.sub(lambda id_: names.setdefault(id_[0], f"new {len(names)}"), text)))
        return told

    async def recorded(self) -> list[Counter[tuple[str, str, int]]]:
        """How often what was recorded of each response: reads, refusals, replays."""
        connection = await _asyncpg.connect(self.clinic.everything)
        found: list[Counter[tuple[str, str, int]]] = []
        for id_ in self.ids:
            rows = await connection.fetch("SELECT action, outcome, version FROM access_record WHERE entity = $1", id_)
            found.append(Counter((row["action"], row["outcome"], row["version"]) for row in rows))
        await connection.close()
        return found

    async def stored(self) -> list[Any]:
        """Status, version, answers and history of each response."""
        found: list[Any] = []
        for id_ in self.ids:
            path = f"/v1/responses/{id_}"
            shown = (await self.clinic.http.get(path, headers=self.headers)).json()
            history = (await self.clinic.http.get(f"{path}/history", headers=self.headers)).json()["items"]
            text = msgspec.json.encode([shown["status"], shown["version"], shown["answers"], [one["type"] for one in history]])
            found.append(_UUID.sub("row", text.decode()))
        return found


@settings(max_examples=examples(15, 40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(OPERATION, min_size=1, max_size=14))
async def test_each_outcome_is_what_the_single_call_would_have_answered(clinic: Clinic, operations: list[dict[str, Any]]):
    form = await published(clinic)
    one, many = await Scene(clinic, "one", form).set(), await Scene(clinic, "many", form).set()
    alone = [await one.single(one.meant(operation)) for operation in operations]
    together = await many.bulk([many.meant(operation) for operation in operations])
    assert many.told(together) == one.told(alone)
    assert await many.recorded() == await one.recorded()
    assert await many.stored() == await one.stored()


@settings(max_examples=examples(12, 30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(OPERATION, min_size=1, max_size=14), st.integers(1, 3))
async def test_a_dry_run_says_what_the_real_run_says_and_stores_nothing(
    clinic: Clinic, operations: list[dict[str, Any]], times: int
):
    form = await published(clinic)
    scene = await Scene(clinic, "dry", form).set()
    # Repeated, so that they fill several batches and each has to see what those before would have stored.
    meant = [scene.meant(operation) for operation in operations] * (times * 64 // len(operations) + 1)
    before = await scene.stored()
    rehearsed = await scene.bulk(meant, dry_run=True)
    assert await scene.stored() == before
    real = await scene.bulk(meant)
    assert scene.told(rehearsed) == scene.told(real)


@settings(max_examples=examples(12, 30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(OPERATION, min_size=1, max_size=8), st.booleans())
async def test_an_atomic_call_does_all_or_nothing(clinic: Clinic, operations: list[dict[str, Any]], dry_run: bool):  # noqa: FBT001
    form = await published(clinic)
    scene, twin = await Scene(clinic, "atomic", form).set(), await Scene(clinic, "twin", form).set()
    before = await scene.stored()
    found = await scene.bulk([scene.meant(operation) for operation in operations], atomic=True, dry_run=dry_run)
    expected = await twin.bulk([twin.meant(operation) for operation in operations], dry_run=True)
    refused = [one for one in found if one["status"] >= 400]
    if not refused:
        assert scene.told(found) == twin.told(expected)
        assert await scene.stored() == (before if dry_run else await (await redone(twin, operations)).stored())
        return
    assert await scene.stored() == before
    assert len(refused) == len(found)
    aborted = [one for one in refused if one["code"] == "conflict"]
    assert len(aborted) < len(found)
    # Those that are at fault themselves say so, whatever came of the others.
    own = [one["code"] for one in expected if one["status"] >= 400]
    assert Counter(own) <= Counter(one["code"] for one in refused) or len(aborted) + len(own) == len(found)


async def redone(scene: Scene, operations: list[dict[str, Any]]) -> Scene:
    await scene.bulk([scene.meant(operation) for operation in operations])
    return scene


async def published(clinic: Clinic) -> str:
    """The one form of these tests, published once a clinic."""
    known = (await clinic.http.get("/v1/questionnaires", params={"url": URL})).json()["items"]
    return known[0]["id"] if known else await clinic.publish(*FORM, url=URL, version="1")


async def test_a_key_of_the_call_covers_each_operation(clinic: Clinic):
    form, key = await published(clinic), {"idempotency-key": str(new_id())}
    operations = [{"op": "create", "questionnaire": form} for _ in range(3)] + [{"op": "create", "questionnaire": "nobody"}]
    first, second = [await bulk(clinic, *operations, headers=key) for _ in range(2)]
    assert second.headers["idempotency-replayed"] == "true"
    assert [one["body"].get("id") for one in first.json()["outcomes"]] == [
        one["body"].get("id") for one in second.json()["outcomes"]
    ]
    assert [one.get("idempotency_replayed") for one in second.json()["outcomes"]] == [True, True, True, None]
    assert len({one["body"]["id"] for one in first.json()["outcomes"][:3]}) == 3
    assert "idempotency-replayed" not in first.headers
    other = (await bulk(clinic, {"op": "create", "questionnaire": form, "subject": "Patient/1"}, headers=key)).json()["outcomes"]
    assert [one["code"] for one in other] == ["idempotency-key-reused"]


async def test_an_operation_may_take_what_one_body_may(clinic: Clinic):
    form = await clinic.publish(item("t", "text", repeats=True))
    id_ = (await clinic.begin(form))["id"]
    large = {"op": "patch", "id": id_, "if_match": 1, "answers": {"t": ["x" * 1_000] * 1_000}}
    found = await outcomes(clinic, large, patch(id_, 1, t=["y"]))
    assert [one["status"] for one in found] == [413, 200]
    assert found[0]["code"] == "body-too-large"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"operations": [{"op": "get", "id": "x"}] * 10_001}, 422, "invalid-body"),
        ({"operations": {}}, 422, "invalid-body"),
        ({"operations": [], "more": 1}, 422, "invalid-body"),
        ({}, 422, "invalid-body"),
        ({"operations": ["x" * 16_000_001]}, 413, "body-too-large"),
    ],
)
async def test_a_call_that_is_wrong_as_a_whole_is_refused_as_a_whole(clinic: Clinic, body: Any, status: int, code: str):
    assert_problem(await clinic.http.post("/v1/responses/bulk", json=body), status, code)


async def test_what_is_no_operation_is_an_outcome(clinic: Clinic):
    nonsense: list[Any] = [{}, {"op": "drop"}, 7, None, [], {"op": "get"}, {"op": "get", "id": "x\0"}, {"op": "get", "id": 2**70}]
    found = await outcomes(clinic, *nonsense)
    assert [one["code"] for one in found] == ["invalid-body"] * len(nonsense)
    assert [one["body"]["errors"][0]["pointer"] for one in found][:2] == ["/op", "/op"]
    deep: Any = []
    for _ in range(99):
        deep = [deep]
    [nested] = await outcomes(clinic, {"op": "patch", "id": str(new_id()), "if_match": 1, "answers": {"a": deep}})
    assert nested["code"] == "malformed-json"


async def test_no_operations_are_no_outcomes(clinic: Clinic):
    assert await outcomes(clinic) == []


async def test_a_call_without_credentials_is_refused_as_a_whole(clinic: Clinic):
    refused = await bulk(clinic, {"op": "get", "id": str(new_id())}, headers={"authorization": "Bearer nobody"})
    assert_problem(refused, 401, "unauthenticated")
    reader = clinic.acting("reader", ("user/QuestionnaireResponse.r",))
    id_ = (await clinic.begin(await published(clinic)))["id"]
    mixed = (await bulk(clinic, {"op": "get", "id": id_}, patch(id_, 1, name="x"), headers=reader)).json()["outcomes"]
    assert [one["status"] for one in mixed] == [200, 403]
    stranger = clinic.acting("stranger", tenant=new_id())
    [absent] = (await bulk(clinic, {"op": "get", "id": id_}, headers=stranger)).json()["outcomes"]
    assert absent["code"] == "not-found"


async def test_the_most_operations_of_one_call_come_back_in_order_while_others_are_served(clinic: Clinic):
    form = await published(clinic)
    id_ = (await clinic.begin(form))["id"]
    other = (await clinic.begin(form))["id"]
    operations = [patch(id_, number + 1, n=number % 100) for number in range(10_000)]
    call = asyncio.create_task(bulk(clinic, *operations))
    waits: list[float] = []
    version, clock = 1, asyncio.get_running_loop().time
    async with httpx.AsyncClient(base_url=clinic.http.base_url, headers=clinic.http.headers, timeout=20) as client:
        while not call.done():
            before = clock()
            headers = match(version)
            answer = await client.patch(f"/v1/responses/{other}", json={"answers": {"n": 1}}, headers=headers)
            assert answer.status_code == 200, answer.text
            waits.append(clock() - before)
            version += 1
    found = (await call).json()["outcomes"]
    assert [one["body"].get("version") for one in found] == list(range(2, 10_002))
    assert len(waits) > 20, "others were let in between"
    assert (await clinic.http.get(f"/v1/responses/{id_}")).json()["version"] == 10_001


async def test_the_most_operations_go_together_or_not_at_all(clinic: Clinic):
    id_ = (await clinic.begin(await published(clinic)))["id"]
    operations = [patch(id_, number + 1, n=number % 100) for number in range(10_000)]
    wrong = [*operations[:-1], patch(id_, 10_000, n="no number")]
    refused = await outcomes(clinic, *wrong, atomic=True)
    assert Counter(one["code"] for one in refused) == {"conflict": 9_999, "invalid-answers": 1}
    assert (await clinic.http.get(f"/v1/responses/{id_}")).json()["version"] == 1
    found = await outcomes(clinic, *operations, atomic=True)
    assert {one["status"] for one in found} == {200}
    assert (await clinic.http.get(f"/v1/responses/{id_}")).json()["version"] == 10_001


async def test_an_atomic_call_that_would_show_too_much_is_refused(clinic: Clinic):
    id_ = (await clinic.begin(await clinic.publish(item("t", "text", repeats=True), item("n", "integer"))))["id"]
    assert (await clinic.patch(id_, 1, {"t": ["x" * 1_000] * 900})).status_code == 200
    found = await outcomes(clinic, *(patch(id_, number + 2, n=number) for number in range(200)), atomic=True)
    assert {one["code"] for one in found} == {"too-much-at-once"}
    assert (await clinic.http.get(f"/v1/responses/{id_}")).json()["version"] == 2

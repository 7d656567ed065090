"""Queries and mutations against a running server: what they answer, and what they say when something is wrong."""

from typing import Any

import pytest

from keepwell.kit.ids import new_id
from tests.domains.graphql.conftest import codes, data, refused
from tests.support.clinic import PATIENT, Clinic
from tests.support.forms import form, item

RESPONSE = "id questionnaire status version answers rows subject merged cleared etag idempotency_replayed created_at updated_at"
BEGIN = f"mutation($q: String!, $a: JSON) {{ createResponse(questionnaire: $q, answers: $a) {{ {RESPONSE} }} }}"
PATCH = f"""mutation($id: ID!, $a: JSON!, $v: IfMatch, $c: String, $k: String) {{
    patchResponse(id: $id, answers: $a, if_match: $v, on_conflict: $c, idempotency_key: $k) {{ {RESPONSE} }} }}"""
SHOW = f"query($id: ID!) {{ response(id: $id) {{ {RESPONSE} }} }}"


async def published(clinic: Clinic) -> str:
    group = item("g", "group", item("x"), repeats=True)
    return await clinic.publish(item("a"), item("b"), item("n", "integer"), group)


async def begun(clinic: Clinic, **answers: Any) -> dict[str, Any]:
    return data(await clinic.graphql(BEGIN, {"q": await published(clinic), "a": answers}))["createResponse"]


async def test_a_response_goes_its_whole_way(clinic: Clinic):
    made = await begun(clinic, a="x")
    assert (made["status"], made["version"], made["etag"], made["answers"]) == ("in-progress", 1, '"1"', {"a": "x"})
    id_ = made["id"]
    patched = data(await clinic.graphql(PATCH, {"id": id_, "a": {"b": "y", "a": None}, "v": 1}))["patchResponse"]
    assert (patched["version"], patched["answers"], patched["merged"]) == (2, {"b": "y"}, None)
    add = """mutation($id: ID!) {
        addRow(id: $id, group: "g", answers: {x: "1"}, if_match: 2) { id row group version response { answers rows } } }"""
    row = data(await clinic.graphql(add, {"id": id_}))["addRow"]
    assert row["response"]["answers"] == {"b": "y", f"g[{row['id']}].x": "1"}
    remove = 'mutation($id: ID!, $row: ID!) { removeRow(id: $id, row: $row, if_match: "3") { version answers } }'
    assert data(await clinic.graphql(remove, {"id": id_, "row": row["id"]}))["removeRow"] == {"version": 4, "answers": {"b": "y"}}
    submit = "mutation($id: ID!) { submitResponse(id: $id, if_match: 4) { status version } }"
    assert data(await clinic.graphql(submit, {"id": id_}))["submitResponse"] == {"status": "completed", "version": 5}
    amend = (
        'mutation($id: ID!) { amendResponse(id: $id, reason: "typing error", answers: {b: "z"}, if_match: 5) { status answers } }'
    )
    assert data(await clinic.graphql(amend, {"id": id_}))["amendResponse"] == {"status": "amended", "answers": {"b": "z"}}
    void = 'mutation($id: ID!) { voidResponse(id: $id, reason: "the wrong person", if_match: 6) { status } }'
    assert data(await clinic.graphql(void, {"id": id_}))["voidResponse"] == {"status": "entered-in-error"}


async def test_a_response_is_shown_as_it_is_and_as_it_was(clinic: Clinic):
    id_ = (await begun(clinic, a="x"))["id"]
    before = clinic.clock.now().isoformat()
    clinic.clock.advance(seconds=5)
    data(await clinic.graphql(PATCH, {"id": id_, "a": {"b": "y"}, "v": 1}))
    query = """query($id: ID!, $at: String) {
        now: response(id: $id) { version answers }
        then: response(id: $id, version: 1) { version answers }
        at: response(id: $id, at: $at) { version answers }
        history(id: $id, limit: 1) { items { version type changes door } next }
        rest: history(id: $id, cursor: "1") { items { version } next }
        diff(id: $id, from: 1) { from to status { before after } items { linkId before after } }
        responses(status: "in-progress", limit: 5) { items { id version status } next }
    }"""
    found = data(await clinic.graphql(query, {"id": id_, "at": before}))
    assert found["now"] == {"version": 2, "answers": {"a": "x", "b": "y"}}
    assert found["then"] == found["at"] == {"version": 1, "answers": {"a": "x"}}
    assert found["history"] == {
        "items": [{"version": 1, "type": "created", "changes": {"a": "x"}, "door": "graphql"}],
        "next": "1",
    }
    assert found["rest"] == {"items": [{"version": 2}], "next": None}
    assert found["diff"] == {
        "from": 1,
        "to": 2,
        "status": {"before": "in-progress", "after": "in-progress"},
        "items": [{"linkId": "b", "before": None, "after": "y"}],
    }
    assert found["responses"]["items"] == [{"id": id_, "version": 2, "status": "in-progress"}]


async def test_a_questionnaire_goes_its_whole_way(clinic: Clinic):
    draft = form(item("a"), status="draft", url="urn:form", version="1")
    create = "mutation($r: JSON!) { createQuestionnaire(resource: $r) { id status version etag resource } }"
    made = data(await clinic.graphql(create, {"r": draft}))["createQuestionnaire"]
    assert (made["status"], made["version"], made["etag"], made["resource"]["item"]) == ("draft", "1", '"1"', draft["item"])
    replace = "mutation($id: ID!, $r: JSON!, $v: IfMatch) { replaceQuestionnaire(id: $id, resource: $r, if_match: $v) { etag } }"
    variables = {"id": made["id"], "r": {**draft, "title": "Form"}}
    assert codes(await clinic.graphql(replace, variables)) == ["precondition-required"]
    assert data(await clinic.graphql(replace, {**variables, "v": made["etag"]}))["replaceQuestionnaire"] == {"etag": '"2"'}
    publish = "mutation($id: ID!) { publishQuestionnaire(id: $id) { status } retireQuestionnaire(id: $id) { status } }"
    assert data(await clinic.graphql(publish, {"id": made["id"]})) == {
        "publishQuestionnaire": {"status": "active"},
        "retireQuestionnaire": {"status": "retired"},
    }
    query = (
        'query($id: ID!) { questionnaire(id: $id) { title status } questionnaires(url: "urn:form") { items { id title } next } }'
    )
    assert data(await clinic.graphql(query, {"id": made["id"]})) == {
        "questionnaire": {"title": "Form", "status": "retired"},
        "questionnaires": {"items": [{"id": made["id"], "title": "Form"}], "next": None},
    }


async def test_aliases_that_repeat_a_mutation_run_in_order(clinic: Clinic):
    id_ = (await begun(clinic))["id"]
    several = " ".join(
        f'm{turn}: patchResponse(id: "{id_}", answers: {{n: {turn}}}, if_match: {turn}) {{ version answers }}'
        for turn in range(1, 9)
    )
    found = data(await clinic.graphql(f"mutation {{ {several} }}"))
    assert [found[f"m{turn}"] for turn in range(1, 9)] == [{"version": turn + 1, "answers": {"n": turn}} for turn in range(1, 9)]


async def test_one_that_is_refused_takes_no_other_down(clinic: Clinic):
    id_ = (await begun(clinic, a="x"))["id"]
    query = """mutation($id: ID!) {
        first: patchResponse(id: $id, answers: {a: "1"}, if_match: 1) { version }
        stale: patchResponse(id: $id, answers: {a: "2"}, if_match: 1) { version }
        wrong: patchResponse(id: $id, answers: {n: "many", z: 1}, if_match: 2) { version }
        last: patchResponse(id: $id, answers: {a: "3"}, if_match: 2) { version }
    }"""
    answer = await clinic.graphql(query, {"id": id_})
    body = answer.json()
    assert body["data"] == {"first": {"version": 2}, "stale": None, "wrong": None, "last": {"version": 3}}
    stale, wrong = body["errors"]
    assert (stale["path"], stale["message"]) == (["stale"], "Somebody else changed it")
    assert stale["extensions"] == {
        "code": "version-conflict",
        "status": 412,
        "detail": "It is at version 2 now.",
        "current_version": 2,
        "request_id": answer.headers["X-Request-ID"],
    }
    assert (wrong["path"], wrong["extensions"]["code"]) == (["wrong"], "invalid-answers")
    assert [(fault["pointer"], fault["code"]) for fault in wrong["extensions"]["errors"]] == [
        ("/answers/n", "wrong-type"),
        ("/answers/z", "unknown-item"),
    ]


async def test_conflicts_are_told_to_who_may_read(clinic: Clinic):
    id_ = (await begun(clinic, a="base"))["id"]
    data(await clinic.graphql(PATCH, {"id": id_, "a": {"a": "theirs"}, "v": 1}))
    answer = await clinic.graphql(PATCH, {"id": id_, "a": {"a": "yours"}, "v": 1, "c": "merge"})
    [error] = answer.json()["errors"]
    assert error["extensions"]["code"] == "merge-conflict"
    assert error["extensions"]["conflicts"] == [{"linkId": "a", "base": "base", "theirs": "theirs", "yours": "yours"}]
    merged = data(await clinic.graphql(PATCH, {"id": id_, "a": {"b": "yours"}, "v": 1, "c": "merge"}))["patchResponse"]
    assert (merged["merged"], merged["answers"]) == (True, {"a": "theirs", "b": "yours"})
    clinic.merges = True
    assert data(await clinic.graphql(PATCH, {"id": id_, "a": {"n": 1}, "v": 1}))["patchResponse"]["merged"] is True
    assert codes(await clinic.graphql(PATCH, {"id": id_, "a": {"n": 2}, "v": 1, "c": "refuse"})) == ["version-conflict"]


async def test_a_retry_gets_the_first_outcome_again_a_refusal_too(clinic: Clinic):
    id_, key = (await begun(clinic))["id"], str(new_id())
    sent = {"id": id_, "a": {"a": "x"}, "v": 1, "k": key}
    first, again = [data(await clinic.graphql(PATCH, sent))["patchResponse"] for _ in range(2)]
    assert (first["idempotency_replayed"], again["idempotency_replayed"]) == (False, True)
    assert {**first, "idempotency_replayed": True} == again
    assert codes(await clinic.graphql(PATCH, {**sent, "a": {"a": "y"}})) == ["idempotency-key-reused"]
    stale = {**sent, "k": str(new_id())}
    errors = [(await clinic.graphql(PATCH, stale)).json()["errors"][0] for _ in range(2)]
    assert [error["extensions"].get("idempotency_replayed") for error in errors] == [None, True]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ('id: "nonsense", answers: {}, if_match: 1', "not-found"),
        ('id: "01890a5d-ac96-774b-bcce-b302099a8057", answers: {}, if_match: 1', "not-found"),
        ("id: $id, answers: {}", "precondition-required"),
        ("id: $id, answers: {}, if_match: true", "invalid-header"),
        ('id: $id, answers: {}, if_match: "x"', "invalid-header"),
        ("id: $id, answers: [], if_match: 1", "invalid-body"),
        ('id: $id, answers: {a: "\\u0000"}, if_match: 1', "invalid-body"),
        ("id: $id, answers: {n: 99999999999999999999}, if_match: 1", "invalid-body"),
        ('id: $id, answers: {}, if_match: 1, on_conflict: "maybe"', "invalid-parameter"),
        ('id: $id, answers: {}, if_match: 1, idempotency_key: "two words"', "invalid-header"),
        ('id: $id, answers: {}, if_match: 1, idempotency_key: "ü"', "invalid-header"),
        ('id: $id, answers: {}, if_match: 1, idempotency_key: ""', "invalid-header"),
    ],
)
async def test_arguments_are_held_to_what_rest_asks_for(clinic: Clinic, arguments: str, code: str):
    id_ = (await begun(clinic))["id"]
    query = (
        f"mutation($id: ID!) {{ patchResponse({arguments}) {{ version }} other: patchResponse(id: $id, answers: {{}}) {{ id }} }}"
    )
    assert codes(await clinic.graphql(query, {"id": id_}))[0] == code


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("responses(limit: 0) { next }", "invalid-parameter"),
        ("responses(limit: 1001) { next }", "invalid-parameter"),
        ('responses(status: "x") { next }', "invalid-parameter"),
        ('responses(questionnaire: "x") { next }', "invalid-parameter"),
        ('responses(subject: "\\u0000") { next }', "invalid-parameter"),
        ('questionnaires(cursor: "x") { next }', "invalid-parameter"),
        ('response(id: "x") { id }', "not-found"),
        ('response(id: "01890a5d-ac96-774b-bcce-b302099a8057", at: "yesterday") { id }', "invalid-parameter"),
        (
            'response(id: "01890a5d-ac96-774b-bcce-b302099a8057", version: 1, at: "2026-01-01T00:00:00Z") { id }',
            "invalid-parameter",
        ),
        ('diff(id: "01890a5d-ac96-774b-bcce-b302099a8057", from: 0) { to }', "invalid-parameter"),
        ('history(id: "01890a5d-ac96-774b-bcce-b302099a8057") { next }', "not-found"),
    ],
)
async def test_queries_are_held_to_what_rest_asks_for(clinic: Clinic, field: str, code: str):
    assert codes(await clinic.graphql(f"{{ {field} }}")) == [code]


async def test_what_is_null_is_left_out(clinic: Clinic):
    query = "query($s: String, $n: Int) { responses(status: $s, limit: $n, cursor: null) { items { id } } }"
    assert data(await clinic.graphql(query, {"s": None, "n": None}))["responses"] == {"items": []}
    assert data(await clinic.graphql(query))["responses"] == {"items": []}


async def test_who_may_not_is_told_so_and_others_clinics_are_not_there(clinic: Clinic):
    made = await begun(clinic)
    stranger = clinic.acting("stranger", tenant=new_id())
    assert codes(await clinic.graphql(SHOW, {"id": made["id"]}, **stranger)) == ["not-found"]
    patient = clinic.acting("patient", PATIENT, subject="Patient/1")
    assert codes(await clinic.graphql(SHOW, {"id": made["id"]}, **patient)) == ["forbidden"]
    create = "mutation { createQuestionnaire(resource: {}) { id } }"
    assert codes(await clinic.graphql(create, {}, **patient)) == ["forbidden"]


async def test_nobody_is_told_nothing(clinic: Clinic):
    for headers in ({"authorization": ""}, {"authorization": "Bearer nobody"}):
        error = refused(await clinic.graphql("{ responses { next } }", {}, **headers), 401, "unauthenticated")
        assert error["message"] == "No valid credentials"


async def test_fragments_directives_and_operation_names_work(clinic: Clinic):
    id_ = (await begun(clinic, a="x"))["id"]
    query = """
        query One($id: ID!, $all: Boolean!) { response(id: $id) { ...basics ... on Response { answers @include(if: $all) } } }
        query Two { responses { items { ...on ResponseSummary { id } } } }
        fragment basics on Response { __typename version }"""
    one = {"query": query, "variables": {"id": id_, "all": False}, "operationName": "One"}
    assert data(await clinic.http.post("/graphql", json=one)) == {"response": {"__typename": "Response", "version": 1}}
    two = {"query": query, "operationName": "Two", "extensions": {"anything": 1}}
    assert data(await clinic.http.post("/graphql", json=two)) == {"responses": {"items": [{"id": id_}]}}
    for name in (None, "Three"):
        error = refused(await clinic.http.post("/graphql", json={"query": query, "operationName": name}), 400, "query-invalid")
        assert [fault["pointer"] for fault in error["extensions"]["errors"]] == ["/operationName"]


async def test_reads_are_recorded_with_the_door(clinic: Clinic):
    id_ = (await begun(clinic))["id"]
    data(await clinic.graphql(SHOW, {"id": id_}, **{"x-request-id": "old-door"}))
    rows = await clinic.stored("SELECT action, outcome, door FROM access_record WHERE request_id = 'old-door'")
    assert rows == [("read", "ok", "graphql")]

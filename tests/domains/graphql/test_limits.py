"""Documents that are too much, or not for this server, are refused before anything is executed, and nobody's words come back."""

import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from graphql import build_client_schema, build_schema, get_introspection_query, get_operation_ast, parse, print_schema
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains.graphql import rules
from keepwell.domains.graphql.routes.schema import make_schema
from keepwell.domains.graphql.rules import MOST_ALIASES, MOST_COST, MOST_DEPTH, MOST_FIELDS, MOST_TOKENS, refusal_for
from keepwell.domains.responses import ResponseService
from tests.domains.graphql.conftest import data, refused
from tests.support.clinic import Clinic, opened
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls
from tests.support.problems import assert_problem

LISTS = frozenset({"responses", "questionnaires", "history"})
SECRET = "Kwsecretq"
ITEM = "id questionnaire subject status version created_at updated_at"


def aliases(count: int) -> str:
    return "{" + " ".join(f'a{n}: response(id: "x") {{ id }}' for n in range(count)) + "}"


def bomb(levels: int) -> str:
    """Each fragment uses the next one twice, under other names."""
    chain = " ".join(f"fragment f{n} on Response {{ a{n}: id ...f{n + 1} b{n}: id ...f{n + 1} }}" for n in range(levels))
    return f'{{ response(id: "x") {{ ...f0 }} }} {chain} fragment f{levels} on Response {{ id }}'


def deep(levels: int) -> str:
    return "{" + "a {" * levels + "b" + "}" * levels + "}"


TOO_MUCH = {
    "aliases": (aliases(MOST_ALIASES + 1), "query-too-many-aliases", MOST_ALIASES),
    "aliases in fragments": (bomb(10), "query-too-many-aliases", MOST_ALIASES),
    "fragments in fragments": (bomb(60), "query-too-many-aliases", MOST_ALIASES),
    "depth": (deep(MOST_DEPTH), "query-too-deep", MOST_DEPTH),
    "great depth": (deep(150), "query-too-deep", MOST_DEPTH),
    "lists": (f"{{ responses(limit: 1000) {{ items {{ {ITEM} a:id b:id c:id }} }} }}", "query-too-costly", MOST_COST),
    "tokens": ("{" + " a" * MOST_TOKENS + "}", "query-too-long", MOST_TOKENS),
    "fields": ("{ response(id: 1) {" + " id" * MOST_FIELDS + "} }", "query-too-long", MOST_FIELDS),
    "comments": ("#\n" * (MOST_TOKENS + 1) + "{ a }", "query-too-long", MOST_TOKENS),
}


@pytest.mark.parametrize("kind", TOO_MUCH)
async def test_what_is_too_much_is_refused_and_the_limit_told(clinic: Clinic, kind: str):
    query, code, limit = TOO_MUCH[kind]
    started = time.monotonic()
    error = refused(await clinic.graphql(query), 400, code)
    assert time.monotonic() - started < 2
    assert str(limit) in error["extensions"]["detail"]


async def test_what_cannot_be_read_because_it_nests_too_deeply_is_refused(clinic: Clinic):
    for query in (deep(2_000), "{ a(b: " + "[" * 2_400 + "]" * 2_400 + ") }", "{" * 4_000):
        error = await clinic.graphql(query)
        assert error.json()["errors"][0]["extensions"]["code"] in ("query-too-deep", "query-malformed")
    chain = " ".join(f"fragment f{n} on Response {{ ...f{n + 1} }}" for n in range(600))
    refused(await clinic.graphql(f'{{ response(id: "x") {{ ...f0 }} }} {chain}'), 400, "query-too-deep")


async def test_at_the_limit_it_is_answered(clinic: Clinic):
    assert len((await clinic.graphql(aliases(MOST_ALIASES))).json()["errors"]) == MOST_ALIASES
    assert data(await clinic.graphql(f"{{ responses(limit: 1000) {{ items {{ {ITEM} }} }} }}")) == {"responses": {"items": []}}


async def test_a_limit_in_a_variable_counts_too(clinic: Clinic):
    query = f"query($n: Int) {{ responses(limit: $n) {{ items {{ {ITEM} a:id b:id c:id }} }} }}"
    assert data(await clinic.graphql(query, {"n": 10})) == {"responses": {"items": []}}
    refused(await clinic.graphql(query, {"n": 1_000}), 400, "query-too-costly")
    refused(await clinic.graphql(query, {"n": "many"}), 400, "query-too-costly")


@pytest.mark.parametrize(
    ("query", "places"),
    [
        (f"{{ {SECRET} ", [(1, 13)]),
        (f'{{ response(id: "{SECRET}', [(1, 26)]),
        ("", [(1, 1)]),
        (f"mutation {{\n  {SECRET}(: 1) }}", [(2, 13)]),
    ],
)
async def test_what_cannot_be_read_is_told_with_its_place(clinic: Clinic, query: str, places: list[tuple[int, int]]):
    answer = await clinic.graphql(query)
    error = refused(answer, 400, "query-malformed")
    assert [(place["line"], place["column"]) for place in error["locations"]] == places
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    ("query", "rules"),
    [
        (f"{{ {SECRET} }}", ["fields-on-correct-type"]),
        (f'{{ response(id: "x") {{ {SECRET} }} }}', ["fields-on-correct-type"]),
        (f'{{ response({SECRET}: "x") {{ id }} }}', ["known-argument-names", "provided-required-arguments"]),
        (f'{{ response(id: {{a: "{SECRET}"}}) {{ id }} }}', ["values-of-correct-type"]),
        (f'{{ responses(limit: "{SECRET}") {{ next }} }}', ["values-of-correct-type"]),
        (f"{{ ...{SECRET} }}", ["known-fragment-names"]),
        (f"query($a: {SECRET}) {{ response(id: $a) {{ id }} }}", ["known-type-names"]),
        (f'{{ response(id: "x") @{SECRET} {{ id }} }}', ["known-directives"]),
        ("{ response(id: $x) { id } }", ["no-undefined-variables"]),
        ('{ response(id: "x") }', ["scalar-leafs"]),
        ("mutation { createQuestionnaire(resource: {a: 1e999}) { id } }", ["values-of-correct-type"]),
        ("fragment a on Response { ...a } { response(id: 1) { ...a } }", ["no-fragment-cycles"]),
    ],
)  # fmt: skip
async def test_what_does_not_fit_the_schema_is_told_by_rule_and_place(clinic: Clinic, query: str, rules: list[str]):
    answer = await clinic.graphql(query)
    error = refused(answer, 400, "query-invalid")
    assert [fault["code"] for fault in error["extensions"]["errors"]] == rules
    assert SECRET not in answer.text
    assert "Did you mean" not in answer.text


async def test_variables_that_do_not_fit_are_told_by_name(clinic: Clinic):
    query = "query($id: ID!, $v: Int) { response(id: $id, version: $v) { id } }"
    for variables, pointers in (
        ({"id": {"a": SECRET}, "v": 1}, ["/variables/id"]),
        ({"id": "x", "v": SECRET}, ["/variables/v"]),
        ({}, ["/variables/id"]),
    ):
        answer = await clinic.graphql(query, variables)
        error = refused(answer, 400, "query-invalid")
        assert [fault["pointer"] for fault in error["extensions"]["errors"]] == pointers
        assert SECRET not in answer.text


async def test_the_body_is_held_to_its_shape(clinic: Clinic):
    for body, status, code in (
        (b'{"query": "{ a', 400, "malformed-json"),
        (b"[]", 422, "invalid-body"),
        (b'[{"query": "{ __typename }"}]', 422, "invalid-body"),
        (b'{"query": 1}', 422, "invalid-body"),
        (b'{"query": "{ __typename }", "variables": []}', 422, "invalid-body"),
        (b'{"query": "{ __typename }", "more": 1}', 422, "invalid-body"),
        (b'{"query": "{ __typename }", "variables": {"a": ' + b"[" * 101 + b"]" * 101 + b"}}", 400, "malformed-json"),
        (b'{"query": "' + b"x" * 1_000_001 + b'"}', 413, "body-too-large"),
    ):
        answer = await clinic.http.post("/graphql", content=body, headers={"content-type": "application/json"})
        refused(answer, status, code)
    answer = await clinic.http.post("/graphql", content=b"{ __typename }", headers={"content-type": "application/graphql"})
    refused(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_there_is_only_post(clinic: Clinic, method: str):
    answer = await clinic.http.request(method, "/graphql", params={"query": "{ __typename }"} if method == "GET" else {})
    refused(answer, 405, "method-not-allowed")
    assert answer.headers["Allow"] == "OPTIONS, POST"
    assert_problem(await clinic.http.get("/graphql-other"), 404, "not-found")


async def test_the_schema_is_not_shown(clinic: Clinic):
    for query in (get_introspection_query(), '{ __type(name: "Response") { name } }', "{ __schema { queryType { name } } }"):
        refused(await clinic.graphql(query), 403, "introspection-off")
    assert data(await clinic.graphql("{ __typename responses { __typename } }")) == {
        "__typename": "Query",
        "responses": {"__typename": "ResponseList"},
    }


@pytest.fixture
async def open_clinic(database_urls: DatabaseUrls, manual_clock: ManualClock) -> AsyncIterator[Clinic]:
    """One whose schema is shown."""
    async with opened(database_urls, manual_clock, introspection=True) as found:
        yield found


async def test_the_schema_is_shown_where_the_setting_says_so(open_clinic: Clinic):
    reader = open_clinic.acting("reader", ("user/Organization.r",))
    shown = data(await open_clinic.graphql(get_introspection_query(), {}, **reader))
    assert print_schema(build_client_schema(shown)) == print_schema(build_schema(print_schema(make_schema())))  # pyright: ignore[reportArgumentType]


async def test_who_has_no_permission_for_anything_asks_for_the_schema_in_vain(open_clinic: Clinic):
    nobody = open_clinic.acting("nobody", ("user/Session.r",))
    answer = await open_clinic.graphql("{ __typename }", {}, **nobody)
    refused(answer, 403, "forbidden")


NAMES = st.text("abcdefg", min_size=1, max_size=3)
SELECTIONS: Any = st.recursive(
    NAMES, lambda inner: st.lists(inner, min_size=1, max_size=4).map(lambda each: "x {" + " ".join(each) + "}"), max_leaves=20
)


@given(st.lists(SELECTIONS, min_size=1, max_size=6))
def test_a_document_is_measured_as_it_is_written(selections: list[str]):
    """Cost without lists is the number of fields, depth that of the deepest."""
    text = "{" + " ".join(selections) + "}"
    document = parse(text)
    operation = get_operation_ast(document)
    assert operation is not None
    size = rules._Scale(document, {}, LISTS).weigh(operation.selection_set)
    assert size.cost == sum(1 for _ in rules._fields(document)) == len(text.replace("{", " ").replace("}", " ").split())
    levels, deepest = 0, 0
    for character in text:
        levels += (character == "{") - (character == "}")
        deepest = max(deepest, levels)
    assert size.depth == deepest
    assert size.aliases == 0


@given(st.lists(SELECTIONS, min_size=1, max_size=4), st.integers(1, 5))
def test_a_fragment_counts_as_often_as_it_is_used(selections: list[str], times: int):
    inside = " ".join(selections)
    spread = parse("{" + "...f " * times + "} fragment f on Query {" + inside + "}")
    written = parse("{" + f"{inside} " * times + "}")
    sizes: list[Any] = []
    for document in (spread, written):
        operation = get_operation_ast(document)
        assert operation is not None
        sizes.append(rules._Scale(document, {}, LISTS).weigh(operation.selection_set))
    assert sizes[0] == sizes[1]


def test_a_document_of_many_operations_is_bounded_as_a_whole():
    text = " ".join(f"query q{n} {{ responses {{ next }} }}" for n in range(300))
    document = parse(text)
    operation = get_operation_ast(document, "q0")
    assert operation is not None
    refusal = refusal_for(document, operation, {}, LISTS)
    assert refusal is not None
    assert refusal.code == "query-too-long"


async def test_a_bug_is_told_without_words(clinic: Clinic, monkeypatch: pytest.MonkeyPatch):
    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(ResponseService, "history", broken)
    answer: httpx.Response = await clinic.graphql(f'{{ history(id: "{uuid4()}") {{ next }} responses {{ next }} }}')
    assert answer.status_code == 200
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["internal-error"]
    assert answer.json()["data"] == {"history": None, "responses": {"next": None}}
    assert SECRET not in answer.text

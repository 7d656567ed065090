"""Every mutation is the REST call it stands for: the same state, the same journal but for the door, the same keys."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from graphql import GraphQLObjectType, get_named_type

from keepwell.domains.graphql.models import MUTATIONS, QUERIES, TRANSLATIONS
from keepwell.domains.graphql.routes.schema import make_schema
from keepwell.kernel.http import Endpoint
from keepwell.kit.ids import new_id
from tests.domains.graphql.conftest import data
from tests.support.clinic import Clinic, match
from tests.support.forms import form, item

GROUP = item("g", "group", item("x"), repeats=True)
DRAFT = form(item("a"), GROUP, status="draft")
JOURNAL = "SELECT event, command, actor, role, purpose, version FROM journal_entry WHERE id = $1 ORDER BY version"
DOORS = "SELECT door FROM journal_entry WHERE id = $1 ORDER BY version DESC LIMIT 1"
Change = Callable[[Clinic, str, int, str], Awaitable[Any]]


async def by_rest(clinic: Clinic, method: str, path: str, version: int | None, key: str, body: Any = None) -> dict[str, Any]:
    headers = {"idempotency-key": key, **({} if version is None else match(version))}
    answer = await clinic.http.request(method, path, headers=headers, **({} if body is None else {"json": body}))
    assert answer.status_code < 300, answer.text
    return answer.json()


async def by_graphql(clinic: Clinic, field: str, key: str, **arguments: Any) -> dict[str, Any]:
    """Runs one mutation; its arguments travel as variables."""
    types = {argument: str(each.type) for argument, each in _root()[field].args.items()}
    given = {**arguments, "idempotency_key": key}
    head = ", ".join(f"${name}: {types[name]}" for name in given)
    inside = ", ".join(f"{name}: ${name}" for name in given)
    shown = "row" if field == "addRow" else "id"
    return data(await clinic.graphql(f"mutation({head}) {{ {field}({inside}) {{ {shown} }} }}", given))[field]


def _root() -> dict[str, Any]:
    schema = make_schema()
    assert schema.mutation_type is not None
    return dict(schema.mutation_type.fields)


async def draft(clinic: Clinic) -> tuple[str, int]:
    resource = {**DRAFT, "url": f"urn:uuid:{new_id()}"}
    return (await by_rest(clinic, "POST", "/v1/questionnaires", None, str(new_id()), resource))["id"], 1


async def begun(clinic: Clinic, *, rows: int = 0) -> tuple[str, int]:
    id_ = (await clinic.begin(await clinic.publish(item("a"), GROUP), answers={"a": "base"}))["id"]
    for _ in range(rows):
        assert (await clinic.post(f"/v1/responses/{id_}/rows", None, {"group": "g", "answers": {"x": "1"}})).status_code == 201
    return id_, 1 + rows


async def submitted(clinic: Clinic) -> tuple[str, int]:
    id_, version = await begun(clinic)
    assert (await clinic.post(f"/v1/responses/{id_}/submit", version)).status_code == 200
    return id_, version + 1


async def first_row(clinic: Clinic, id_: str) -> str:
    return (await clinic.http.get(f"/v1/responses/{id_}")).json()["rows"]["g"][0]


class Case:
    """A mutation of something made beforehand, and its REST twin."""

    def __init__(self, field: str, prepare: Callable[[Clinic], Awaitable[tuple[str, int]]], **arguments: Any) -> None:
        self.field = field
        self.prepare = prepare
        self.arguments = arguments

    async def given(self, clinic: Clinic, id_: str) -> dict[str, Any]:
        """The arguments besides id and version, by the names they have through either door."""
        return {**self.arguments, **({"row": await first_row(clinic, id_)} if self.field == "removeRow" else {})}

    async def graphql(self, clinic: Clinic, id_: str, version: int, key: str, given: dict[str, Any]) -> Any:
        return await by_graphql(clinic, self.field, key, id=id_, if_match=version, **given)

    async def rest(self, clinic: Clinic, id_: str, version: int, key: str, given: dict[str, Any]) -> Any:
        translation = TRANSLATIONS[self.field]
        path = translation.path.format(id=id_, **given)
        body = given[translation.whole] if translation.whole else {name: given[name] for name in translation.body} or None
        return await by_rest(clinic, translation.method, path, version, key, body)


async def with_a_row(clinic: Clinic) -> tuple[str, int]:
    return await begun(clinic, rows=1)


CASES = (
    Case("replaceQuestionnaire", draft, resource={**DRAFT, "title": "Another"}),
    Case("publishQuestionnaire", draft),
    Case("retireQuestionnaire", draft),
    Case("patchResponse", begun, answers={"a": "x"}),
    Case("addRow", begun, group="g", answers={"x": "2"}),
    Case("removeRow", with_a_row),
    Case("submitResponse", begun),
    Case("amendResponse", submitted, reason="typing error", answers={"a": "y"}),
    Case("voidResponse", begun, reason="the wrong person"),
)


async def seen(clinic: Clinic, case: Case, id_: str) -> dict[str, Any]:
    """The record as REST shows it, but for what differs between any two."""
    kind = "questionnaires" if case.prepare is draft else "responses"
    body = (await clinic.http.get(f"/v1/{kind}/{id_}")).json()
    rows = body.get("rows", {})
    body["answers"] = {
        address.replace(row, "ROW") if (row := next(iter(rows.get("g", [])), "")) else address: value
        for address, value in body.get("answers", {}).items()
    }
    return {name: value for name, value in body.items() if name not in ("id", "questionnaire", "resource", "rows", "url")}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.field)
async def test_a_mutation_leaves_what_its_rest_call_leaves(clinic: Clinic, case: Case):
    here, version = await case.prepare(clinic)
    there, _ = await case.prepare(clinic)
    await case.graphql(clinic, here, version, str(new_id()), await case.given(clinic, here))
    await case.rest(clinic, there, version, str(new_id()), await case.given(clinic, there))
    assert await seen(clinic, case, here) == await seen(clinic, case, there)
    assert await clinic.stored(JOURNAL, here) == await clinic.stored(JOURNAL, there)
    assert (await clinic.stored(DOORS, here), await clinic.stored(DOORS, there)) == ([("graphql",)], [("http",)])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.field)
async def test_a_retry_by_rest_of_what_was_sent_by_graphql_is_the_same_request(clinic: Clinic, case: Case):
    id_, version = await case.prepare(clinic)
    key, given = str(new_id()), await case.given(clinic, id_)
    await case.graphql(clinic, id_, version, key, given)
    before = await clinic.stored(JOURNAL, id_)
    await case.rest(clinic, id_, version, key, given)
    assert await clinic.stored(JOURNAL, id_) == before


async def test_creations_leave_what_their_rest_calls_leave_under_one_key(clinic: Clinic):
    questionnaire, key = await clinic.publish(item("a")), str(new_id())
    body = {"questionnaire": questionnaire, "subject": "Patient/1", "answers": {"a": "x"}}
    made = (await by_graphql(clinic, "createResponse", key, **body))["id"]
    again = await by_rest(clinic, "POST", "/v1/responses", None, key, body)
    assert again["id"] == made
    other = (await by_rest(clinic, "POST", "/v1/responses", None, str(new_id()), body))["id"]
    assert await clinic.stored(JOURNAL, made) == await clinic.stored(JOURNAL, other)

    resource, key = {**DRAFT, "url": f"urn:uuid:{new_id()}"}, str(new_id())
    made = (await by_graphql(clinic, "createQuestionnaire", key, resource=resource))["id"]
    assert (await by_rest(clinic, "POST", "/v1/questionnaires", None, key, resource))["id"] == made


def test_every_root_field_is_a_rest_call_and_takes_just_its_arguments(endpoints: dict[tuple[str, str], Endpoint]):
    schema = make_schema()
    assert schema.query_type is not None
    assert set(schema.query_type.fields) == {each.field for each in QUERIES}
    assert set(_root()) == {each.field for each in MUTATIONS}
    for translation in (*QUERIES, *MUTATIONS):
        endpoint = endpoints[translation.method, translation.path]
        field = {**schema.query_type.fields, **_root()}[translation.field]
        assert (field.description or "").strip() == translation.replaced_by
        expected = {part.strip("{}") for part in translation.path.split("/") if part.startswith("{")}
        expected |= set(translation.query) | set(translation.body) | ({translation.whole} - {""})
        if endpoint.writes:
            expected |= {"idempotency_key"} | ({"if_match"} if "{" in translation.path else set())
        assert set(field.args) == expected, translation.field
        for struct, names in ((endpoint.query, translation.query), (endpoint.body, translation.body)):
            if not translation.whole and struct is not None:
                assert {each.encode_name for each in msgspec.structs.fields(struct)} == set(names), translation.field


def test_every_type_has_the_fields_of_its_rest_struct(endpoints: dict[tuple[str, str], Endpoint]):
    schema = make_schema()
    assert schema.query_type is not None
    beside = {"etag", "idempotency_replayed"}
    for translation in (*QUERIES, *MUTATIONS):
        field = {**schema.query_type.fields, **_root()}[translation.field]
        answers = endpoints[translation.method, translation.path].answers
        alike(get_named_type(field.type), next(iter(answers.values())), beside)


def alike(type_: Any, struct: Any, beside: set[str]) -> None:
    """Raises AssertionError: a type of the schema does not show what REST shows."""
    assert isinstance(type_, GraphQLObjectType)
    described = msgspec.inspect.type_info(struct)
    assert isinstance(described, msgspec.inspect.StructType)
    fields = {each.encode_name: each.type for each in described.fields}
    assert set(type_.fields) - beside == set(fields), type_.name
    for name, inner in fields.items():
        inside = inner.item_type if isinstance(inner, msgspec.inspect.ListType) else inner
        if isinstance(inside, msgspec.inspect.StructType):
            alike(get_named_type(type_.fields[name].type), inside.cls, beside)

"""What every endpoint of the program has declared. A new one fails here until it has, too."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from keepwell.kernel.http import Answer, Call, Deprecation, Endpoint
from keepwell.kernel.http.deprecation import LEAST_NOTICE
from keepwell.kernel.http.errors import PROBLEMS as DOOR_PROBLEMS
from keepwell.kernel.http.openapi import document, problems_of
from keepwell.kernel.problems import SHARED
from keepwell.main.addresses import Addresses
from keepwell.main.app import application
from keepwell.main.parts import Parts
from keepwell.main.rooms import PROBLEMS, TAGS
from keepwell.platform.settings import ProcessKind, Settings
from tests.support.problems import code_of

PREFIXES = ("/v1/", "/fhir/", "/health/", "/problems/", "/status/")
PLACES = {
    "/",
    "/.well-known/jwks.json",
    "/auth/link",
    "/docs",
    "/docs/graphql-migration",
    "/graphql",
    "/metrics",
    "/openapi.json",
    "/problems",
}
NO_SECRETS = {"id", "row", "event", "vid", "clinic", "slug", "code", "key"}
"""Parameters of paths that may be told; `key` names a feature flag. Any other is declared secret, or added here."""
CREDENTIAL = re.compile(r"token|secret|password|passkey|credential|recovery|one_time|api_key", re.IGNORECASE)
NEVER_COMPRESSED = {
    "/v1/audit": "request ids in it are chosen by people who are not even logged in",
    "/v1/keys/{id}/activity": "the audit is in it",
    "/fhir/R4/AuditEvent": "as the audit",
    "/fhir/R4/AuditEvent/_search": "as the audit",
    "/fhir/R4/AuditEvent/{event}": "as the audit",
    "/fhir/R4": "AuditEvents may be among what a batch reads",
    "/fhir/R4/": "AuditEvents may be among what a batch reads",
}
"""Beside what concerns logging in. See docs/decisions/0012-what-may-be-compressed.md."""
WITHOUT_VERSION = {
    "/problems/{code}": "named by its content instead",
    "/v1/responses/{id}/diff": "two versions, not one",
    "/v1/responses/{id}/history": "a list",
    "/v1/schedules/{id}/runs": "a list",
    "/v1/keys/{id}/activity": "counts, which change with every use",
    **{
        f"/v1/monitors/{{id}}/{what}": "telemetry, which changes with every check"
        for what in ("results", "uptime", "status", "transitions", "dead-checks", "anomalies")
    },
    "/v1/participants/{id}/history": "a list",
    "/v1/incidents/{id}/postmortem": "a text that people go on with",
    "/v1/batches/{id}": "how far it is changes without a new version of it",
    "/v1/batches/{id}/rows": "a list",
    "/v1/programs/{id}/reminders": "a list",
    "/v1/batches/{id}/rows/{row}": "what came of it changes without a new version of the batch",
    **{f"/fhir/R4/{name}/{{id}}/_history": "a list" for name in ("Questionnaire", "QuestionnaireResponse", "Patient")},
}
NOT_OVER_HTTP = {
    "another-birth-date": "of one row of a batch",
    "bad-request": "no request, so no operation",
    "changed-since": "of one row of a batch that is rolled back",
    "focus-held": "said in a live room",
    "idle": "said in a live room",
    "notification-begun": "said to a notifier that comes too late to tell more with it",
    "run-not-due": "said to a worker that comes too late with a run of a schedule",
    "incident-open": "nobody opens one by hand: what happens again becomes a note",
    "invalid-tenant": "clinics are made at the command line",
    "monitor-imported": "of one thing in a file that is imported twice at once, in its outcome",
    "no-such-clinic": "keys are changed at the command line",
    "wrong-master-key": "keys are changed at the command line",
    "slug-taken": "clinics are made at the command line",
    "too-fast": "said in a live room",
    "too-much-at-once": "of one operation among many, in its outcome",
    "too-slow": "said in a live room",
    "vendor-without-agreement": "said to who is about to send health information to a vendor",
}


def table() -> tuple[Endpoint, ...]:
    given: dict[str, Any] = {"_env_file": None, "master_key": base64.b64encode(bytes(32)).decode()}
    nowhere = Addresses("postgresql://nowhere", "", "", "valkey://nowhere")
    return application(Parts(Settings(**given), nowhere, ProcessKind.API)).endpoints


TABLE = table()
DOCUMENT = document(TABLE, "1", {"About this server": "This server.", **TAGS})


async def nothing(_: Call) -> Answer:
    return Answer(204)


def sample(path: str = "/v1/things", method: str = "GET", **more: Any) -> Endpoint:
    return Endpoint(method, path, nothing, "Sample", "Samples", **more)


class Key(msgspec.Struct):
    api_key: str


class Keys(msgspec.Struct):
    items: list[Key]


# -- compression ------------------------------------------------------------------------------------------------------


def has_content(endpoint: Endpoint) -> bool:
    return any(kind is not None for kind in endpoint.answers.values())


def undecided(endpoints: Iterable[Endpoint]) -> list[str]:
    """Where nobody has said whether the answer may be compressed. Streams never are, and need no decision."""
    return [named(each) for each in endpoints if has_content(each) and each.compressed is None and not each.streams]


def exposed(endpoints: Iterable[Endpoint]) -> list[str]:
    """What must not be compressed, and would be."""
    return [
        named(each)
        for each in endpoints
        if each.compressed
        and (
            each.streams
            or each.path.startswith("/v1/auth/")
            or each.path in NEVER_COMPRESSED
            or any(holds_credential(kind) for kind in each.answers.values())
        )
    ]


def holds_credential(kind: Any) -> bool:
    """Whether a field of an answer, however deep, is named like something that lets somebody in."""
    if kind is None or kind is bytes:
        return False
    schemas, components = msgspec.json.schema_components([kind])
    return any(CREDENTIAL.search(name) for name in names_in([*schemas, *components.values()]))


def names_in(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        for name, value in tree.items():  # pyright: ignore[reportUnknownVariableType]
            if name == "properties":
                yield from value
            yield from names_in(value)
    elif isinstance(tree, list):
        for value in tree:  # pyright: ignore[reportUnknownVariableType]
            yield from names_in(value)


def named(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def test_every_answer_has_been_thought_about_before_it_is_compressed():
    assert not undecided(TABLE), "say compressed=True or False; docs/decisions/0012-what-may-be-compressed.md tells how to decide"
    assert undecided([sample(answers={200: Keys}), sample(answers={200: Keys}, streams=True)]) == ["GET /v1/things"]


def test_no_answer_with_a_credential_or_a_strangers_text_is_ever_compressed():
    assert not exposed(TABLE)
    bad = [
        sample("/v1/auth/codes", answers={200: dict[str, Any]}, compressed=True),
        sample("/v1/keys", answers={201: Keys}, compressed=True),
        sample("/v1/audit", answers={200: dict[str, Any]}, compressed=True),
        sample("/v1/events", answers={200: bytes}, streams=True, compressed=True),
    ]
    assert exposed([*bad, sample("/v1/keys", answers={200: Keys}, compressed=False)]) == [named(each) for each in bad]


def test_the_list_of_what_is_never_compressed_names_routes_that_are_there():
    paths = {each.path for each in TABLE}
    assert paths >= NEVER_COMPRESSED.keys()
    assert paths >= WITHOUT_VERSION.keys()


def told(endpoints: Iterable[Endpoint]) -> list[str]:
    """Where a problem would repeat what may be a credential."""
    return [named(each) for each in endpoints if {*re.findall(r"{(\w+)}", each.path)} - NO_SECRETS - {each.conceals}]


def test_a_parameter_of_a_path_is_known_to_be_no_secret_or_never_told():
    assert not told(TABLE)
    hidden = sample("/v1/invitations/{invitation}", conceals="invitation")
    assert told([sample("/v1/invitations/{invitation}"), hidden]) == ["GET /v1/invitations/{invitation}"]
    assert not [named(each) for each in TABLE if each.conceals is not None and f"{{{each.conceals}}}" not in each.path]


# -- conditional requests ---------------------------------------------------------------------------------------------


def untagged(endpoints: Iterable[Endpoint]) -> list[str]:
    """Reads of one thing whose answer does not say which version of it it is."""
    return [
        named(each)
        for each in endpoints
        if each.method == "GET"
        and "{id}" in each.path
        and not each.etag
        and not each.streams
        and each.path not in WITHOUT_VERSION
    ]


def test_every_read_of_one_thing_has_a_tag_and_answers_304():
    assert not untagged(TABLE)
    assert untagged([sample("/v1/things/{id}"), sample("/v1/things/{id}", etag=True)]) == ["GET /v1/things/{id}"]
    operations = DOCUMENT["paths"]
    for each in TABLE:
        if each.etag and not each.writes:
            assert "304" in operations[each.path]["get"]["responses"]


def test_a_change_that_needs_the_version_tells_the_next_one():
    assert not [named(each) for each in TABLE if each.guarded and not each.etag]


# -- versions ---------------------------------------------------------------------------------------------------------


def outside(endpoints: Iterable[Endpoint]) -> list[str]:
    """What is served where no promise of ours holds."""
    return [named(each) for each in endpoints if each.path not in PLACES and not each.path.startswith(PREFIXES)]


def test_nothing_is_served_outside_the_places_that_the_page_about_versions_names():
    assert not outside(TABLE)
    assert outside([sample("/v2/things"), sample("/v1"), sample("/metrics/more"), sample("/v1/things")]) == [
        "GET /v2/things",
        "GET /v1",
        "GET /metrics/more",
    ]


def test_what_will_go_is_announced_half_a_year_ahead():
    for each in TABLE:
        if each.deprecated is not None:
            assert each.deprecated.sunset - each.deprecated.since >= LEAST_NOTICE, named(each)
            assert DOCUMENT["paths"][each.path][each.method.lower()]["deprecated"] is True
    since = datetime(2026, 9, 1, tzinfo=UTC)
    assert timedelta(days=180) < LEAST_NOTICE < timedelta(days=190)
    with pytest.raises(ValueError, match="at least six months"):
        Deprecation(since, since + LEAST_NOTICE - timedelta(seconds=1), "/docs", "/v1/things")


# -- the document -----------------------------------------------------------------------------------------------------


def speechless(endpoints: Iterable[Endpoint]) -> list[str]:
    """Operations that carry something and show none of it."""
    return [
        named(each)
        for each in endpoints
        if (each.body is not None and each.example.body is None) or (has_content(each) and each.example.answer is None)
    ]


def test_every_operation_shows_what_to_send_and_what_comes_back():
    assert not speechless(TABLE), "give it an example: what is sent, and what is answered"
    assert speechless([sample(answers={200: Keys}), sample(body=Key, answers={204: None})]) == ["GET /v1/things"] * 2


def contents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every description of a body in the document that has examples, with where it stands."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            parts = [operation.get("requestBody", {}), *(resolved(each) for each in operation["responses"].values())]
            for part in parts:
                for media, content in part.get("content", {}).items():
                    yield f"{method} {path} {media}", content


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    place: Any = part
    if "$ref" in part:
        place = DOCUMENT
        for step in part["$ref"].removeprefix("#/").split("/"):
            place = place[step]
    return place


@cache
def validator(schema: str) -> Any:
    """Made once for all that has the same shape: most operations share that of their problems."""
    whole = {**json.loads(schema), "components": DOCUMENT["components"]}
    return jsonschema_rs.validator_for(whole, validate_formats=True)


def test_every_example_is_what_its_schema_says():
    checked = 0
    for where, content in contents():
        shape = json.dumps(content["schema"], sort_keys=True)
        for example in content.get("examples", {}).values():
            value = resolved(example)["value"]
            assert validator(shape).is_valid(value), f"{where}: {value}"
            checked += 1
    assert checked > 300


def test_a_wrong_example_would_be_noticed():
    schema = {"$ref": "#/components/schemas/ResponseView", "components": DOCUMENT["components"]}
    content = next(each for _, each in contents() if each["schema"] == {"$ref": "#/components/schemas/ResponseView"})
    good = resolved(content["examples"]["usual"])["value"]
    assert jsonschema_rs.is_valid(schema, good, validate_formats=True)
    for wrong in ({"id": "7"}, {"answers": 7}, {"version": "1"}):
        assert not jsonschema_rs.is_valid(schema, good | wrong, validate_formats=True)


def test_each_problem_an_operation_can_answer_is_shown_under_its_code():
    for each in TABLE:
        responses = DOCUMENT["paths"][each.path][each.method.lower()]["responses"]
        for kind in problems_of(each):
            media = "application/problem+json" if each.refused_as is None else each.refused_as.media
            content = resolved(responses[str(kind.status)])["content"][media]
            value = resolved(content["examples"][kind.code])["value"]
            if each.refused_as is not None:
                assert code_of(value) == kind.code
                continue
            told = (value["type"], value["title"], value["status"], value["code"])
            assert told == (f"/problems/{kind.code}", kind.title, kind.status, kind.code)
            assert kind.code in content["schema"]["allOf"][1]["properties"]["code"]["enum"]


def test_every_problem_there_is_can_be_had_somewhere_or_is_excused():
    known = {kind.code for kind in (*SHARED, *DOOR_PROBLEMS, *PROBLEMS)}
    had = {kind.code for each in TABLE for kind in problems_of(each)}
    assert known - had == NOT_OVER_HTTP.keys()
    assert had <= known


def test_every_tag_is_described_and_no_other():
    assert {each.tag for each in TABLE} - {"About this server"} == TAGS.keys()
    assert all(tag["description"] for tag in DOCUMENT["tags"])


def test_the_document_stays_of_a_size_that_tools_read_at_once():
    assert len(msgspec.json.encode(DOCUMENT)) < 10_000 * len(TABLE)

"""Plants canaries in flags, and through the GraphQL door."""

from collections.abc import Iterator
from uuid import uuid4

import httpx

from tests.support.canary import Canaries
from tests.support.canary_routes import FLAG, Planter
from tests.support.forms import form, item


def plant(planter: Planter) -> None:
    """Everything that flags and the GraphQL door take, where it belongs."""
    flags(planter)
    graphql(planter)


def flags(planter: Planter) -> None:
    """What administrators write about flags: whom they are for, and why."""
    secret, path = planter.secret, f"/v1/flags/{FLAG}"
    cohorts = {secret.text("cohort"): {"subjects": [secret.text("subject of a flag")], "roles": [secret.text("role")]}}
    setting = {"variants": {"on": True, "off": False}, "cohorts": cohorts, "salt": secret.text("salt")}
    planter.send("PUT /v1/flags/{key}", path, json=setting, headers={"If-Match": '"0"', **planter.key()}, expected=200)
    planter.send("PUT /v1/flags/{key}", path, json=setting, headers={"If-Match": '"0"'}, expected=412)
    wrong = {"variants": {secret.text("variant"): secret.text("value")}, "on": secret.text("name of a variant")}
    planter.send("PATCH /v1/flags/{key}", path, json=wrong, headers={"If-Match": '"1"'}, expected=422)
    plan = {"steps": [100, 10_000], "hold_s": 60}
    planter.send("POST /v1/flags/{key}/rollout", f"{path}/rollout", json=plan, expected=200)
    for action in ("rollout/stop", "kill", "restore"):
        reason = {"reason": secret.text(f"reason to {action}")}
        planter.send(f"POST /v1/flags/{{key}}/{action}", f"{path}/{action}", json=reason, headers=planter.key(), expected=200)
    asked = {"targeting_key": secret.text("targeting key"), "roles": [secret.text("role asked for")]}
    planter.send("POST /v1/flags/{key}/evaluate", f"{path}/evaluate", json=asked, expected=200)
    for template in ("/v1/flags", "/v1/flags/{key}", "/v1/flags/{key}/history", "/v1/flags/stale"):
        planter.send(f"GET {template}", template.replace("{key}", FLAG), expected=200)


def graphql(planter: Planter) -> None:
    """Health information as variables, as literals and in names, in documents that are executed and in others."""
    secret, operation = planter.secret, "POST /graphql"
    questionnaire = planter.questionnaire(form(item("a"), item("n", "integer"), url=f"urn:uuid:{uuid4()}"))
    create = f"""mutation($s: String, $a: JSON) {{ createResponse(questionnaire: "{questionnaire}", subject: $s, answers: $a,
        idempotency_key: "{secret.text("key in a document")}") {{ id subject answers etag }} }}"""
    variables = {"s": f"Patient/{secret.text('subject in a variable')}", "a": {"a": secret.text("answer in a variable")}}
    made = planter.send(operation, json={"query": create, "variables": variables}, expected=200).json()["data"]["createResponse"]
    several = f"""mutation($id: ID!) {{
        one: patchResponse(id: $id, answers: {{a: "{secret.text("answer in a document")}"}}, if_match: 1) {{ version }}
        two: patchResponse(id: $id, answers: {{n: "{secret.text("answer of a wrong type")}"}}, if_match: 2) {{ id }}
        three: patchResponse(id: $id, answers: {{a: "{secret.text("answer of the past")}"}}, if_match: 1) {{ id }}
        four: voidResponse(id: $id, reason: "{secret.text("reason in a document")}", if_match: 2) {{ status }} }}"""
    answer = planter.send(operation, json={"query": several, "variables": {"id": made["id"]}}, expected=200)
    errors = answer.json()["errors"]
    assert [error["path"] for error in errors] == [["two"], ["three"]]
    planter.refusals.append((operation, httpx.Response(422, json={"errors": errors})))
    looks = f'{{ response(id: "{made["id"]}") {{ answers }} history(id: "{made["id"]}") {{ items {{ changes reason }} }} }}'
    planter.send(operation, json={"query": looks}, expected=200)
    for query in _wrong_documents(secret):
        planter.send(operation, json={"query": query}, expected=400)
    for variables in ({"id": {secret.text("name in a variable"): secret.text("variable")}}, {"id": [[secret.text("list")]]}):
        body = {"query": "query($id: ID!) { response(id: $id) { id } }", "variables": variables}
        planter.send(operation, json=body, expected=400)
    body = {"query": "{ a }", "operationName": secret.text("operation"), "extensions": {"x": secret.text("extension")}}
    planter.send(operation, json=body, expected=400)
    planter.send("GET /v1/legacy/usage", expected=200)
    planter.send("GET /docs/graphql-migration", expected=200)


def _wrong_documents(secret: Canaries) -> Iterator[str]:
    """Documents that cannot be read, or do not fit the schema, with something in each."""
    for document in (
        '{{ response(id: "{}',
        "{{ {} ",
        "{{ {} }}",
        'mutation {{ {}(a: "x") {{ id }} }}',
        '{{ response({}: "x") {{ id }} }}',
        '{{ response(id: {{a: "{}"}}) {{ id }} }}',
        '{{ responses(limit: "{}") {{ next }} }}',
        "{{ ...{} }}",
        "query {}($a: Int) {{ responses {{ next }} }}",
        "query($a: {}) {{ responses {{ next }} }}",
        '{{ response(id: "x") @{} {{ id }} }}',
        "{{ response(id: ${}) {{ id }} }}",
        "# {}\n{{ nothing }}",
    ):
        yield document.format(secret.text(f"document {document}"))

"""The examples of the document, played against a running server: what they send is taken, what they show comes back.

Ids, instants and tokens differ each time; nothing else may.
"""

import json
import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode
from uuid import uuid4

import httpx

from keepwell.domains.factors.routes import examples
from keepwell.kernel.http import FORM
from tests.support.authenticator import Authenticator
from tests.support.load import PASSWORD
from tests.support.mail_server import MailServer
from tests.support.server import Server
from tests.support.totp import app_code
from tests.support.waiting import eventually

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
HOST = "https://clinic.example"
"""Where the server of the examples is."""
_ONCE = {
    "access_token",
    "challenge",
    "codes",
    "expires_in",
    "options",
    "otpauth_uri",
    "refresh_token",
    "request_id",
    "secret",
    "time_to_acknowledge_s",
    "time_to_resolve_s",
    "token",
    "took_ms",
    "zones",
}
NOT_PLAYED = {"POST /v1/keys/leaks"}
"""Without a signature of somebody who may report leaks this is refused: see tests/domains/keys/test_leaks.py."""


class Story:
    """Plays examples of one document. `ids` are the ids of the examples, and those that stand for them here."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self.ids: dict[str, str] = {}
        self.played: set[str] = set()

    def play(
        self, client: httpx.Client, operation: str, query: str = "", version: int | None = None, **path: str
    ) -> httpx.Response:
        """Sends what is shown, and holds the answer against what is shown."""
        answer = self.send(client, operation, query, version, **path)
        if answer.content:
            told = json.loads(answer.text.replace(str(client.base_url).rstrip("/"), HOST))
            assert alike(told) == alike(self.told(operation)), operation
        return answer

    def send(
        self, client: httpx.Client, operation: str, query: str = "", version: int | None = None, **path: str
    ) -> httpx.Response:
        """Sends what is shown, and gets the first status of success."""
        method, template = operation.split(" ")
        described = self._document["paths"][template][method.lower()]
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        content = None
        if "requestBody" in described:
            shown = self._example(described["requestBody"])
            content = self.here(shown if isinstance(shown, str) else json.dumps(shown))
            headers["Content-Type"] = next(iter(described["requestBody"]["content"]))
            if headers["Content-Type"] == FORM:
                content = urlencode(json.loads(content))
        answer = client.request(method, template.format(**path) + query, content=content, headers=headers)
        status = next(status for status in described["responses"] if int(status) < 300)
        assert answer.status_code == int(status), f"{operation}: {answer.status_code} {answer.text}"
        self.played.add(operation)
        return answer

    def bodies(self) -> set[str]:
        """Every operation of the rooms that takes a body."""
        return {
            f"{method.upper()} {path}"
            for path, methods in self._document["paths"].items()
            for method, operation in methods.items()
            if "requestBody" in operation and path.startswith(("/v1/", "/fhir/"))
        }

    def told(self, operation: str) -> Any:
        """What is shown as the answer."""
        method, template = operation.split(" ")
        responses = self._document["paths"][template][method.lower()]["responses"]
        return self._example(next(response for status, response in responses.items() if int(status) < 300))

    def sent(self, operation: str) -> Any:
        """What is shown as the body."""
        method, template = operation.split(" ")
        return self._example(self._document["paths"][template][method.lower()]["requestBody"])

    def _example(self, part: dict[str, Any]) -> Any:
        content = next(iter(part["content"].values()))
        place: Any = self._document
        for step in content["examples"]["usual"]["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        return place["value"]

    def here(self, text: str) -> str:
        """A text of the examples with the ids that things have here."""
        for shown, real in self.ids.items():
            text = text.replace(shown, real)
        return text


def alike(tree: Any) -> Any:
    """A document without what is different each time."""
    if isinstance(tree, dict):
        members = cast("dict[str, Any]", tree)
        return {_ID.sub("<id>", name): "<once>" if name in _ONCE else alike(value) for name, value in members.items()}
    if isinstance(tree, list):
        return [alike(value) for value in cast("list[Any]", tree)]
    return _INSTANT.sub("<instant>", _ID.sub("<id>", tree)) if isinstance(tree, str) else tree


def test_the_examples_tell_a_story_that_the_server_follows(
    server: Server, admin: httpx.Client, clinician: httpx.Client, nobody: httpx.Client, mail: MailServer
):
    story = Story(httpx.get(f"{server.base}/openapi.json").raise_for_status().json())
    form_and_responses(story, clinician)
    people_and_sessions(story, admin, nobody)
    second_factors(story, admin, mail)
    in_fhir(story, clinician, admin)
    enrollment(story, clinician)
    flags(story, admin)
    keys(story, admin, server)
    emergencies(story, clinician, admin)
    vendors(story, admin)
    status_pages(story, admin)
    schedules(story, admin)
    monitors(story, admin)
    server_itself(story, admin, nobody)
    assert story.bodies() - story.played == NOT_PLAYED, "nobody plays these: they could show anything"


def form_and_responses(story: Story, clinician: httpx.Client):
    forms, responses = "/v1/questionnaires", "/v1/responses"
    story.play(clinician, f"POST {forms}/$validate")
    form = story.play(clinician, f"POST {forms}").json()["id"]
    story.play(clinician, f"PUT {forms}/{{id}}", version=1, id=form)
    story.play(clinician, f"POST {forms}/{{id}}/publish", id=form)
    story.play(clinician, f"GET {forms}/{{id}}", id=form)
    url = story.told(f"GET {forms}/{{id}}")["url"]
    story.play(clinician, f"GET {forms}", f"?url={url}")

    story.play(clinician, f"POST {responses}/$validate")
    one = story.play(clinician, f"POST {responses}").json()["id"]
    story.ids[story.told(f"POST {responses}")["id"]] = one
    story.play(clinician, f"POST {responses}/bulk")
    story.play(clinician, "POST /graphql")

    two = story.play(clinician, f"POST {responses}").json()["id"]
    story.play(clinician, f"PATCH {responses}/{{id}}", version=1, id=two)
    story.play(clinician, f"GET {responses}/{{id}}", id=two)
    story.play(clinician, f"GET {responses}/{{id}}/history", "?cursor=1", id=two)
    story.play(clinician, f"GET {responses}/{{id}}/diff", "?from=1&to=2", id=two)
    row = story.play(clinician, f"POST {responses}/{{id}}/rows", id=two).json()["id"]
    story.play(clinician, f"POST {responses}/{{id}}/merge", id=two)
    story.play(clinician, f"DELETE {responses}/{{id}}/rows/{{row}}", version=3, id=two, row=row)
    story.play(clinician, f"POST {responses}/{{id}}/$validate", id=two)
    story.play(clinician, f"POST {responses}/{{id}}/submit", version=4, id=two)
    story.play(clinician, f"GET {responses}", f"?questionnaire={form}&status=completed")
    story.play(clinician, f"POST {responses}/{{id}}/amend", version=5, id=two)
    story.play(clinician, f"POST {responses}/{{id}}/void", version=6, id=two)
    story.play(clinician, f"POST {forms}/{{id}}/retire", id=form)


def people_and_sessions(story: Story, admin: httpx.Client, nobody: httpx.Client):
    tokens = story.play(nobody, "POST /v1/auth/login").json()
    story.ids[story.told("POST /v1/auth/login")["refresh_token"]] = tokens["refresh_token"]
    fresh = story.play(nobody, "POST /v1/auth/refresh").json()
    nobody.headers["Authorization"] = f"Bearer {fresh['access_token']}"
    story.play(nobody, "GET /v1/auth/me")
    story.play(nobody, "GET /v1/auth/login/diagnostic")
    listed = nobody.get("/v1/auth/sessions").json()["items"]
    assert [alike(each) for each in listed if each["current"]] == alike(story.told("GET /v1/auth/sessions"))["items"]

    user = story.play(admin, "POST /v1/users").json()["id"]
    story.play(admin, "GET /v1/users/{id}", id=user)
    items = [alike(each) for each in admin.get("/v1/users", params={"limit": 1000}).json()["items"]]
    assert alike(story.told("GET /v1/users"))["items"][0] in items
    story.play(admin, "PATCH /v1/users/{id}", version=1, id=user)
    made = story.sent("POST /v1/users")
    credentials = {"email": made["email"], "password": made["password"]}
    token = nobody.post("/v1/auth/login", json=credentials).raise_for_status().json()["access_token"]
    with httpx.Client(base_url=nobody.base_url, headers={"Authorization": f"Bearer {token}"}) as newcomer:
        story.play(newcomer, "PUT /v1/auth/password")


def second_factors(story: Story, admin: httpx.Client, mail: MailServer):
    with closing(Newcomer(admin, "clinician")) as me:
        set_up_and_log_in(story, me)
    by_policy(story, admin)
    by_provider(story, admin)
    with closing(Newcomer(admin, "clinician")) as me:
        by_mail(story, me, mail)


def set_up_and_log_in(story: Story, me: "Newcomer"):
    authenticator = Authenticator()
    story.send(me.client, "POST /v1/auth/step-up")
    secret = story.play(me.client, "POST /v1/auth/factors/totp").json()["secret"]
    story.ids[examples.CODE] = app_code(secret, datetime.now(UTC) - timedelta(seconds=30))
    story.play(me.client, "POST /v1/auth/factors/totp/confirm")
    story.play(me.client, "POST /v1/auth/factors/recovery-codes")
    begun = story.play(me.client, "POST /v1/auth/factors/passkeys/options").json()
    story.ids[examples.CHALLENGE] = begun["challenge"]
    story.ids[json.dumps(examples.ATTESTATION)] = json.dumps(authenticator.create(begun["options"]))
    story.play(me.client, "POST /v1/auth/factors/passkeys")
    story.play(me.client, "GET /v1/auth/factors")
    story.play(me.client, "POST /v1/auth/step-up/options")

    story.ids[examples.CHALLENGE] = me.log_in().json()["challenge"]
    story.ids[examples.CODE] = app_code(secret, datetime.now(UTC))
    story.send(me.client, "POST /v1/auth/second-factor")
    options = story.play(me.client, "POST /v1/auth/passkey/options").json()["options"]
    story.ids[json.dumps(examples.ASSERTION)] = json.dumps(authenticator.get(options))
    story.send(me.client, "POST /v1/auth/passkey")


def by_policy(story: Story, admin: httpx.Client):
    story.play(admin, "GET /v1/policy/login")
    story.play(admin, "PUT /v1/policy/login", version=0)
    everything = story.told("GET /v1/policy/login")["allowed"]
    for version, required in ((1, ["patient"]), (2, [])):
        body = {"allowed": everything, "second_factor_required_for": required}
        admin.put("/v1/policy/login", json=body, headers={"If-Match": f'"{version}"'}).raise_for_status()
        if required:
            with closing(Newcomer(admin, "patient")) as patient:
                story.ids[examples.CHALLENGE] = patient.log_in().json()["challenge"]
                story.play(patient.client, "POST /v1/auth/second-factor/enrolment")


def by_provider(story: Story, admin: httpx.Client):
    story.play(admin, "PUT /v1/policy/oidc", version=0)
    story.play(admin, "GET /v1/policy/oidc")


def by_mail(story: Story, me: "Newcomer", mail: MailServer):
    story.ids["clinician@demo.test"] = me.email
    story.play(me.client, "POST /v1/auth/magic-link")
    del story.ids["clinician@demo.test"]
    [message] = eventually(lambda: [each for each in mail.messages if each["To"] == me.email])
    token = message.get_content().partition("token=")[2].split()[0]
    assert me.client.get("/auth/link", params={"token": token}).status_code == 200
    story.ids[examples.CHALLENGE] = token
    story.send(me.client, "POST /v1/auth/magic-link/redeem")


class Newcomer:
    """Somebody whose factors are nobody else's business."""

    def __init__(self, admin: httpx.Client, role: str) -> None:
        self.email = f"{uuid4()}@demo.test"
        person = {"email": self.email, "name": "Somebody", "role": role, "password": PASSWORD}
        admin.post("/v1/users", json=person).raise_for_status()
        self.client = httpx.Client(base_url=admin.base_url, timeout=20, trust_env=False)
        told = self.log_in().json()
        if "access_token" in told:
            self.client.headers["Authorization"] = f"Bearer {told['access_token']}"

    def close(self) -> None:
        self.client.close()

    def log_in(self) -> httpx.Response:
        return self.client.post("/v1/auth/login", json={"email": self.email, "password": PASSWORD})


def in_fhir(story: Story, clinician: httpx.Client, admin: httpx.Client):
    story.play(clinician, "GET /fhir/R4/metadata")
    for type_ in ("Questionnaire", "Patient", "QuestionnaireResponse"):
        path = f"/fhir/R4/{type_}"
        story.play(clinician, f"POST {path}/$validate")
        one = story.play(clinician, f"POST {path}").json()["id"]
        story.ids[story.told(f"POST {path}")["id"]] = one
        story.play(clinician, f"PUT {path}/{{id}}", version=1, id=one)
        story.play(clinician, f"GET {path}/{{id}}", id=one)
        story.play(clinician, f"GET {path}/{{id}}/_history/{{vid}}", id=one, vid="1")
        story.play(clinician, f"GET {path}/{{id}}/_history", "?_count=100", id=one)
        story.play(clinician, f"POST {path}/_search")
        shown = story.told(f"GET {path}")["link"][0]["url"]
        story.play(clinician, f"GET {path}", "?" + story.here(shown.partition("?")[2]))
        if type_ == "Patient":
            story.play(clinician, "GET /v1/participants", "?external_id=E-7")
            story.play(clinician, "GET /v1/participants/{id}", id=one)
            story.play(clinician, "GET /v1/participants/{id}/history", "?cursor=1", id=one)
    story.play(clinician, "POST /fhir/R4")
    story.play(clinician, "POST /fhir/R4/")
    shown = story.told("GET /fhir/R4/AuditEvent/{event}")
    found = story.send(admin, "POST /fhir/R4/AuditEvent/_search").json()["entry"]
    [event] = [one["resource"] for one in found if one["resource"]["subtype"][0]["code"] == "responses.patch"]
    story.ids[shown["id"]] = event["id"]
    assert alike(event) == alike(json.loads(story.here(json.dumps(shown))))
    assert admin.get(f"/fhir/R4/AuditEvent/{event['id']}").json() == event


def enrollment(story: Story, clinician: httpx.Client):
    program = story.play(clinician, "POST /v1/programs").json()["id"]
    story.play(clinician, "GET /v1/programs/{id}", id=program)
    story.play(clinician, "PATCH /v1/programs/{id}", version=1, id=program)
    batch = story.send(clinician, "POST /v1/programs/{id}/batches", id=program).json()["id"]
    eventually(lambda: clinician.get(f"/v1/batches/{batch}").json()["status"] == "completed")
    seen, shown = clinician.get(f"/v1/batches/{batch}").json(), story.told("GET /v1/batches/{id}")
    assert seen.keys() == shown.keys()
    assert seen["rows"]["total"] == shown["rows"]["total"]
    story.send(clinician, "POST /v1/batches/{id}/retry", id=batch)
    people = [one["participant"] for one in clinician.get(f"/v1/batches/{batch}/rows").json()["items"]]
    story.ids[story.told("POST /v1/participants/{id}/merge")["merged_into"]] = people[1]
    merged = story.send(clinician, "POST /v1/participants/{id}/merge", version=1, id=people[0]).json()
    assert merged["merged_into"] == people[1]
    story.send(clinician, "POST /v1/participants/{id}/unmerge", version=2, id=people[0])


def flags(story: Story, admin: httpx.Client):
    key = "merge-by-default"
    story.play(admin, "POST /v1/flags/{key}/evaluate", key=key)
    story.play(admin, "PUT /v1/flags/{key}", version=0, key=key)
    story.play(admin, "GET /v1/flags/{key}", key=key)
    story.play(admin, "GET /v1/flags/{key}/history", key=key)
    assert alike(story.told("GET /v1/flags"))["items"][0] in alike(admin.get("/v1/flags").json())["items"]
    story.play(admin, "PATCH /v1/flags/{key}", version=1, key=key)
    story.play(admin, "POST /v1/flags/{key}/kill", key=key)
    story.play(admin, "POST /v1/flags/{key}/restore", key=key)
    story.play(admin, "POST /v1/flags/{key}/rollout", key=key)
    story.play(admin, "POST /v1/flags/{key}/rollout/stop", key=key)


def keys(story: Story, admin: httpx.Client, server: Server):
    path = "/v1/keys/{id}"
    one = story.play(admin, "POST /v1/keys").json()
    key = one["key"]["id"]
    story.play(admin, f"GET {path}", id=key)
    assert alike(story.told("GET /v1/keys"))["items"][0] in alike(admin.get("/v1/keys").json())["items"]
    story.play(admin, f"PATCH {path}", version=1, id=key)
    successor = story.play(admin, f"POST {path}/rotate", id=key).json()["key"]["id"]
    story.play(admin, f"POST {path}/revoke", id=successor)
    assert story.told(f"GET {path}/activity").keys() == admin.get(f"/v1/keys/{key}/activity").json().keys()
    assert server.cli("keys", "leaked", given=one["token"]).returncode == 0
    incidents(story, admin)


def incidents(story: Story, admin: httpx.Client):
    """The leak of a key has opened one."""
    path = "/v1/incidents/{id}"
    incident = admin.get("/v1/incidents").json()["items"][0]
    assert alike(incident) == alike(story.told("GET /v1/incidents"))["items"][0]
    story.play(admin, f"GET {path}", id=incident["id"])
    users = admin.get("/v1/users").json()["items"]
    story.ids[story.sent(f"POST {path}/assign")["owner"]] = next(each["id"] for each in users if each["role"] == "clinician")
    for action in ("acknowledge", "notes", "assign", "severity", "impact", "resolve"):
        story.play(admin, f"POST {path}/{action}", id=incident["id"])
    channels(story, admin)


def channels(story: Story, admin: httpx.Client):
    path = "/v1/channels/{id}"
    channel = story.play(admin, "POST /v1/channels").json()["id"]
    story.play(admin, f"GET {path}", id=channel)
    assert alike(story.told("GET /v1/channels"))["items"][0] in alike(admin.get("/v1/channels").json())["items"]
    story.play(admin, f"PATCH {path}", version=1, id=channel)
    story.send(admin, f"DELETE {path}", version=2, id=channel)


def emergencies(story: Story, clinician: httpx.Client, admin: httpx.Client):
    path = "/v1/break-glass/{id}"
    begun = story.play(clinician, "POST /v1/break-glass").json()["break_glass"]["id"]
    story.play(clinician, f"POST {path}/end", id=begun)
    story.play(admin, f"POST {path}/review", id=begun)
    story.play(admin, f"GET {path}", id=begun)
    assert alike(story.told("GET /v1/break-glass"))["items"][0] in alike(admin.get("/v1/break-glass").json())["items"]


def vendors(story: Story, admin: httpx.Client):
    path = "/v1/vendors/{id}"
    one = story.play(admin, "POST /v1/vendors").json()["id"]
    story.play(admin, f"GET {path}", id=one)
    story.play(admin, f"PATCH {path}", version=1, id=one)
    story.play(admin, f"POST {path}/agreements", id=one)
    story.play(admin, f"POST {path}/end", id=one)


def status_pages(story: Story, admin: httpx.Client):
    path = "/v1/status-pages/{id}"
    one = story.play(admin, "POST /v1/status-pages").json()["id"]
    story.play(admin, f"GET {path}", id=one)
    story.play(admin, f"PATCH {path}", version=1, id=one)


def schedules(story: Story, admin: httpx.Client):
    path = "/v1/schedules/{id}"
    one = story.play(admin, "POST /v1/schedules").json()["id"]
    story.play(admin, f"GET {path}", id=one)


def monitors(story: Story, admin: httpx.Client):
    path = "/v1/monitors/{id}"
    one = story.play(admin, "POST /v1/monitors").json()["id"]
    story.play(admin, f"GET {path}", id=one)
    story.play(admin, f"PATCH {path}", version=1, id=one)
    story.play(admin, f"POST {path}/pause", id=one)
    story.play(admin, f"POST {path}/resume", id=one)
    story.play(admin, f"POST {path}/check", id=one)
    for what in ("results", "uptime", "status", "transitions", "dead-checks"):
        assert admin.get(f"/v1/monitors/{one}/{what}").status_code == 200
    story.play(admin, "POST /v1/monitors/import")


def server_itself(story: Story, admin: httpx.Client, nobody: httpx.Client):
    story.play(nobody, "GET /health/live")
    story.play(nobody, "GET /health/ready")
    story.play(nobody, "GET /problems/{code}", code="not-found")
    assert story.told("GET /problems")["items"][0] in nobody.get("/problems").json()["items"]
    shown = story.told("GET /v1/audit")["items"][0]
    found = admin.get("/v1/audit", params={"entity": "response/" + story.ids[shown["entity"]["id"]]}).json()["items"]
    changes = [alike(each) for each in found if each["event"] == "changed"]
    assert changes == [alike(shown)]

"""Every example of the HTTP page, sent to a running server: it knows the route, the parameters and the fields.

What the example finds there is another matter: its versions and answers are of a story that nobody tells here.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from keepwell.main.demo import clinic
from tests.contracts.conftest import ADMIN
from tests.support.load import CLINICIAN, PASSWORD
from tests.support.server import Server

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
EXAMPLES = re.findall(r"^    (curl (?:.*\\\n)*.*)$", PAGE.read_text(), re.MULTILINE)
MISUNDERSTOOD = {
    "forbidden",
    "invalid-body",
    "invalid-header",
    "invalid-parameter",
    "malformed-json",
    "method-not-allowed",
    "precondition-required",
    "unauthenticated",
    "unsupported-media-type",
}
PEOPLE = "external_id,given_name\nE-1,Ann\n"
NOT_THERE = ("$session", "$notification", "$row", "$passkey", "$job", "/factors/totp A", "/policy/oidc A", "/oidc/demo/start")
"""Examples about what nobody here has."""


def logged_in(base: str, email: str) -> dict[str, Any]:
    return httpx.post(f"{base}/v1/auth/login", json={"email": email, "password": PASSWORD}).raise_for_status().json()


def post(base: str, path: str, token: str, body: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{base}{path}", json=body, headers=headers).raise_for_status().json()


def intake(status: str) -> dict[str, Any]:
    form = next(form for form in clinic.questionnaires() if "adult-intake" in form["url"])
    return {**form, "status": status, "url": f"urn:uuid:{uuid4()}"}


@pytest.fixture(scope="module")
def variables(server: Server) -> dict[str, str]:
    """What the page's shell variables stand for."""
    spare, session = logged_in(server.base, CLINICIAN), logged_in(server.base, ADMIN)
    token = session["access_token"]
    form = post(server.base, "/v1/questionnaires", token, intake("active"))["id"]
    response = post(server.base, "/v1/responses", token, {"questionnaire": form})["id"]
    for version in range(1, 6):
        change = {"answers": {"pronouns": "they"}}
        headers = {"Authorization": f"Bearer {token}", "If-Match": f'"{version}"'}
        httpx.patch(f"{server.base}/v1/responses/{response}", json=change, headers=headers).raise_for_status()
    person = {"email": f"{uuid4()}@demo.test", "name": "Somebody", "role": "clinician", "password": PASSWORD}
    user = post(server.base, "/v1/users", token, person)["id"]
    post(server.base, "/v1/auth/factors/totp", logged_in(server.base, person["email"])["access_token"], None)
    issued = post(server.base, "/v1/keys", token, {"name": "Import", "scopes": ["system/Questionnaire.rs"]})
    assert server.cli("keys", "leaked", given=issued["token"]).returncode == 0
    incidents = httpx.get(f"{server.base}/v1/incidents", headers={"Authorization": f"Bearer {token}"}).json()["items"]
    emergency = post(server.base, "/v1/break-glass", spare["access_token"], {"reason": "something that cannot wait"})
    channel = post(server.base, "/v1/channels", token, {"kind": "webhook", "url": "https://hooks.invalid/"})
    slug = uuid4().hex[:12]
    shown = post(server.base, "/v1/status-pages", token, {"slug": slug, "title": "Services", "published": True})
    vendor = post(server.base, "/v1/vendors", token, {"name": str(uuid4()), "touches": []})
    spring = {"name": "Spring", "time_zone": "Asia/Tokyo", "opens": "2020-01-01", "closes": "2090-12-31"}
    program = post(server.base, "/v1/programs", token, spring)["id"]
    csv = {"Authorization": f"Bearer {token}", "Content-Type": "text/csv"}
    uploaded = httpx.post(f"{server.base}/v1/programs/{program}/batches?dry_run=true", content=PEOPLE, headers=csv)
    nightly = {"task": "flags.report-stale", "cron": "30 2 * * *", "time_zone": "Asia/Tokyo"}
    nightly_export = {"name": "Export", "kind": "heartbeat", "heartbeat": {"period_s": 3600}}
    heartbeat = post(server.base, "/v1/monitors", token, nightly_export)
    portal = {"name": "Portal", "target": "https://portal.clinic.example"}
    return {
        "base": server.base,
        "monitor": post(server.base, "/v1/monitors", token, portal)["id"],
        "heartbeat": heartbeat["id"],
        "beat": heartbeat["heartbeat_token"],
        "program": program,
        "batch": uploaded.raise_for_status().json()["id"],
        "other": post(server.base, "/fhir/R4/Patient", token, {"resourceType": "Patient"})["id"],
        "schedule": post(server.base, "/v1/schedules", token, nightly)["id"],
        "apikey": post(server.base, "/v1/keys", token, {"name": "Import", "scopes": ["system/Questionnaire.rs"]})["key"]["id"],
        "incident": incidents[0]["id"],
        "channel": channel["id"],
        "notification": str(uuid4()),
        "emergency": emergency["break_glass"]["id"],
        "vendor": vendor["id"],
        "page": shown["id"],
        "slug": slug,
        "token": token,
        "refresh": spare["refresh_token"],
        "session": str(uuid4()),
        "passkey": str(uuid4()),
        "job": str(uuid4()),
        "challenge": "kwt_of-another-time",
        "user": user,
        "form": form,
        "patient": post(server.base, "/fhir/R4/Patient", token, {"resourceType": "Patient"})["id"],
        "event": post(server.base, "/fhir/R4/AuditEvent/_search", token, None)["entry"][0]["resource"]["id"],
        "response": response,
        "row": str(uuid4()),
    }


def request(example: str, variables: dict[str, str]) -> httpx.Request:
    """The request that curl would send."""
    text = re.sub(r" A\b", ' -H "authorization: Bearer $token"', example.replace(" J", " -H 'content-type: application/json'"))
    method, url, headers, body = "", "", dict[str, str](), None
    words: Iterator[str] = iter(shlex.split(text.replace("\\\n", " "))[1:])
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "-H":
                name, _, value = filled(next(words), variables).partition(": ")
                headers[name] = value
            case "-o":
                next(words)
            case "-d" | "--data-binary":
                body = filled(next(words), variables)
            case _ if not word.startswith("-"):
                url = filled(word, variables)
            case _:
                assert word in ("-s", "-i", "-si", "-sN"), word
    if body == "@people.csv":
        body = PEOPLE
    elif body is not None and body.startswith("@"):
        body = msgspec.json.encode(intake("draft")).decode()
    return httpx.Request(method or ("GET" if body is None else "POST"), url, headers=headers, content=body)


def filled(word: str, variables: dict[str, str]) -> str:
    return re.sub(r"(?<!\\)\$([a-z]+)", lambda found: variables.get(found[1], found[0]), word).replace("\\$", "$")


def as_problem(refusal: dict[str, Any]) -> dict[str, Any]:
    """The code and detail of a refusal, in whichever envelope it came."""
    if refusal.get("resourceType") != "OperationOutcome":
        return refusal
    issue = refusal["issue"][0]
    return {"code": issue["details"]["coding"][0]["code"], "detail": issue["diagnostics"], "issue": refusal["issue"]}


@pytest.mark.parametrize("example", [example for example in EXAMPLES if "logout" not in example])
def test_the_server_understands_every_example(example: str, variables: dict[str, str]):
    with httpx.Client(timeout=20) as client:
        answer = client.send(request(example, variables), stream=True)
        if answer.headers.get("content-type") != "text/event-stream":  # that has no end
            answer.read()
        answer.close()
    if answer.status_code >= 400:
        problem = as_problem(answer.json())
        assert problem["code"] not in MISUNDERSTOOD, problem
        assert problem["detail"] != "Check the address and the id." or any(each in example for each in NOT_THERE), problem

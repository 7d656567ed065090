"""The FHIR door as its callers see it: every resource it answers with has to be one by an independent reading of R4."""

from collections.abc import Mapping
from typing import Any

import httpx
from fhir.resources.R4B import get_fhir_model_class

from keepwell.domains.fhir.models import BASE

Json = dict[str, Any]
FORM = {"content-type": "application/x-www-form-urlencoded"}


def parsed(resource: Json) -> Json:
    """The resource, once it was found to be well-formed by `fhir.resources`, which knows R4B: for these types it is R4."""
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    return resource


class Fhir:
    """Speaks FHIR through an HTTP client, in somebody's name where `who` has the headers for that."""

    def __init__(self, http: httpx.AsyncClient, who: Mapping[str, str] | None = None) -> None:
        self._http = http
        self._who = dict(who or {})

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        named = self._who | {name.replace("_", "-"): value for name, value in headers.items()}
        content: dict[str, Any] = {} if body is None else {"json": body}
        answer = await self._http.request(method, f"{BASE}{path}", headers=named, **content)
        if answer.content and answer.request.method != "HEAD":
            assert answer.headers["content-type"] == "application/fhir+json"
            parsed(answer.json())
        return answer

    async def get(self, path: str, status: int = 200, **headers: str) -> Json:
        answer = await self.send("GET", path, **headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def post(self, path: str, body: Any, status: int = 201, **headers: str) -> Json:
        answer = await self.send("POST", path, body, **headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def put(self, resource: Json, version: int | None, status: int = 200, **headers: str) -> Json:
        match = {} if version is None else {"if_match": f'W/"{version}"'}
        answer = await self.send("PUT", f"/{resource['resourceType']}/{resource['id']}", resource, **match, **headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def found(self, path: str) -> list[str]:
        """The ids that a search finds on its first page."""
        bundle = await self.get(path)
        assert bundle["type"] == "searchset"
        return [entry["resource"]["id"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == "match"]


def refusal(answer: httpx.Response | Json, status: int, code: str) -> list[tuple[str, str]]:
    """Holds a refusal to the shape of an OperationOutcome with our stable code; where each issue points, and its own code."""
    outcome = answer
    if isinstance(answer, httpx.Response):
        assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
        assert answer.headers["content-type"] == "application/fhir+json"
        outcome = answer.json()
        told = {one["url"]: one.get("valueString") for one in outcome["extension"]}
        assert told["urn:keepwell:request-id"] == answer.headers["x-request-id"]
        if status in (429, 503):
            assert int(answer.headers["retry-after"]) >= 1
    return issues(outcome, code)


def issues(outcome: Any, code: str) -> list[tuple[str, str]]:
    """Where each issue of a refusal with this code points, and its own code; empty texts where it has none."""
    parsed(outcome)
    found: list[tuple[str, str]] = []
    for issue in outcome["issue"]:
        first, *more = issue["details"]["coding"]
        assert issue["severity"] == "error"
        assert (first["system"], first["code"]) == ("/problems", code), outcome
        found.append((issue.get("expression", [""])[0], more[0]["code"] if more else ""))
    return found


def faults(outcome: Json) -> list[tuple[str, str]]:
    """Where each error of a verdict points, and its code."""
    parsed(outcome)
    errors = [issue for issue in outcome["issue"] if issue["severity"] == "error"]
    return [(issue["expression"][0], issue["details"]["coding"][0]["code"]) for issue in errors]


def answered(questionnaire: str, *items: Json, status: str = "in-progress", **elements: Any) -> Json:
    """A QuestionnaireResponse to send."""
    resource: Json = {"resourceType": "QuestionnaireResponse", "questionnaire": questionnaire, "status": status, **elements}
    return {**resource, "item": list(items)} if items else resource


def given(link_id: str, *answers: Json, **elements: Any) -> Json:
    """An item with answers."""
    return {"linkId": link_id, "answer": list(answers), **elements}


def text(link_id: str, *values: str) -> Json:
    return given(link_id, *({"valueString": value} for value in values))


def patient(family: str = "Doe", *given_names: str, **elements: Any) -> Json:
    name: Json = {"family": family, **({"given": list(given_names)} if given_names else {})}
    return {"resourceType": "Patient", "name": [name], **elements}

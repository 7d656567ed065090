"""Asks a running server for every row of the matrix of permissions, as everybody, about everything; says where it disagrees."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import uuid4

import httpx

from keepwell.kernel.http import FORM
from tests.support.forms import form, item
from tests.support.load import PASSWORD
from tests.support.matrix import ROLES, Ids, Row

Json = dict[str, Any]
DONE = {200, 201, 202, 204, 409, 412}
"""Who may, is answered one of these: a change is sent for a version that nothing has, so that nothing is lost by it."""
HIDDEN = {403, 404}
PROGRAM = {"name": "Spring", "time_zone": "Europe/Berlin", "opens": "2020-01-01", "closes": "2090-12-31"}
SCHEDULE = {"task": "flags.report-stale", "cron": "30 2 * * *", "time_zone": "Europe/Berlin"}
MONITOR = {"name": "Export", "kind": "heartbeat", "heartbeat": {"period_s": 3600}}
VENDOR = {"name": "Pharmacy", "touches": ["prescriptions"], "contact": "privacy@pharmacy.example"}


class Clinic(NamedTuple):
    """A clinic with one of everything, by the kind; `own` are things of one person, by role. `tokens` are those of each role.

    Nobody ever asks for what is `unnamed`: it may be seen in lists only.
    """

    tokens: dict[str, str]
    people: Mapping[str, str]
    things: Mapping[str, str]
    own: Mapping[str, Mapping[str, str]]
    ids: Ids
    unnamed: Mapping[str, str]

    def naming(self, target: str) -> Ids:
        return self.ids._replace(target=target)


class Asker:
    """One server, with a clinic and another one. `slug` names the first; its people are `<role>@<slug>.test`."""

    def __init__(self, http: httpx.AsyncClient, document: Json, slug: str) -> None:
        self.asked: dict[str, list[str]] = {}
        """The request ids under which each operation was asked for."""
        self._http = http
        self._document = document
        self._slug = slug

    async def disagreements(self, here: Clinic, there: Clinic, rows: Mapping[str, Row]) -> list[str]:
        """One line for each cell of the matrix that the server does not keep to."""
        found: list[str] = []
        for operation, row in rows.items():
            for role in (*ROLES, "anonymous"):
                found += [f"{operation} by {role}: {said}" for said in await self._cell(operation, row, role, here, there)]
        return found

    async def _cell(self, operation: str, row: Row, role: str, here: Clinic, there: Clinic) -> list[str]:
        async def ask(clinic: Clinic, target: str) -> httpx.Response:
            answer = await self._ask(operation, row, here.tokens.get(role), clinic.naming(target))
            if row.fresh and role in here.tokens:
                here.tokens[role] = (await log_in(self._http, f"{role}@{self._slug}.test"))["access_token"]
            return answer

        usual = here.things.get(row.names, "")
        answer = await ask(here, usual)
        status = row.judge(answer)
        if row.public:
            return [] if status < 400 else [f"public, and answered {status} {answer.text[:200]}"]
        if role == "anonymous":
            return [] if status == 401 else [f"no credentials, and answered {status}"]
        extent = row.extent(role)
        if extent == "no":
            return [] if status == 403 else [f"should be refused, and was answered {status} {answer.text[:200]}"]
        problems: list[str] = []
        if not row.names or extent == "all":
            problems += [] if status in DONE else [f"should be allowed, and was answered {status} {answer.text[:200]}"]
        elif status not in HIDDEN:
            problems.append(f"somebody else's, and answered {status}")
        if row.names and extent == "own":
            mine = await ask(here, here.own[row.names][role])
            problems += [] if row.judge(mine) in DONE else [f"their own, and answered {mine.status_code} {mine.text[:200]}"]
        if row.names and row.names != "subject":
            theirs = row.judge(await ask(there, there.things[row.names]))
            hidden = theirs == 404 or (theirs == 403 and extent == "own")
            problems += [] if hidden else [f"another clinic's, and answered {theirs}"]
        return problems + [f"shows {name}" for name in shown(answer, row, role, here, there)]

    async def _ask(self, operation: str, row: Row, token: str | None, ids: Ids) -> httpx.Response:
        method, template = operation.split(" ")
        request_id = str(uuid4())
        self.asked.setdefault(operation, []).append(request_id)
        headers = {"X-Request-ID": request_id}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        described = self._document["paths"][template][method.lower()]
        if any(each["name"] == "If-Match" for each in described["parameters"]):
            headers["If-Match"] = '"999"'
        content = None
        if "requestBody" in described:
            body = self._shown(described["requestBody"]) if row.body is None else row.body(ids)
            headers["Content-Type"], *_ = described["requestBody"]["content"]
            written = urlencode(body) if headers["Content-Type"] == FORM else json.dumps(body)
            content = body if isinstance(body, str) else written
        some = {
            "row": 1 if "/batches/" in template else uuid4(),
            "vid": 1,
            "key": "merge-by-default",
            "code": "not-found",
            "clinic": "nowhere",
            "slug": "nothing",
            "token": "nobody's",
        }
        path = template.format(id=ids.target or uuid4(), event=ids.target, **some)
        async with self._http.stream(method, path + row.query, headers=headers, content=content) as answer:
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):  # that has no end
                await answer.aread()
            else:
                answer._content = b""  # pyright: ignore[reportPrivateUsage]
        return answer

    def _shown(self, part: Json) -> Any:
        [content] = part["content"].values()
        place: Any = self._document
        for step in content["examples"]["usual"]["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        return place["value"]


def shown(answer: httpx.Response, row: Row, role: str, here: Clinic, there: Clinic) -> list[str]:
    """What an answer shows and should not: things of another clinic, and other people's where only one's own may be."""
    if row.names or row.extent(role) == "no":
        return []
    found = [f"the {kind} of another clinic" for kind, id_ in there.unnamed.items() if id_ in answer.text]
    if row.extent(role) == "own":
        found += [f"somebody else's {kind}" for kind in ("response", "session") if here.things[kind] in answer.text]
    return found


async def log_in(http: httpx.AsyncClient, email: str) -> Json:
    answer = await http.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def with_a_factor(http: httpx.AsyncClient, email: str) -> str:
    """A session of somebody who has begun to set up an app."""
    login = await log_in(http, email)
    async with acting(http, login["access_token"]) as person:
        offered = await person.post("/v1/auth/factors/totp")
        assert offered.status_code == 201, offered.text
    return login["session_id"]


async def emergency(http: httpx.AsyncClient, token: str) -> str:
    """Emergency access that somebody has begun."""
    async with acting(http, token) as person:
        started = await person.post("/v1/break-glass", json={"reason": "Nobody else is reachable", "minutes": 30})
        assert started.status_code == 201, started.text
        return started.json()["break_glass"]["id"]


@asynccontextmanager
async def acting(http: httpx.AsyncClient, token: str) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the same server under somebody's name."""
    async with httpx.AsyncClient(base_url=http.base_url, timeout=20, headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


async def furnished(http: httpx.AsyncClient, slug: str) -> Clinic:
    """A clinic that has its people and an incident already, once it has one of everything."""
    logins = {role: await log_in(http, f"{role}@{slug}.test") for role in ROLES}
    tokens = {role: login["access_token"] for role, login in logins.items()}
    people = {role: login["user"]["id"] for role, login in logins.items()}
    async with acting(http, tokens["admin"]) as admin, acting(http, tokens["patient"]) as patient:
        resource = form(item("a"), item("group", "group", item("x"), repeats=True), url=f"urn:uuid:{uuid4()}", version="1")
        other = {"email": f"other@{slug}.test", "name": "Other", "role": "patient", "password": PASSWORD}
        made = {
            "user": await made_by(admin, "/v1/users", other),
            "form": await made_by(admin, "/v1/questionnaires", resource),
            "participant": await made_by(admin, "/fhir/R4/Patient", {"resourceType": "Patient"}),
            "session": await with_a_factor(http, other["email"]),
            "subject": f"Patient/{uuid4()}",
            "program": await made_by(admin, "/v1/programs", PROGRAM),
            "schedule": await made_by(admin, "/v1/schedules", SCHEDULE),
            "monitor": await made_by(admin, "/v1/monitors", MONITOR),
            "vendor": await made_by(admin, "/v1/vendors", VENDOR),
            "status-page": await made_by(admin, "/v1/status-pages", {"slug": "seen", "title": "Seen", "published": True}),
        }
        made["key"] = (await admin.post("/v1/keys", json={"name": "A key", "scopes": ["user/Patient.r"]})).json()["key"]["id"]
        [incident] = (await admin.get("/v1/incidents")).json()["items"]
        made["incident"] = incident["id"]
        for what in ("channel", "notification"):
            [made[what]] = [one["id"] for one in (await admin.get(f"/v1/{what}s")).json()["items"]]
        batches = f"/v1/programs/{made['program']}/batches?dry_run=true"
        uploaded = await admin.post(batches, content="external_id\nA-1\n", headers={"Content-Type": "text/csv"})
        made["batch"] = uploaded.json()["id"]
        colleague = {**other, "email": f"colleague@{slug}.test", "role": "clinician"}
        await made_by(admin, "/v1/users", colleague)
        made["emergency"] = await emergency(http, (await log_in(http, colleague["email"]))["access_token"])
        begun = {"questionnaire": made["form"]}
        made["response"] = await made_by(admin, "/v1/responses", {**begun, "subject": made["subject"]})
        mine = await made_by(patient, "/v1/responses", begun)
        unnamed = {
            "form": await made_by(admin, "/v1/questionnaires", {**resource, "url": f"urn:uuid:{uuid4()}"}),
            "participant": await made_by(admin, "/fhir/R4/Patient", {"resourceType": "Patient"}),
            "response": await made_by(admin, "/v1/responses", begun),
            "person": people["clinician"],
        }
        await admin.put("/v1/flags/merge-by-default", json={"basis_points": 10}, headers={"If-Match": '"0"'})
        found = await admin.post("/fhir/R4/AuditEvent/_search", headers={"Content-Type": FORM})
        made["event"] = found.json()["entry"][0]["resource"]["id"]
    spare = {role: await log_in(http, f"{role}@{slug}.test") for role in ROLES}
    own = {
        "user": people,
        "session": {role: login["session_id"] for role, login in spare.items()},
        "response": {"patient": mine},
        "subject": {"patient": f"Patient/{people['patient']}"},
        "emergency": {"clinician": await emergency(http, tokens["clinician"])},
    }
    refresh = (await log_in(http, f"admin@{slug}.test"))["refresh_token"]
    return Clinic(tokens, people, made, own, Ids("", made["form"], f"{resource['url']}|1", resource, refresh), unnamed)


async def made_by(client: httpx.AsyncClient, path: str, body: Json) -> str:
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]

"""One process with every door, two clinics, and somebody in each role; and what a scenario left behind, to be compared."""

import base64
import re
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import msgspec
import psycopg
from prometheus_client import REGISTRY

from keepwell.domains.identity import Role
from keepwell.domains.tenants import operator
from keepwell.kernel import Origin, Permission, Read
from keepwell.kernel.http import USUAL
from keepwell.kit.ids import new_id
from keepwell.main.addresses import Addresses
from keepwell.main.app import application
from keepwell.main.parts import Parts
from keepwell.platform.settings import ProcessKind, Settings
from tests.support.cluster import DatabaseUrls
from tests.support.forms import form, item
from tests.support.http_server import serving

PASSWORD = "keepwell-demo-pass"
FORM = form(
    item("name", required=True),
    item("age", "integer"),
    item("note"),
    item("visit", "group", item("reason"), item("place"), repeats=True),
    title="Parity",
)
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PEOPLE: tuple[tuple[str, str, Role], ...] = (
    ("clinician", "clinic", "clinician"),
    ("colleague", "clinic", "clinician"),
    ("hasty", "clinic", "clinician"),
    ("patient", "clinic", "patient"),
    ("stranger", "other", "clinician"),
)
_ORIGIN = Origin("cli", "parity", purpose="HSYSADMIN")


@dataclass
class Person:
    """Somebody who calls. `subject` is the compartment of a patient."""

    name: str
    id: UUID
    tenant: UUID
    token: str
    subject: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}


class Evidence(msgspec.Struct, frozen=True):
    """What a scenario left behind, without what no two runs have in common: ids, instants, and the door's own name."""

    stored: list[Any]
    journal: list[Any]
    refusals: list[Any]
    commands: dict[str, int]
    doors: list[str]


@dataclass
class Stage:
    """Where scenarios are played."""

    base: str
    parts: Parts
    urls: DatabaseUrls
    http: httpx.AsyncClient
    people: dict[str, Person] = field(default_factory=dict[str, Person])
    questionnaire: str = ""
    draft: str = ""

    async def evidence(self, responses: list[UUID], before: Counter[str]) -> Evidence:
        """What is there of these responses, in the order they came to be."""
        stored, journal, doors = list[Any](), list[Any](), list[str]()
        refusals = self._refusals(responses)
        commands = {name: count - before[name] for name, count in self.commands().items() if count != before[name]}
        for id_ in responses:
            read = Read("response", id_, operator(self.tenant), _ORIGIN, Permission("QuestionnaireResponse", "r"))
            snapshot = await self.parts.kernel.read(read)
            stored.append(self._plain(snapshot.state))
            for entry in await self.parts.kernel.history(read):
                doors.append(entry.door)
                told = (entry.version, entry.command, self._name(entry.actor), entry.role, entry.purpose)
                journal.append([*told, type(entry.event).__name__, self._plain(entry.event)])
        return Evidence(stored, journal, refusals, commands, doors)

    async def use_up(self, person: Person) -> None:
        """Lets somebody ask until they may ask no more."""
        actor = self.parts.rooms.authenticate(person.headers["authorization"])
        while (await self.parts.rates.spend(USUAL, None, actor)).refusal is None:
            pass

    @property
    def tenant(self) -> UUID:
        return self.people["clinician"].tenant

    def commands(self) -> Counter[str]:
        """How often each command on responses had each outcome, over all doors."""
        found: Counter[str] = Counter()
        for metric in REGISTRY.collect():
            for sample in metric.samples:
                if sample.name == "keepwell_commands_total" and sample.labels["command"].startswith("responses."):
                    found[f"{sample.labels['command']} {sample.labels['outcome']}"] = int(sample.value)
        return found

    def _refusals(self, responses: list[UUID]) -> list[Any]:
        """The records of what was refused or replayed: action, outcome, role. What was seen along the way is another matter."""
        ours = "entity = ANY(%s) AND (action LIKE 'responses.%%' OR outcome <> 'ok')"
        sql = f"SELECT action, outcome, role FROM access_record WHERE {ours} ORDER BY at, id".encode()
        with psycopg.connect(self.urls.superuser, autocommit=True) as connection:
            return [list(row) for row in connection.execute(sql, (responses,))]

    def _name(self, actor: UUID) -> str:
        return next((person.name for person in self.people.values() if person.id == actor), "nobody")

    def _plain(self, value: Any) -> Any:
        """A state or event as JSON has it; ids of rows, which no two runs have in common, by the order they stand in."""
        text = msgspec.json.encode(value).decode()
        known = {self.questionnaire, *(str(person.id) for person in self.people.values())}
        for number, id_ in enumerate(each for each in dict.fromkeys(_ID.findall(text)) if each not in known):
            text = text.replace(id_, f"id-{number}")
        return msgspec.json.decode(text)


@asynccontextmanager
async def staged(urls: DatabaseUrls, valkey_url: str) -> AsyncGenerator[Stage]:
    """A process of the product over a database of its own."""
    given: dict[str, Any] = {
        "_env_file": None,
        "master_key": base64.b64encode(b"p" * 32).decode(),
        "valkey_timeout_ms": 1000,
        "rate_user": "0.1:5000",  # whoever has used it up waits ten seconds for the next one
    }
    parts = Parts(Settings(**given), Addresses(urls.app, urls.owner, urls.auditor, valkey_url), ProcessKind.API)
    async with serving(application(parts)) as base, httpx.AsyncClient(base_url=base, timeout=20, trust_env=False) as http:
        stage = Stage(base, parts, urls, http)
        await _fill(stage)
        yield stage


async def _fill(stage: Stage) -> None:
    rooms, http = stage.parts.rooms, stage.http
    clinics = {slug: await rooms.tenants.ensure(slug, slug.title(), _ORIGIN) for slug in ("clinic", "other")}
    for name, clinic, role in _PEOPLE:
        tenant, email = clinics[clinic].id, f"{name}@parity.test"
        user = await rooms.identity.users.create_user(tenant, email, name, role, PASSWORD, _ORIGIN)
        login = await http.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
        token = login.raise_for_status().json()["access_token"]
        stage.people[name] = Person(name, user.id, tenant, token, f"Patient/{user.id}")
    headers = stage.people["clinician"].headers
    published, draft = {**FORM, "url": f"urn:uuid:{new_id()}", "version": "1"}, {**FORM, "status": "draft"}
    made = [await http.post("/v1/questionnaires", json=each, headers=headers) for each in (published, draft)]
    stage.questionnaire, stage.draft = [each.raise_for_status().json()["id"] for each in made]

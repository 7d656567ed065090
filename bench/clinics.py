"""Clinics, people and responses to put load on, made as users make them: real log-ins, a published form, created responses."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec

from bench.wrk import Target
from keepwell.domains import identity, tenants
from keepwell.kernel import Catalog, Kernel, Limits, Origin
from keepwell.kernel.keys import KeyRing
from keepwell.kit.ids import new_id
from keepwell.kit.time import SystemClock
from keepwell.platform.embedded import EmbeddedServers
from keepwell.platform.master_key import master_key
from keepwell.platform.postgres import Database, PoolSettings
from keepwell.platform.settings import Settings

PASSWORD = "bench-pass-for-nobody"  # noqa: S105 - of accounts that live as long as a bench
_ORIGIN = Origin("cli", "bench-set-up")
_ITEMS = 12
_AT_ONCE = 8
_FIELDS = "id questionnaire canonical questionnaire_version subject status version answers rows elements created_at updated_at"


def form() -> dict[str, Any]:
    """A questionnaire with twelve questions to be answered in words: its responses are stored in about 600 bytes."""
    items = [
        {"linkId": f"question-{n:02}", "text": f"Question {n}", "type": "string", "required": n % 2 == 0} for n in range(_ITEMS)
    ]
    return {
        "resourceType": "Questionnaire",
        "url": f"https://bench.example/fhir/Questionnaire/{new_id()}",
        "version": "1.0.0",
        "name": "Twelve",
        "title": "Twelve questions",
        "status": "draft",
        "subjectType": ["Patient"],
        "item": items,
    }


def answers() -> dict[str, str]:
    """An answer to every question."""
    return {f"question-{n:02}": f"An answer of usual length, {n:02}" for n in range(_ITEMS)}


def change() -> str:
    """The body of a PATCH of one answer. The @ is replaced by a number that rises with every request."""
    return msgspec.json.encode({"answers": {"question-07": "Another answer, @"}}).decode()


class Opened(msgspec.Struct, frozen=True):
    """A clinic with somebody in it who may fill in forms."""

    slug: str
    email: str


async def open_clinics(servers: EmbeddedServers, data: Path, slugs: Sequence[str]) -> list[Opened]:
    """Opens clinics with one clinician each, by the services that the command line uses."""
    database = Database(PoolSettings(servers.app_url))
    await database.open()
    clock = SystemClock()
    ring = KeyRing(master_key(Settings(data_dir=data, database_url=None, master_key=None, master_key_file=None)), clock)
    kernel = Kernel(database, Catalog((*tenants.AGGREGATES, *identity.AGGREGATES)), ring, clock, Limits())
    clinics = tenants.TenantService(kernel)
    people = identity.IdentityService(kernel, clinics)

    async def one(slug: str) -> Opened:
        clinic = await clinics.ensure(slug, f"Clinic {slug}", _ORIGIN)
        email = f"clinician@{slug}.test"
        await people.users.create_user(clinic.id, email, "A clinician", "clinician", PASSWORD, _ORIGIN)
        return Opened(slug, email)

    try:
        return await _limited(one, slugs)
    finally:
        people.close()
        await kernel.close()
        await database.close()


async def targets(url: str, clinic: Opened, count: int) -> list[Target]:
    """Logs in, publishes the form, and begins `count` responses with all questions answered."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        login = await _sent(
            client.post("/v1/auth/login", json={"email": clinic.email, "password": PASSWORD, "clinic": clinic.slug})
        )
        token = login["access_token"]
        client.headers["authorization"] = f"Bearer {token}"
        created = await client.post("/v1/questionnaires", json=form())
        questionnaire = (await _sent_already(created))["id"]
        published = client.post(f"/v1/questionnaires/{questionnaire}/publish", headers={"if-match": created.headers["etag"]})
        await _sent(published)

        async def begin(_: int) -> Target:
            body = {"questionnaire": questionnaire, "answers": answers()}
            response = await _sent(client.post("/v1/responses", json=body))
            return Target(UUID(response["id"]), f"/v1/responses/{response['id']}", token, response["version"], change())

        return await _limited(begin, range(count))


def through_fhir(targets: Sequence[Target]) -> list[Target]:
    """The same responses as FHIR resources."""
    return [msgspec.structs.replace(target, path=f"/fhir/R4/QuestionnaireResponse/{target.id}") for target in targets]


def through_graphql(targets: Sequence[Target]) -> list[Target]:
    """A document for each response that asks for all that REST answers with."""
    query = f"query One($id: ID!) {{ response(id: $id) {{ {_FIELDS} }} }}"
    return [
        msgspec.structs.replace(
            target, path="/graphql", body=msgspec.json.encode({"query": query, "variables": {"id": target.id}}).decode()
        )
        for target in targets
    ]


async def many_targets(url: str, clinics: Sequence[Opened]) -> list[Target]:
    """One response in each clinic."""

    async def one(clinic: Opened) -> list[Target]:
        return await targets(url, clinic, 1)

    return [target for found in await _limited(one, clinics) for target in found]


async def _sent(request: Any) -> Any:
    return await _sent_already(await request)


async def _sent_already(response: httpx.Response) -> Any:
    if response.is_error:
        raise RuntimeError(f"{response.request.method} {response.request.url.path}: {response.status_code} {response.text[:300]}")
    return response.json()


async def _limited(call: Any, items: Sequence[Any]) -> list[Any]:
    """`call` on every item, a few at once, results in order."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(item: Any) -> Any:
        async with slots:
            return await call(item)

    return list(await asyncio.gather(*(one(item) for item in items)))

"""The audit over HTTP: everything done, seen and refused in the clinic, newest first, and nothing of any other clinic."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, cast
from uuid import UUID

import asyncpg
import httpx
import pytest

from keepwell.domains.audit import AuditService
from keepwell.domains.audit.routes import endpoints
from keepwell.kernel import Actor, Kernel, Limits, Permission, Read, Refused
from keepwell.kernel.http import Door
from keepwell.kernel.keys import KeyRing
from keepwell.kernel.problems import UNAUTHENTICATED, Refusal
from keepwell.kit.ids import new_id
from keepwell.platform.postgres import Database, PoolSettings
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls
from tests.support.http_server import serving
from tests.support.notes import CATALOG, OTHER_TENANT, SCHEMA, ChangeNote, actor, envelope, origin, written

ADMIN = actor(id=UUID(int=1), role="admin", scopes=("user/AuditEvent.s",))
CLINICIAN = actor(id=UUID(int=2), scopes=("user/Note.cru",))
PATIENT = actor(id=UUID(int=3), role="patient", scopes=("patient/*.rs",), subject="Patient/1")
STRANGER = actor(OTHER_TENANT, id=UUID(int=4), role="admin", scopes=("user/*.cruds",))
PEOPLE = {"admin": ADMIN, "clinician": CLINICIAN, "patient": PATIENT, "stranger": STRANGER}


def authenticate(authorization: str) -> Actor:
    found = PEOPLE.get(authorization.removeprefix("Bearer "))
    if found is None:
        raise Refused(Refusal(UNAUTHENTICATED))
    return found


@dataclass
class Clinic:
    kernel: Kernel
    clock: ManualClock
    http: httpx.AsyncClient

    async def run(self, command: Any, who: Actor = CLINICIAN, **options: Any) -> Any:
        self.clock.advance(seconds=1)
        (outcome,) = await self.kernel.execute([envelope(command, who=who, **options)])
        return outcome

    async def read(self, id_: UUID, who: Actor = CLINICIAN) -> None:
        self.clock.advance(seconds=1)
        await self.kernel.read(Read("note", id_, who, origin(), Permission("Note", "r")))

    async def audit(self, who: str = "admin", **query: Any) -> list[dict[str, Any]]:
        answer = await self.http.get("/v1/audit", params=query, headers={"authorization": f"Bearer {who}"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["next"] is None
        return answer.json()["items"]

    async def refused(self, who: str = "admin", **query: Any) -> tuple[int, str]:
        answer = await self.http.get("/v1/audit", params=query, headers={"authorization": f"Bearer {who}"})
        return answer.status_code, answer.json()["code"]


@pytest.fixture
async def clinic(fresh_database: DatabaseUrls, manual_clock: ManualClock) -> AsyncIterator[Clinic]:
    owner = await cast("Any", asyncpg).connect(fresh_database.superuser)
    await owner.execute(SCHEMA)
    await owner.close()
    database = Database(PoolSettings(fresh_database.app))
    await database.open()
    kernel = Kernel(database, CATALOG, KeyRing(bytes(range(32)), manual_clock), manual_clock, Limits())
    door = Door(kernel, authenticate, endpoints(AuditService(kernel)))
    async with serving(door) as base, httpx.AsyncClient(base_url=base) as http:
        yield Clinic(kernel, manual_clock, http)
    await kernel.close()
    await database.close()


async def test_changes_reads_and_refusals_appear_newest_first(clinic: Clinic):
    note = written(subject="Patient/1")
    await clinic.run(note)
    await clinic.run(ChangeNote(note.id, {"a": "secret-answer"}), if_match=1)
    await clinic.read(note.id)
    await clinic.run(ChangeNote(note.id, {"a": "late"}), if_match=1)
    refusal, read, change, creation = await clinic.audit(entity=f"note/{note.id}")
    assert (creation["command"], creation["event"], creation["outcome"]) == ("notes.write", "written", "stored")
    assert (change["command"], change["event"], change["entity"]["version"]) == ("notes.change", "changed", 2)
    assert (read["action"], read["command"], read["event"], read["outcome"]) == ("read", None, None, "ok")
    assert (refusal["action"], refusal["command"], refusal["outcome"]) == ("notes.change", None, "version-conflict")
    for item in (refusal, read, change, creation):
        assert (item["entity"]["kind"], item["entity"]["id"], item["actor"]) == ("note", str(note.id), str(CLINICIAN.id))
        assert (item["role"], item["door"], item["request_id"], item["purpose"]) == ("clinician", "test", "test-request", "TREAT")
        assert item["at"].endswith("Z")
    assert "secret" not in str((refusal, read, change, creation))


async def test_an_entity_is_named_by_id_by_kind_or_by_resource_type(clinic: Clinic):
    note, other = written(), written()
    await clinic.run(note)
    await clinic.run(other)
    for name in (f"{note.id}", f"note/{note.id}", f"Note/{note.id}", f"{note.id}".upper()):
        (item,) = await clinic.audit(entity=name)
        assert item["entity"] == {"kind": "note", "id": str(note.id), "version": 1}
    assert await clinic.audit(entity=f"session/{note.id}") == []
    assert await clinic.audit(entity=f"no-such-kind/{note.id}") == []


async def test_what_one_actor_did(clinic: Clinic):
    note, foreign = written(), written()
    await clinic.run(note)
    await clinic.run(foreign, who=actor(id=UUID(int=9)))
    items = await clinic.audit(actor=str(CLINICIAN.id))
    assert [item["entity"]["id"] for item in items] == [str(note.id)]


async def test_from_and_to_are_inclusive_instants(clinic: Clinic):
    ids: list[str] = []
    instants: list[datetime] = []
    for _ in range(4):
        note = written()
        await clinic.run(note)
        ids.append(str(note.id))
        instants.append(clinic.clock.now())
        clinic.clock.advance(days=40)
    assert await shown(clinic, {"from": instants[1].isoformat(), "to": instants[2].isoformat()}) == [ids[2], ids[1]]
    just_after, just_before = instants[1] + timedelta(microseconds=1), instants[2] - timedelta(microseconds=1)
    assert await shown(clinic, {"from": just_after.isoformat(), "to": just_before.isoformat()}) == []
    assert await shown(clinic, {"to": instants[0].isoformat()}) == [ids[0]]
    assert await shown(clinic, {"from": instants[3].isoformat(), "actor": str(CLINICIAN.id)}) == [ids[3]]
    assert await shown(clinic, {"from": "9000-01-01T00:00:00Z"}) == []
    assert await shown(clinic, {"to": "0001-01-01T00:00:00Z"}) == []
    assert await shown(clinic, {"to": "9999-12-31T23:59:59.999999Z", "entity": ids[0]}) == [ids[0]]


async def shown(clinic: Clinic, query: dict[str, str]) -> list[str]:
    return [item["entity"]["id"] for item in await clinic.audit(**query) if item["entity"]["kind"] == "note"]


async def test_old_history_is_found_however_long_nothing_happened_since(clinic: Clinic):
    note = written()
    await clinic.run(note)
    clinic.clock.advance(days=365 * 30)
    assert await shown(clinic, {"actor": str(CLINICIAN.id)}) == [str(note.id)]


@pytest.mark.parametrize("by", ["entity", "actor"])
async def test_pages_show_each_item_once_whatever_is_added_meanwhile(clinic: Clinic, by: str):
    note = written()
    await clinic.run(note)
    for version in range(1, 19):
        # Several at the same instant: order must not depend on time alone.
        await clinic.kernel.execute([envelope(ChangeNote(note.id, {"a": str(version)}), who=CLINICIAN, if_match=version)])
        await clinic.kernel.read(Read("note", note.id, CLINICIAN, origin(), Permission("Note", "r")))
        if version % 3 == 0:
            clinic.clock.advance(hours=7)
    last = clinic.clock.now()
    items: list[dict[str, Any]] = []
    query = {"limit": "4", by: str(note.id if by == "entity" else CLINICIAN.id)}
    while True:
        answer = (await clinic.http.get("/v1/audit", params=query, headers={"authorization": "Bearer admin"})).json()
        items += answer["items"]
        if answer["next"] is None:
            break
        query["cursor"] = answer["next"]
        await clinic.read(note.id)
    assert len(items) == 1 + 18 + 18
    assert all(newer["at"] >= older["at"] for newer, older in pairwise(items))
    assert [item["entity"]["version"] for item in items if item["command"]] == list(range(19, 0, -1))
    assert all(datetime.fromisoformat(item["at"]) <= last for item in items)


async def test_looking_at_the_audit_is_itself_recorded(clinic: Clinic):
    (first,) = await clinic.audit()
    item, again = await clinic.audit()
    assert (again["at"], item["actor"]) == (first["at"], first["actor"])
    assert (item["action"], item["outcome"], item["actor"], item["role"]) == ("search", "ok", str(ADMIN.id), "admin")
    assert item["entity"] == {"kind": "audit", "id": None, "version": None}


async def test_another_clinic_is_never_seen(clinic: Clinic):
    note = written()
    await clinic.run(note)
    assert await clinic.audit("stranger", entity=str(note.id)) == []
    assert {item["actor"] for item in await clinic.audit("stranger")} == {str(STRANGER.id)}


async def test_who_may_not_see_the_audit_is_refused_and_that_is_recorded(clinic: Clinic):
    assert await clinic.refused("clinician") == (403, "forbidden")
    assert await clinic.refused("nobody") == (401, "unauthenticated")
    clinic.clock.advance(seconds=1)
    _, item = await clinic.audit()
    assert (item["actor"], item["action"], item["outcome"]) == (str(CLINICIAN.id), "search", "forbidden")


async def test_a_patient_sees_what_was_done_with_their_own_data_only(clinic: Clinic):
    own, other = written(subject="Patient/1"), written(subject="Patient/2")
    await clinic.run(own)
    await clinic.run(other)
    await clinic.read(own.id)
    items = await clinic.audit("patient")
    assert [(item["action"], item["entity"]["id"]) for item in items] == [("read", str(own.id)), ("notes.write", str(own.id))]


CURSORS = ["x", "", "AAAA", "lgAA", "%00", "é", "k6pwb3NpdGlvbg"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("entity", "nonsense"),
        ("entity", "note/"),
        ("entity", "note/123"),
        ("actor", "somebody"),
        ("from", "yesterday"),
        ("from", "2026-03-01T12:00:00"),
        ("to", "2026-03-01"),
        ("limit", "0"),
        ("limit", "1001"),
        ("unknown", "1"),
        *(("cursor", cursor) for cursor in CURSORS),
    ],
)
async def test_wrong_parameters_are_refused(clinic: Clinic, name: str, value: str):
    assert await clinic.refused(**{name: value}) == (400, "invalid-parameter")


@pytest.mark.parametrize("limit", ["1", "1000"])
async def test_the_first_page_of_nothing_is_empty(clinic: Clinic, limit: str):
    assert await clinic.audit(limit=limit, entity=str(new_id())) == []

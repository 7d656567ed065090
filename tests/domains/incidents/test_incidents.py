"""Incidents: one at a time about one thing, from the first notice to the end, and what is written down meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains import incidents, tenants
from keepwell.domains.incidents import IncidentService, Report, routes
from keepwell.domains.incidents.models import (
    AcknowledgeIncident,
    AddNote,
    AssignIncident,
    ChangeSeverity,
    DescribeImpact,
    OpenIncident,
    ResolveIncident,
)
from keepwell.domains.incidents.rules.lifecycle import MOST_ENTRIES
from keepwell.kernel import Actor, Catalog, Envelope, Kernel, Limits, Origin, fold
from keepwell.kernel.http import Door
from keepwell.kernel.keys import KeyRing
from keepwell.kit.ids import new_id
from keepwell.platform.postgres import Database, PoolSettings
from tests.support.clock import ManualClock
from tests.support.cluster import MASTER_KEY, DatabaseUrls
from tests.support.desk import Desk
from tests.support.http_server import serving
from tests.support.problems import assert_refused

(INCIDENT,) = incidents.AGGREGATES
ID = new_id()
ORIGIN = Origin("test", "incidents-test")
JSON = {"content-type": "application/json"}
REPORT = Report("api-key/1", "critical", "A key leaked", "Reported.", "docs/keys.md")
COMMANDS = st.sampled_from(
    [
        AcknowledgeIncident(ID, "mine"),
        ResolveIncident(ID, "over"),
        AddNote(ID, "hm"),
        AssignIncident(ID, None),
        ChangeSeverity(ID, "critical"),
        ChangeSeverity(ID, "info"),
        DescribeImpact(ID, "two log-ins"),
    ]
)


def opened() -> Desk:
    one = Desk(INCIDENT)
    assert one.do(OpenIncident(ID, "api-key/1", "warning", "Odd")) is None
    return one


@given(st.lists(COMMANDS, max_size=12))
def test_the_state_is_the_fold_of_the_events_and_the_timeline_has_all_of_them(commands: list[Any]):
    one = opened()
    for command in commands:
        one.do(command)
    assert fold(INCIDENT, one.events) == one.state
    assert len(one.state.timeline) == len(one.events)
    assert [entry.at for entry in one.state.timeline] == sorted(entry.at for entry in one.state.timeline)
    assert (one.state.status == "resolved") == any(isinstance(command, ResolveIncident) for command in commands)


def test_a_timeline_is_bounded_and_still_has_room_for_the_end():
    one = opened()
    for _ in range(MOST_ENTRIES - 1):
        assert one.do(AddNote(ID, "again")) is None
    refused = one.do(AddNote(ID, "too much"))
    assert refused is not None
    assert refused.code == "too-many-notes"
    assert one.do(ResolveIncident(ID)) is None


class Clinic:
    def __init__(self, http: httpx.AsyncClient, kernel: Kernel, actor: Actor, clock: ManualClock) -> None:
        self.http = http
        self.service = IncidentService(kernel)
        self.actor = actor
        self.clock = clock
        self.kernel = kernel

    async def tell(self, report: Report = REPORT) -> UUID:
        return (await self.service.tell(self.actor, ORIGIN, report))[-1].id

    async def act(self, id_: UUID, action: str, text: str) -> httpx.Response:
        return await self.http.post(f"/v1/incidents/{id_}/{action}", json={"text": text})


@pytest.fixture
async def clinic(database_urls: DatabaseUrls, manual_clock: ManualClock) -> AsyncIterator[Clinic]:
    database = Database(PoolSettings(database_urls.app, largest=4, wait=1.0, connect_timeout=1.0))
    await database.open()
    catalog = Catalog((*tenants.AGGREGATES, *incidents.AGGREGATES))
    kernel = Kernel(database, catalog, KeyRing(MASTER_KEY, manual_clock), manual_clock, Limits())
    tenant = (await tenants.TenantService(kernel).create(f"c{new_id().hex}", "A clinic", ORIGIN)).id
    admin = Actor(tenant, new_id(), "admin", ("user/*.cruds",))
    service = IncidentService(kernel)
    door = Door(kernel, {"Bearer admin": admin}.__getitem__, routes.endpoints(service))
    async with serving(door) as base, httpx.AsyncClient(base_url=base, timeout=20) as http:
        http.headers["authorization"] = "Bearer admin"
        yield Clinic(http, kernel, admin, manual_clock)
    await kernel.close()
    await database.close()


async def test_who_has_nothing_to_say_need_not_say_it(clinic: Clinic):
    path = f"/v1/incidents/{await clinic.tell()}"
    assert (await clinic.http.post(f"{path}/acknowledge")).json()["status"] == "acknowledged"
    assert_refused(await clinic.http.post(f"{path}/acknowledge", content=b"{", headers=JSON), 400, "malformed-json")
    assert_refused(await clinic.http.post(f"{path}/notes"), 400, "malformed-json")
    assert (await clinic.http.post(f"{path}/resolve")).json()["status"] == "resolved"


async def test_an_incident_goes_from_its_opening_to_its_end_with_the_times_it_took(clinic: Clinic):
    id_ = await clinic.tell()
    clinic.clock.advance(minutes=4)
    taken = await clinic.act(id_, "acknowledge", "on it")
    assert (taken.json()["status"], taken.json()["owner"]) == ("acknowledged", str(clinic.actor.id))
    await clinic.act(id_, "notes", "it was a test")
    clinic.clock.advance(minutes=6)
    over = (await clinic.act(id_, "resolve", "done")).json()
    assert (over["status"], over["time_to_acknowledge_s"], over["time_to_resolve_s"]) == ("resolved", 240.0, 600.0)
    assert [entry["type"] for entry in over["timeline"]] == ["opened", "acknowledged", "note", "resolved"]
    assert (await clinic.http.get(f"/v1/incidents/{id_}")).json() == over
    assert_refused(await clinic.act(id_, "acknowledge", "late"), 409, "incident-resolved")
    assert (await clinic.act(id_, "notes", "we learned")).status_code == 200


async def test_what_happens_again_is_a_note_until_the_incident_is_over_and_then_another_one(clinic: Clinic):
    first = await clinic.tell()
    assert await clinic.tell() == first
    await clinic.act(first, "resolve", "")
    second = await clinic.tell()
    assert second != first
    items = (await clinic.http.get("/v1/incidents")).json()["items"]
    assert [(item["id"], len(item["timeline"])) for item in items] == [(str(second), 1), (str(first), 3)]
    assert len((await clinic.http.get("/v1/incidents", params={"status": "open"})).json()["items"]) == 1


async def test_reports_that_come_at_once_open_one_incident(clinic: Clinic):
    ids = await asyncio.gather(*(clinic.tell() for _ in range(8)))
    assert len(set(ids)) == 1
    [item] = (await clinic.http.get("/v1/incidents")).json()["items"]
    assert len(item["timeline"]) == 8


async def test_the_list_goes_on_behind_its_cursor(clinic: Clinic):
    made = [str(await clinic.tell(Report(f"monitor/{number}", "info", "Slow"))) for number in range(3)]
    first = (await clinic.http.get("/v1/incidents", params={"limit": 2})).json()
    rest = (await clinic.http.get("/v1/incidents", params={"limit": 2, "cursor": first["next"]})).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == made[::-1]


async def test_fifty_that_open_at_once_about_one_thing_open_one_incident(clinic: Clinic):
    keys = [f"transition-{number}" for number in range(50)]
    command = partial(OpenIncident, subject="monitor/7", severity="critical", title="Down")
    envelopes = [Envelope(command(new_id()), clinic.actor, ORIGIN, idempotency_key=key) for key in keys]
    outcomes = [outcome for [outcome] in await asyncio.gather(*(clinic.kernel.execute([each]) for each in envelopes))]
    opened = [outcome for outcome in outcomes if outcome.refusal is None]
    assert len(opened) == 1
    assert {outcome.refusal.code for outcome in outcomes if outcome.refusal is not None} == {"incident-open"}
    again = [outcome for [outcome] in await asyncio.gather(*(clinic.kernel.execute([each]) for each in envelopes))]
    assert [outcome.refusal is None for outcome in again] == [outcome.refusal is None for outcome in outcomes]
    [item] = (await clinic.http.get("/v1/incidents")).json()["items"]
    assert (item["id"], len(item["timeline"])) == (str(opened[0].id), 1)


async def test_whatever_opens_and_resolves_at_once_leaves_one_open_at_most_and_a_timeline_that_tells_how(clinic: Clinic):
    about = Report("monitor/8", "warning", "Flaps")
    for _ in range(5):
        ends = (clinic.service.end(clinic.actor, ORIGIN, about.subject) for _ in range(4))
        await asyncio.gather(*(clinic.tell(about) for _ in range(4)), *ends)
    items = (await clinic.http.get("/v1/incidents", params={"subject": about.subject})).json()["items"]
    assert len([item for item in items if item["status"] == "open"]) <= 1
    noticed = 0
    for item in items:
        types = [entry["type"] for entry in item["timeline"]]
        noticed += types.count("opened") + types.count("note")
        assert (types.count("opened"), types[0]) == (1, "opened")
        assert types.count("resolved") == (item["status"] == "resolved")
    assert noticed == 20, "each of those that told is in one of the timelines"


async def test_an_incident_is_judged_anew_given_to_somebody_and_measured(clinic: Clinic):
    id_ = await clinic.tell()
    clinic.clock.advance(minutes=2)
    judged = await clinic.http.post(f"/v1/incidents/{id_}/severity", json={"severity": "warning", "text": "only a test"})
    assert judged.json()["severity"] == "warning"
    unknown = await clinic.http.post(f"/v1/incidents/{id_}/assign", json={"owner": str(new_id())})
    assert_refused(unknown, 422, "unknown-owner")
    await clinic.act(id_, "acknowledge", "")
    freed = await clinic.http.post(f"/v1/incidents/{id_}/assign", json={"owner": None})
    assert freed.json()["owner"] is None
    hurt = await clinic.act(id_, "impact", "3 log-ins failed")
    assert hurt.json()["impact"] == "3 log-ins failed"
    clinic.clock.advance(minutes=2)
    await clinic.act(id_, "resolve", "")
    late = await clinic.http.post(f"/v1/incidents/{id_}/severity", json={"severity": "info"})
    assert_refused(late, 409, "incident-resolved")
    [times] = (await clinic.http.get("/v1/incidents/times")).json()["items"]
    assert times == {
        "severity": "warning",
        "opened": 1,
        "acknowledged": 1,
        "resolved": 1,
        "mean_time_to_acknowledge_s": 120.0,
        "mean_time_to_resolve_s": 240.0,
    }


async def test_incidents_are_found_by_severity_subject_and_tag(clinic: Clinic):
    red = str(await clinic.tell(Report("monitor/1", "critical", "Down", tags=("payments", "eu"))))
    grey = str(await clinic.tell(Report("monitor/2", "info", "Slow", tags=("eu",))))

    async def found(**query: str) -> list[str]:
        return [item["id"] for item in (await clinic.http.get("/v1/incidents", params=query)).json()["items"]]

    assert await found(severity="critical") == [red]
    assert await found(subject="monitor/2") == [grey]
    assert await found(tag="payments") == [red]
    assert await found(tag="eu") == [grey, red]
    assert await found(tag="pay") == []


async def test_the_draft_of_a_postmortem_has_all_that_is_on_record_and_nothing_that_somebody_wrote_takes_it_over(clinic: Clinic):
    id_ = await clinic.tell(Report("monitor/1", "critical", "Down | <b>", "# no heading", "docs/keys.md"))
    clinic.clock.advance(minutes=3)
    await clinic.act(id_, "acknowledge", "looking\n| at it")
    clinic.clock.advance(hours=1)
    await clinic.act(id_, "resolve", "restarted")
    answer = await clinic.http.get(f"/v1/incidents/{id_}/postmortem")
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    lines = answer.text.splitlines()
    assert lines[0] == r"# Postmortem: Down \| \<b\>"
    assert [line for line in lines if line.startswith("#")][1:] == [
        f"## {title}"
        for title in (
            "Overview",
            "What happened",
            "Contributing factors",
            "Resolution",
            "Impact",
            "Responders",
            "Timeline",
            "What went well",
            "What did not go well",
            "Action items",
        )
    ]
    assert "- Time to acknowledge: 0 h 3 min 0 s" in lines
    assert "- Time to resolve: 1 h 3 min 0 s" in lines
    assert f"- {clinic.actor.id}" in lines
    assert len([line for line in lines if line.startswith("| 2026-")]) == 3
    assert any(line.startswith(r"| 2026-03-01 12:03:00Z | acknowledged: looking \| at it |") for line in lines)

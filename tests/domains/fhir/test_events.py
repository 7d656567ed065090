"""AuditEvents over HTTP: what was done and seen, found by entity, agent and date, each with an id it is found by again."""

from typing import Any

import pytest

from keepwell.kit.ids import new_id
from tests.support.clinic import Clinic
from tests.support.fhir import Fhir, Json, answered, patient, refusal
from tests.support.forms import item

PATH = "/AuditEvent"


@pytest.fixture
def auditor(clinic: Clinic) -> Fhir:
    return Fhir(clinic.http, clinic.acting("auditor", ("user/AuditEvent.s",)))


async def events(auditor: Fhir, query: str = "") -> list[Json]:
    bundle = await auditor.get(f"{PATH}?{query}")
    return [entry["resource"] for entry in bundle.get("entry", [])]


async def done(clinic: Clinic, fhir: Fhir) -> Json:
    """A response that was begun, read, changed and refused, a minute apart."""
    url = f"http://example.org/{new_id()}"
    await clinic.publish(item("a"), url=url)
    made = await fhir.post("/QuestionnaireResponse", answered(url))
    clinic.clock.advance(minutes=1)
    await fhir.put({**made, "language": "de"}, 1, prefer="return=OperationOutcome")
    clinic.clock.advance(minutes=1)
    stale = await fhir.send("PUT", f"/QuestionnaireResponse/{made['id']}", {**made, "language": "fr"}, if_match='W/"1"')
    refusal(stale, 412, "version-conflict")
    clinic.clock.advance(minutes=1)
    await fhir.get(f"/QuestionnaireResponse/{made['id']}")
    return made


def told(event: Json) -> tuple[Any, ...]:
    return (event["action"], event["subtype"][0]["code"], event["outcome"], event["outcomeDesc"])


async def test_what_happened_to_a_response_is_told(clinic: Clinic, fhir: Fhir, auditor: Fhir):
    made = await done(clinic, fhir)
    found = await events(auditor, f"entity=QuestionnaireResponse/{made['id']}")
    assert told(found[0]) == ("R", "read", "0", "ok")
    assert ("E", "responses.patch", "4", "version-conflict") in map(told, found)
    assert ("U", "responses.patch", "0", "stored") in map(told, found)
    assert ("C", "responses.create", "0", "stored") in map(told, found)
    change = next(event for event in found if told(event) == ("U", "responses.patch", "0", "stored"))
    assert change["entity"][0]["what"] == {"reference": f"QuestionnaireResponse/{made['id']}/_history/2"}
    assert change["recorded"] == "2026-03-01T12:01:00Z"
    [agent] = change["agent"]
    assert agent["who"]["identifier"]["value"] == f"urn:uuid:{clinic.actors['Bearer clinician'].id}"
    assert change["source"]["site"] == "fhir"
    assert change["entity"][1]["what"]["identifier"]["value"]


async def test_events_are_found_by_agent_entity_and_date(clinic: Clinic, fhir: Fhir, auditor: Fhir):
    made = await done(clinic, fhir)
    clinician, about = clinic.actors["Bearer clinician"].id, f"entity={made['id']}"
    whole = await events(auditor, about)
    assert await events(auditor, f"{about}&agent={clinician}") == whole
    assert await events(auditor, f"{about}&agent=Practitioner/{clinician}") == whole
    assert await events(auditor, f"{about}&agent={new_id()}") == []
    assert await events(auditor, f"entity=Patient/{made['id']}") == []
    base = f"{str(clinic.http.base_url).rstrip('/')}/fhir/R4"
    assert await events(auditor, f"entity={base}/QuestionnaireResponse/{made['id']}") == whole

    async def minutes(*values: str) -> set[str]:
        query = "&".join([about, *(f"date={value}" for value in values)])
        return {event["recorded"][14:16] for event in await events(auditor, query)}

    assert await minutes("2026-03-01") == {"00", "01", "02", "03"}
    assert await minutes("2026-03-02") == set()
    assert await minutes("2026-03-01T12:01Z") == {"01"}
    assert await minutes("ne2026-03-01T12:01Z") == {"00", "02", "03"}
    assert await minutes("gt2026-03-01T12:01Z", "lt2026-03-01T12:03Z") == {"02"}
    assert await minutes("ge2026-03-01T12:01Z,2026-03-01T12:00Z", "ne2026-03-01T12:02Z") == {"00", "01", "03"}
    assert await minutes("gt2026-03-01T12:01Z", "lt2026-03-01T12:01Z") == set()


async def test_each_event_is_found_again_by_its_id(clinic: Clinic, fhir: Fhir, auditor: Fhir):
    made = await done(clinic, fhir)
    await fhir.get("/Patient?family=nobody")
    found = await events(auditor, "")
    assert len(found) > 8
    assert len({event["id"] for event in found}) == len(found)
    for event in found:
        answer = await auditor.send("GET", f"{PATH}/{event['id']}")
        assert (answer.status_code, answer.json(), answer.headers["etag"]) == (200, event, 'W/"1"')
        assert await events(auditor, f"_id={event['id']}") == [event]
    stranger = Fhir(clinic.http, clinic.acting("stranger", ("user/AuditEvent.s",), tenant=new_id()))
    for id_ in (found[0]["id"], found[-1]["id"], str(new_id()), "x", "AAAA", "a" * 64):
        refusal(await stranger.send("GET", f"{PATH}/{id_}"), 404, "not-found")
    assert await events(stranger, f"_id={found[0]['id']}") == []
    assert await events(stranger, f"entity={made['id']}") == []


@pytest.mark.parametrize("about", ["", "entity={id}&", "date=ne2026-03-01T12:02Z&"])
async def test_pages_show_each_event_once(clinic: Clinic, fhir: Fhir, auditor: Fhir, about: str):
    made = await done(clinic, fhir)
    query = about.replace("{id}", made["id"])
    last = "date=le2026-03-01T12:03Z"  # what looking adds comes later
    clinic.clock.advance(minutes=5)
    whole = await events(auditor, f"{query}{last}")
    seen: list[Json] = []
    path = f"{PATH}?{query}{last}&_count=2"
    while True:
        page = await auditor.get(path)
        seen += [entry["resource"] for entry in page.get("entry", [])]
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        if not following:
            break
        path = following[0].partition("/fhir/R4")[2]
    assert seen == whole
    assert len(whole) > 4


ID = "01890a5d-ac96-774b-bcce-b302099a8057"
WRONG = [
    "entity=x", "entity=Patient/x", f"entity={ID},{ID}", f"entity={ID}&entity={ID}", "agent=x", "date=x", "_sort=_id",
    "_total=accurate", "_summary=count", "_lastUpdated=2026", "_count=0", "_id=x&date=2026", "_id=x,y",
]  # fmt: skip


@pytest.mark.parametrize("query", WRONG)
async def test_what_cannot_be_asked_is_refused(fhir: Fhir, auditor: Fhir, query: str):
    refusal(await auditor.send("GET", f"{PATH}?{query}"), 400, "invalid-parameter")


async def test_who_may_not_see_the_audit_does_not(clinic: Clinic, fhir: Fhir, auditor: Fhir):
    await fhir.post("/Patient", patient())
    [event, *_] = await events(auditor, "")
    refusal(await fhir.send("GET", PATH), 403, "forbidden")
    refusal(await fhir.send("GET", f"{PATH}/{event['id']}"), 403, "forbidden")
    refusal(await auditor.send("POST", PATH, event), 405, "method-not-allowed")
    refusal(await auditor.send("PUT", f"{PATH}/{event['id']}", event), 405, "method-not-allowed")

"""Patients over HTTP, and what they are of participants: all that was told is given back, and what changed elsewhere is shown."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains.fhir.rules.patients import ATTRIBUTE, TIME_ZONE, details_of, fields_of, patient_of, shown_elements
from keepwell.domains.participants import ChangeParticipant, Details, Participant
from keepwell.kernel import Envelope, Origin, Snapshot
from keepwell.kit.ids import new_id
from tests.support.clinic import Clinic
from tests.support.fhir import Fhir, Json, parsed, patient, refusal

PATH = "/Patient"
EXTERNAL = "urn:keepwell:external-id"
WORDS = st.text(st.characters(categories=["L", "Nd"], max_codepoint=0x2FF), min_size=1, max_size=6)
EVERYTHING: Json = {
    "resourceType": "Patient",
    "meta": {"profile": ["http://example.org/p"]},
    "language": "en",
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Ann</div>'},
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Ward"}],
    "extension": [
        {"url": TIME_ZONE, "valueCode": "Europe/Berlin"},
        {"url": f"{ATTRIBUTE}shoe%20size", "valueString": "42"},
        {"url": "http://example.org/e", "valueBoolean": True},
    ],
    "identifier": [{"system": EXTERNAL, "value": "A-1"}, {"use": "official", "system": "urn:mrn", "value": "77"}],
    "active": True,
    "name": [
        {"use": "official", "family": "Doe", "given": ["Ann", "Maria"], "prefix": ["Dr."]},
        {"use": "maiden", "family": "Roe", "given": ["Ann"]},
    ],
    "telecom": [
        {"system": "phone", "value": "1", "use": "home"},
        {"system": "email", "value": "ann@example.org"},
        {"system": "phone", "value": "2"},
    ],
    "gender": "female",
    "birthDate": "1970-12",
    "_birthDate": {"extension": [{"url": "http://example.org/how", "valueCode": "guessed"}]},
    "deceasedBoolean": False,
    "address": [{"line": ["Street 1"], "city": "Town"}],
    "maritalStatus": {"text": "single"},
    "multipleBirthInteger": 2,
    "contact": [{"name": {"family": "Next"}, "relationship": [{"text": "sister"}]}],
    "communication": [{"language": {"text": "German"}, "preferred": True}],
    "generalPractitioner": [{"reference": "Practitioner/1"}],
    "managingOrganization": {"reference": "#o"},
    "link": [{"other": {"reference": "Patient/2"}, "type": "seealso"}],
}


def told(resource: Json) -> Json:
    """A resource without what the server says by itself."""
    found = {name: value for name, value in resource.items() if name != "id"}
    meta = {name: value for name, value in found.pop("meta", {}).items() if name not in ("versionId", "lastUpdated")}
    return {**found, **({"meta": meta} if meta else {})}


async def test_every_element_is_given_back_as_it_was_sent(clinic: Clinic, fhir: Fhir):
    made = await fhir.post(PATH, EVERYTHING)
    assert told(made) == EVERYTHING
    assert told(await fhir.get(f"{PATH}/{made['id']}")) == EVERYTHING
    rest = (await clinic.http.get(f"/v1/participants/{made['id']}")).json()
    said = {
        name: rest[name] for name in ("external_id", "given_name", "family_name", "birth_date", "email", "phone", "time_zone")
    }
    assert said == {
        "external_id": "A-1",
        "given_name": "Ann Maria",
        "family_name": "Doe",
        "birth_date": "1970-12",
        "email": "ann@example.org",
        "phone": "1",
        "time_zone": "Europe/Berlin",
    }
    assert rest["attributes"] == {"shoe size": "42"}
    assert UUID(made["id"]).version == 8


async def test_what_was_changed_elsewhere_shows_in_its_place(clinic: Clinic, fhir: Fhir):
    made = await fhir.post(PATH, EVERYTHING)
    details = Details(family_name="Poe", email=None, phone="3", birth_date="1971", time_zone="UTC", attributes={"ward": "7"})
    change = ChangeParticipant(UUID(made["id"]), details)
    [outcome] = await clinic.kernel.execute([Envelope(change, clinic.actors["Bearer clinician"], Origin("test", "x"), 1)])
    assert outcome.refusal is None
    shown = await fhir.get(f"{PATH}/{made['id']}")
    assert shown["name"] == [
        {"use": "official", "prefix": ["Dr."], "family": "Poe", "given": ["Ann Maria"]},
        EVERYTHING["name"][1],
    ]
    assert shown["telecom"] == [{"system": "phone", "value": "3", "use": "home"}, {"system": "phone", "value": "2"}]
    assert shown["birthDate"] == "1971"
    assert "_birthDate" not in shown
    assert [one["url"] for one in shown["extension"]] == ["http://example.org/e", TIME_ZONE, f"{ATTRIBUTE}ward"]
    assert told(await fhir.get(f"{PATH}/{made['id']}/_history/1")) == EVERYTHING
    after = await fhir.put({**shown, "gender": "other"}, 2)
    assert told(after) == {**told(shown), "gender": "other"}


async def test_an_update_says_all_and_changes_what_differs(clinic: Clinic, fhir: Fhir):
    made = await fhir.post(PATH, patient("Doe", "Ann", birthDate="1970"))
    after = await fhir.put({**made, "name": [{"family": "Roe"}]}, 1)
    assert (after["name"], after["birthDate"]) == ([{"family": "Roe"}], "1970")
    items = (await clinic.http.get(f"/v1/participants/{made['id']}/history")).json()["items"]
    assert items[-1]["changes"].keys() == {"family_name", "given_name", "elements"}
    assert (await fhir.put(after, 2))["meta"]["versionId"] == "2"
    refusal(await fhir.send("PUT", f"{PATH}/{made['id']}", after), 428, "precondition-required")
    refusal(
        await fhir.send("PUT", f"{PATH}/{made['id']}", {**after, "gender": "male"}, if_match='W/"1"'), 412, "version-conflict"
    )


async def test_the_external_id_makes_the_id_and_stays(clinic: Clinic, fhir: Fhir):
    named = patient(identifier=[{"system": EXTERNAL, "value": "A-1"}])
    made = await fhir.post(PATH, named)
    refusal(await fhir.send("POST", PATH, named), 409, "conflict")
    assert [one["id"] for one in (await clinic.http.get("/v1/participants?external_id=A-1")).json()["items"]] == [made["id"]]
    for identifiers in ([{"system": EXTERNAL, "value": "A-2"}], [{"system": "urn:mrn", "value": "A-1"}]):
        answer = await fhir.send("PUT", f"{PATH}/{made['id']}", {**made, "identifier": identifiers}, if_match='W/"1"')
        assert refusal(answer, 422, "invalid-body") == [("Patient.identifier", "fixed")]
    others = [await fhir.post(PATH, patient(identifier=[{"system": "urn:mrn", "value": "1"}])) for _ in range(2)]
    assert others[0]["id"] != others[1]["id"]
    assert await fhir.post(PATH, {"resourceType": "Patient"})


WRONG: list[tuple[Json, str, str, str]] = [
    ({"birthDate": "yesterday"}, "invalid-body", "Patient.birthDate", "structure"),
    ({"gender": "f"}, "invalid-body", "Patient.gender", "structure"),
    ({"nonsense": 1}, "invalid-body", "Patient.nonsense", "structure"),
    ({"name": "Ann"}, "invalid-body", "Patient.name", "structure"),
    ({"telecom": [{"system": "pigeon"}]}, "invalid-body", "Patient.telecom[0].system", "structure"),
    ({"communication": [{"preferred": True}]}, "invalid-body", "Patient.communication[0].language", "structure"),
    ({"modifierExtension": [{"url": "urn:x", "valueCode": "y"}]}, "invalid-body", "Patient.modifierExtension", "not-kept"),
    ({"deceasedBoolean": True, "deceasedDateTime": "2026"}, "invalid-body", "Patient", "structure"),
    ({"name": [{"family": "x" * 501}]}, "invalid-participant", "Patient.name[0].family", "invalid-value"),
    ({"name": [{"given": ["a\nb"]}]}, "invalid-participant", "Patient.name[0].given", "invalid-value"),
    (
        {"identifier": [{"system": EXTERNAL, "value": " x"}]},
        "invalid-participant",
        "Patient.identifier[0].value",
        "invalid-value",
    ),
    ({"extension": [{"url": TIME_ZONE, "valueCode": "Nowhere"}]}, "invalid-participant", "Patient.extension", "invalid-value"),
    (
        {"telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "x" * 255}]},
        "invalid-participant",
        "Patient.telecom[1].value",
        "invalid-value",
    ),
]


@pytest.mark.parametrize(("elements", "problem", "place", "code"), WRONG)
async def test_what_cannot_be_stored_is_refused_at_its_place(fhir: Fhir, elements: Json, problem: str, place: str, code: str):
    answer = await fhir.send("POST", PATH, {"resourceType": "Patient", **elements})
    assert refusal(answer, 422, problem) == [(place, code)]
    made = await fhir.post(PATH, patient())
    changed = {"resourceType": "Patient", "id": made["id"], **elements}
    if "identifier" not in elements:
        assert refusal(await fhir.send("PUT", f"{PATH}/{made['id']}", changed, if_match='W/"1"'), 422, problem) == [(place, code)]


async def test_the_record_is_found_by_patient_scopes_of_the_person_themself(clinic: Clinic, fhir: Fhir):
    own, other = await fhir.post(PATH, patient("Doe")), await fhir.post(PATH, patient("Roe"))
    clinic.http.headers.update(clinic.acting("own", ("patient/Patient.rs",), subject=f"Patient/{own['id']}"))
    assert (await fhir.get(f"{PATH}/{own['id']}"))["name"] == [{"family": "Doe"}]
    refusal(await fhir.send("GET", f"{PATH}/{other['id']}"), 403, "forbidden")
    assert await fhir.found(PATH) == [own["id"]]
    assert await fhir.found(f"{PATH}?family=Roe") == []


def snapshot(state: Participant) -> Snapshot:
    return Snapshot("participant", state.id, 1, state, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), b"")


@st.composite
def patients(draw: st.DrawFn) -> Json:
    """Patients with any of the elements that fields are read from, in any number."""
    names = st.fixed_dictionaries({}, optional={"family": WORDS, "given": st.lists(WORDS, min_size=1, max_size=3), "text": WORDS})
    points = st.fixed_dictionaries({"system": st.sampled_from(["email", "phone", "fax"])}, optional={"value": WORDS})
    extensions = st.one_of(
        st.fixed_dictionaries({"url": st.just(TIME_ZONE), "valueCode": st.sampled_from(["UTC", "Asia/Tokyo"])}),
        st.fixed_dictionaries({"url": st.sampled_from([f"{ATTRIBUTE}a%20b", f"{ATTRIBUTE}c"]), "valueString": WORDS}),
        st.just({"url": "urn:other", "valueString": "x"}),
    )
    lists = {"name": names.filter(bool), "telecom": points, "extension": extensions}
    found: Json = {"resourceType": "Patient"}
    for name, items in lists.items():
        if values := draw(st.lists(items, max_size=3)):
            found[name] = values
    return {**found, **draw(st.fixed_dictionaries({}, optional={"birthDate": st.sampled_from(["1970", "1971-02-03"])}))}


FIELDS = st.fixed_dictionaries(
    {
        "given_name": st.none() | WORDS,
        "family_name": st.none() | WORDS,
        "birth_date": st.sampled_from([None, "1970", "1980-01"]),
        "email": st.none() | WORDS,
        "phone": st.none() | WORDS,
        "time_zone": st.sampled_from([None, "UTC", "Europe/Paris"]),
        "attributes": st.dictionaries(WORDS, WORDS, max_size=2),
    }
)


@given(patients())
def test_any_patient_comes_back_as_it_was(sent: Json):
    details = details_of(sent)
    state = Participant(new_id(), **msgspec.structs.asdict(details))
    assert told(parsed(patient_of(snapshot(state)))) == sent


@given(patients(), FIELDS, st.none() | WORDS, st.none() | st.uuids())
def test_whatever_a_field_says_is_what_its_place_in_the_patient_says(
    sent: Json, fields: dict[str, Any], external_id: str | None, program: UUID | None
):
    state = Participant(new_id(), external_id, program, elements=told(sent) | {}, **fields)
    state = msgspec.structs.replace(
        state, elements={name: value for name, value in state.elements.items() if name != "resourceType"}
    )
    shown = shown_elements(state)
    assert fields_of(shown) == fields
    parsed(patient_of(snapshot(state)))
    others = {
        name: value for name, value in shown.items() if name not in ("name", "telecom", "extension", "birthDate", "identifier")
    }
    assert others == {}

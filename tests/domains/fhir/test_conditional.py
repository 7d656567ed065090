"""Conditional create: one resource however many ask at once, on however many processes, and never a guess at the condition."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains import fhir as fhir_room
from keepwell.domains.fhir.models import ClaimPatientCondition, OpenPatientCondition
from keepwell.kernel.journal import fold
from keepwell.kit.ids import new_id
from tests.support.clinic import PATIENT, Clinic, opened
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls
from tests.support.desk import Desk
from tests.support.fhir import Fhir, answered, patient, refusal
from tests.support.forms import item

RESPONSE = "/QuestionnaireResponse"


async def published(clinic: Clinic) -> str:
    url = f"http://example.org/{new_id()}"
    await clinic.publish(item("a"), url=url)
    return url


@pytest.fixture
async def other(clinic: Clinic, database_urls: DatabaseUrls, manual_clock: ManualClock) -> AsyncIterator[Clinic]:
    """The same clinic on a kernel of its own, as another process has it."""
    async with opened(database_urls, manual_clock) as found:
        found.tenant, found.actors = clinic.tenant, clinic.actors
        found.http.headers.update({"authorization": "Bearer clinician"})
        yield found


async def test_none_is_created_where_one_meets_the_condition(clinic: Clinic, fhir: Fhir):
    url = await published(clinic)
    visit = answered(url, identifier={"system": "urn:visits", "value": "7"})
    first = await fhir.send("POST", RESPONSE, visit, if_none_exist="identifier=urn:visits|7")
    again = await fhir.send("POST", RESPONSE, answered(url), if_none_exist="?identifier=urn:visits%7C7")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["etag"] == 'W/"1"'
    more = await fhir.send("POST", RESPONSE, visit, if_none_exist=f"identifier=urn:visits|7&questionnaire={url}&status=completed")
    assert more.status_code == 201
    refusal(await fhir.send("POST", RESPONSE, visit, if_none_exist="identifier=urn:visits|7"), 412, "multiple-matches")


async def test_twenty_at_once_on_two_processes_create_one(clinic: Clinic, other: Clinic):
    url = await published(clinic)
    callers = [Fhir(one.http) for one in (clinic, other)]
    body = answered(url, identifier={"system": "urn:visits", "value": "1"})
    sent = (callers[n % 2].send("POST", RESPONSE, body, if_none_exist="identifier=urn:visits|1") for n in range(20))
    answers = await asyncio.gather(*sent)
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(await callers[0].found(f"{RESPONSE}?questionnaire={url}")) == 1


async def test_one_is_created_again_when_none_meets_the_condition_any_more(clinic: Clinic, fhir: Fhir):
    first = await fhir.post("/Patient", patient("Doe"), if_none_exist="family=doe")
    await fhir.put({**first, "name": [{"family": "Roe"}]}, 1)
    second = await fhir.post("/Patient", patient("Doe"), if_none_exist="family=doe")
    assert second["id"] != first["id"]
    assert (await fhir.post("/Patient", patient("Doe"), 200, if_none_exist="family=doe"))["id"] == second["id"]


async def test_under_a_key_the_first_answer_comes_again(clinic: Clinic, fhir: Fhir):
    headers = {"if_none_exist": "identifier=9", "idempotency_key": "k"}
    first = await fhir.send("POST", "/Patient", patient(identifier=[{"value": "9"}]), **headers)
    again = await fhir.send("POST", "/Patient", patient(identifier=[{"value": "9"}]), **headers)
    assert (again.status_code, again.headers["idempotency-replayed"], again.json()) == (201, "true", first.json())
    reused = await fhir.send("POST", "/Patient", patient("Other", identifier=[{"value": "9"}]), **headers)
    refusal(reused, 422, "idempotency-key-reused")
    fresh = await fhir.send("POST", "/Patient", patient(identifier=[{"value": "9"}]), **{**headers, "idempotency_key": "other"})
    assert (fresh.status_code, fresh.json()["id"]) == (200, first.json()["id"])


async def test_a_resource_that_cannot_be_stored_claims_nothing(clinic: Clinic, fhir: Fhir):
    wrong = await fhir.send("POST", "/Patient", patient(gender="f"), if_none_exist="family=doe")
    assert refusal(wrong, 422, "invalid-body") == [("Patient.gender", "structure")]
    refused = await fhir.send("POST", "/Patient", patient(name=[{"family": "x" * 501}]), if_none_exist="family=doe")
    refusal(refused, 422, "invalid-participant")
    assert (await fhir.send("POST", "/Patient", patient("Doe"), if_none_exist="family=doe")).status_code == 201


WRONG = [
    "",
    "?",
    "nonsense=1",
    "_count=1",
    "family=doe&_sort=_id",
    "family=doe&nonsense=1",
    "birthdate=1970",
    "family=",
    "family=%ff",
]


@pytest.mark.parametrize("condition", [*WRONG, "family=d\xf6"])
async def test_a_condition_is_never_guessed_at(clinic: Clinic, fhir: Fhir, condition: str):
    answer = await clinic.http.post(
        "/fhir/R4/Patient",
        json=patient(),
        headers={"if-none-exist": condition.encode("latin-1"), "prefer": "handling=lenient"},  # type: ignore[dict-item]
    )
    refusal(answer, 400, "invalid-header")
    assert await fhir.found("/Patient") == []


async def test_it_needs_to_create_and_to_search(clinic: Clinic, fhir: Fhir):
    for scopes in (("user/Patient.c",), ("user/Patient.rs",)):
        clinic.http.headers.update(clinic.acting("some", scopes))
        refusal(await fhir.send("POST", "/Patient", patient(), if_none_exist="family=doe"), 403, "forbidden")
    clinic.http.headers.update(clinic.acting("both", ("user/Patient.crs",)))
    assert (await fhir.send("POST", "/Patient", patient(), if_none_exist="family=doe")).status_code == 201


async def test_patients_meet_their_own_conditions_only(clinic: Clinic, fhir: Fhir):
    url = await published(clinic)
    for number in (1, 2):
        clinic.http.headers.update(clinic.acting("patient", PATIENT, subject=f"Patient/{number}"))
        answers = [await fhir.send("POST", RESPONSE, answered(url), if_none_exist=f"questionnaire={url}") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 200]
        assert answers[1].json()["subject"] == {"reference": f"Patient/{number}"}


async def test_clinics_do_not_meet_each_others_conditions(clinic: Clinic, fhir: Fhir):
    assert (await fhir.send("POST", "/Patient", patient(), if_none_exist="family=doe")).status_code == 201
    clinic.http.headers.update(clinic.acting("stranger", tenant=new_id()))
    assert (await fhir.send("POST", "/Patient", patient(), if_none_exist="family=doe")).status_code == 201


@given(st.none() | st.just("Patient/1"), st.integers(0, 5))
def test_the_fold_of_a_conditions_journal_is_its_state(subject: str | None, claims: int):
    aggregate = fhir_room.AGGREGATES[0]
    desk, id_ = Desk(aggregate, subject=subject), new_id()
    assert desk.do(OpenPatientCondition(id_, subject)) is None
    for _ in range(claims):
        assert desk.do(ClaimPatientCondition(id_)) is None
    state: Any = desk.state
    assert (state.claims, state.subject) == (claims + 1, subject)
    assert fold(aggregate, desk.events) == state

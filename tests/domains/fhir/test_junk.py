"""Whatever JSON stands at any place of a resource or Bundle: it is stored or refused, and nothing breaks."""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, cast

import pytest

from keepwell.domains.fhir.models import BASE
from keepwell.kit.ids import new_id
from tests.support.clinic import Clinic
from tests.support.fhir import Fhir, Json, answered, given, parsed, patient, text
from tests.support.forms import form, item

JUNK: tuple[Any, ...] = (None, -7, "x", [], [[]], ["x"], {}, {"linkId": {}})
ITEMS = (
    item("t", text="Text", required=True, enableWhen=[{"question": "n", "operator": ">", "answerInteger": 1}]),
    item("n", "integer"),
    item("pick", "choice", answerOption=[{"valueCoding": {"system": "s", "code": "a"}}]),
    item("g", "group", item("x"), repeats=True),
)


def spoilt(value: Any) -> Iterator[Any]:
    """The value with everything in it replaced by junk, one thing at a time."""
    yield from JUNK
    if isinstance(value, dict):
        named = cast("Json", value)
        yield from ({**named, name: junk} for name, part in named.items() for junk in spoilt(part))
    elif isinstance(value, list):
        parts = cast("list[Any]", value)
        yield from ([*parts[:place], junk, *parts[place + 1 :]] for place, part in enumerate(parts) for junk in spoilt(part))


async def hold(clinic: Clinic, method: str, path: str, bodies: Iterable[Any], **headers: str) -> set[int]:
    """Sends every body; none may break the server, and every answer is well-formed. The statuses there were.

    A form is given back as it was sent, with those slips that leave no doubt about it: it is not held to more.
    """
    found: set[int] = set()
    waiting = iter(bodies)
    while some := list(islice(waiting, 50)):
        answers = await asyncio.gather(
            *(clinic.http.request(method, f"{BASE}{path}", json=body, headers=headers) for body in some)
        )
        for body, answer in zip(some, answers, strict=True):
            assert answer.status_code < 500, (body, answer.text)
            if answer.json()["resourceType"] != "Questionnaire":
                parsed(answer.json())
            found.add(answer.status_code)
    return found


def response(url: str) -> Json:
    row = {"linkId": "g", "item": [text("x", "1")]}
    items = (text("t", "a"), given("n", {"valueInteger": 3}), given("pick", {"valueCoding": {"system": "s", "code": "a"}}), row)
    return answered(url, *items, subject={"reference": "Patient/1"}, identifier={"system": "s", "value": "1"}, authored="2026-03")


@pytest.mark.parametrize("type_", ["QuestionnaireResponse", "Patient", "Questionnaire"])
async def test_a_spoilt_resource_is_stored_or_refused(clinic: Clinic, fhir: Fhir, type_: str):
    url = f"http://example.org/{new_id()}"
    await clinic.publish(*ITEMS, url=url)
    resource = {
        "QuestionnaireResponse": response(url),
        "Patient": patient(
            "Doe",
            "Ann",
            identifier=[{"system": "urn:keepwell:external-id", "value": "1"}],
            telecom=[{"system": "email", "value": "a@example.org"}],
            extension=[{"url": "urn:keepwell:attribute:x", "valueString": "y"}],
            birthDate="1980-02-29",
        ),
        "Questionnaire": form(*ITEMS, url=f"http://example.org/{new_id()}", title="T"),
    }[type_]
    statuses = await hold(clinic, "POST", f"/{type_}", spoilt(resource))
    assert {201, 422} <= statuses
    made = await fhir.post(f"/{type_}", resource | ({"identifier": [{"value": "1"}]} if type_ == "Patient" else {}))
    sent = spoilt({**resource, "id": made["id"]})
    assert 422 in await hold(clinic, "PUT", f"/{type_}/{made['id']}", sent, **{"if-match": 'W/"1"'})
    assert {200, 422} <= await hold(clinic, "POST", f"/{type_}/$validate", spoilt(resource))


@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_a_spoilt_bundle_is_run_or_refused(clinic: Clinic, kind: str):
    url, name = f"http://example.org/{new_id()}", f"urn:uuid:{new_id()}"
    await clinic.publish(*ITEMS, url=url)
    bundle = {
        "resourceType": "Bundle",
        "type": kind,
        "entry": [
            {
                "fullUrl": name,
                "resource": patient("Doe"),
                "request": {"method": "POST", "url": "Patient", "ifNoneExist": "family=Doe"},
            },
            {
                "resource": answered(url, subject={"reference": name}),
                "request": {"method": "POST", "url": "QuestionnaireResponse"},
            },
            {"request": {"method": "GET", "url": "Patient?family=Doe", "ifNoneMatch": 'W/"1"'}},
        ],
    }
    assert {200, 422} <= await hold(clinic, "POST", "", spoilt(bundle))

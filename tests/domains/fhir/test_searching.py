"""Searches: every parameter, alone and together, dates of any precision, pages, and nothing of anybody else."""

from typing import Any
from urllib.parse import urlencode

import pytest

from keepwell.kit.ids import new_id
from tests.support.clinic import PATIENT, Clinic
from tests.support.fhir import FORM, Fhir, Json, answered, parsed, patient, refusal, text
from tests.support.forms import form, item

RESPONSE = "/QuestionnaireResponse"


async def published(clinic: Clinic, url: str | None = None, version: str | None = None) -> str:
    named = {"url": url or f"http://example.org/{new_id()}", **({} if version is None else {"version": version})}
    await clinic.publish(item("a"), **named)
    return named["url"]


async def found(fhir: Fhir, path: str, *pairs: tuple[str, Any]) -> list[str]:
    return await fhir.found(f"{path}?{urlencode(pairs)}")


async def test_responses_are_found_by_form(clinic: Clinic, fhir: Fhir):
    url = await published(clinic, version="1")
    await published(clinic, url, "2")
    other = await published(clinic)
    one, two, three = [(await fhir.post(RESPONSE, answered(name)))["id"] for name in (f"{url}|1", f"{url}|2", other)]
    form_id = (await clinic.http.get(f"/v1/responses/{one}")).json()["questionnaire"]
    base = f"{str(clinic.http.base_url).rstrip('/')}/fhir/R4"
    expectations: list[tuple[str, set[str]]] = [
        (url, {one, two}),
        (f"{url}|2", {two}),
        (f"{url}|3", set()),
        (f"{url}|1,{other}", {one, three}),
        (f"Questionnaire/{form_id}", {one}),
        (form_id, {one}),
        (f"{base}/Questionnaire/{form_id}", {one}),
        ("http://example.org/nobody", set()),
    ]
    for value, expected in expectations:
        assert set(await found(fhir, RESPONSE, ("questionnaire", value))) == expected, value


async def test_responses_are_found_by_person(clinic: Clinic, fhir: Fhir):
    url = await published(clinic)
    base = f"{str(clinic.http.base_url).rstrip('/')}/fhir/R4"
    one, two, three = [
        (await fhir.post(RESPONSE, answered(url, subject={"reference": reference})))["id"]
        for reference in ("Patient/1", "Patient/2", "Group/1")
    ]
    for pairs, expected in (
        ([("subject", "Patient/1")], [one]),
        ([("subject", "1")], [one]),
        ([("subject:Patient", "1")], [one]),
        ([("subject", "Group/1")], [three]),
        ([("patient", "2")], [two]),
        ([("patient", f"{base}/Patient/2")], [two]),
        ([("patient", "Patient/1,Patient/2"), ("questionnaire", url)], [two, one]),
        ([("patient", "1"), ("patient", "2")], []),
        ([("patient", "3")], []),
    ):
        assert await found(fhir, RESPONSE, *pairs) == expected, pairs


async def test_responses_are_found_by_status_and_identifier(clinic: Clinic, fhir: Fhir):
    url = await published(clinic)
    identifiers: list[Json] = [{"system": "urn:a", "value": "1"}, {"value": "1"}, {"system": "urn:a", "value": "2,3"}]
    one, two, three = [(await fhir.post(RESPONSE, answered(url, identifier=identifier)))["id"] for identifier in identifiers]
    done = (await fhir.post(RESPONSE, answered(url, status="completed")))["id"]
    system = "http://hl7.org/fhir/questionnaire-answers-status"
    for pairs, expected in (
        ([("status", "completed")], [done]),
        ([("status", f"{system}|completed")], [done]),
        ([("status", "urn:other|completed")], []),
        ([("status", "completed,in-progress")], [done, three, two, one]),
        ([("identifier", "1")], [two, one]),
        ([("identifier", "urn:a|1")], [one]),
        ([("identifier", "|1")], [two]),
        ([("identifier", "urn:a|1,urn:a|2\\,3")], [three, one]),
        ([("identifier", "2")], []),
    ):
        assert await found(fhir, RESPONSE, *pairs) == expected, pairs


DATES: list[tuple[str, str]] = [
    ("2026-02-10", "b"),
    ("2026-02", "bc"),
    ("2026", "abcd"),
    ("2025", "e"),
    ("ne2026-02", "ade"),
    ("gt2026-02-10", "cd"),
    ("ge2026-02-10", "bcd"),
    ("lt2026-02-10", "ae"),
    ("le2026-02-10", "abe"),
    ("gt2026-02", "d"),
    ("sa2026-02-10", "cd"),
    ("eb2026-02-10", "ae"),
    ("ap2026-02-11", "bc"),
    ("2026-03-01T12:00:00Z", "d"),
    ("2026-03-01T13:00:00+01:00", "d"),
    ("2026-03-01T12:00Z", "d"),
    ("ge2026-03-01T12:00:01Z", ""),
    ("lt2026-01-05T00:00:00Z", "e"),
    ("2026-01-05,2026-02-10", "ab"),
]


async def test_responses_are_found_by_when_they_were_authored(clinic: Clinic, fhir: Fhir):
    """a, b and c say it in days, e in years; d does not say it, so it is when it changed last."""
    url = await published(clinic)
    ids = {
        (await fhir.post(RESPONSE, answered(url, **told)))["id"]: name
        for name, told in (
            ("a", {"authored": "2026-01-05"}),
            ("b", {"authored": "2026-02-10"}),
            ("c", {"authored": "2026-02-12"}),
            ("d", {}),
            ("e", {"authored": "2025-06"}),
        )
    }
    await fhir.put({**answered(url, text("a", "x")), "id": next(iter(ids)), "authored": "2026-01-05"}, 1)
    for value, expected in DATES:
        names = "".join(sorted(ids[id_] for id_ in await found(fhir, RESPONSE, ("authored", value))))
        assert names == expected, value
    both = await found(fhir, RESPONSE, ("authored", "ge2026-02"), ("authored", "lt2026-02-12"))
    assert [ids[id_] for id_ in both] == ["b"]


async def test_everything_is_found_by_its_id_and_its_last_change(clinic: Clinic, fhir: Fhir):
    url = await published(clinic)
    one = (await fhir.post(RESPONSE, answered(url)))["id"]
    clinic.clock.advance(days=1)
    two = (await fhir.post(RESPONSE, answered(url)))["id"]
    person = (await fhir.post("/Patient", patient()))["id"]
    form_id = (await clinic.http.get(f"/v1/responses/{one}")).json()["questionnaire"]
    assert await found(fhir, RESPONSE, ("_id", one)) == [one]
    assert await found(fhir, RESPONSE, ("_id", f"{one},{two},x,{new_id()}")) == [two, one]
    assert await found(fhir, RESPONSE, ("_id", "nonsense")) == []
    assert await found(fhir, RESPONSE, ("_lastUpdated", "2026-03-01")) == [one]
    assert await found(fhir, RESPONSE, ("_lastUpdated", "ge2026-03-02T12:00:00Z")) == [two]
    assert await found(fhir, RESPONSE, ("_lastUpdated", "ne2026-03-02")) == [one]
    assert await found(fhir, "/Patient", ("_lastUpdated", "gt2026-03-01"), ("_id", person)) == [person]
    assert await found(fhir, "/Questionnaire", ("_lastUpdated", "lt2026-03-02")) == [form_id]


async def test_questionnaires_are_found_by_what_they_are_called(clinic: Clinic, fhir: Fhir):
    url = f"http://example.org/{new_id()}"
    ids = [
        (await fhir.post("/Questionnaire", form(item("a"), url=url, version=version, title=title, status=status)))["id"]
        for version, title, status in (("1", "Sleep and rest", "active"), ("2", "sleep, again", "draft"), ("3", "Rest", "active"))
    ]
    one, two, three = ids
    for pairs, expected in (
        ([("url", url)], [three, two, one]),
        ([("url", url), ("version", "2")], [two]),
        ([("url", url[:-1])], []),
        ([("status", "draft")], [two]),
        ([("status", "http://hl7.org/fhir/publication-status|active,urn:other|draft")], [three, one]),
        ([("title", "sleep")], [two, one]),
        ([("title:contains", "REST")], [three, one]),
        ([("title:exact", "Rest")], [three]),
        ([("title:exact", "rest")], []),
        ([("title", "sleep\\, again")], [two]),
    ):
        assert await found(fhir, "/Questionnaire", *pairs) == expected, pairs


async def test_patients_are_found_by_names_and_identifiers(clinic: Clinic, fhir: Fhir):
    people = [
        patient("Müller", "Ann", "Maria", identifier=[{"system": "urn:mrn", "value": "1"}, {"system": "urn:x", "value": "9"}]),
        patient("muller", "ANN", identifier=[{"value": "1"}]),
        patient("De  la Cruz", "Bob", name=[{"family": "De  la Cruz", "given": ["Bob"]}, {"family": "Müller"}]),
        patient("Doe", identifier=[{"system": "urn:keepwell:external-id", "value": "A-1"}]),
    ]
    one, two, three, four = [(await fhir.post("/Patient", person))["id"] for person in people]
    expectations: list[tuple[list[tuple[str, str]], set[str]]] = [
        ([("family", "müller")], {one, three}),
        ([("family:exact", "muller")], {two}),
        ([("family:exact", "Muller")], set()),
        ([("family", "MÜLLER,doe")], {one, three, four}),
        ([("family", "mül")], set()),
        ([("family", "de la cruz")], {three}),
        ([("given", "ann")], {one, two}),
        ([("given", "Maria"), ("given", "Ann")], {one}),
        ([("family", "müller"), ("given", "bob")], {three}),
        ([("identifier", "1")], {one, two}),
        ([("identifier", "urn:mrn|1")], {one}),
        ([("identifier", "|1")], {two}),
        ([("identifier", "urn:x|9")], {one}),
        ([("identifier", "urn:keepwell:external-id|A-1")], {four}),
        ([("identifier", "A-1")], {four}),
    ]
    for pairs, expected in expectations:
        assert set(await found(fhir, "/Patient", *pairs)) == expected, pairs


async def test_a_name_that_was_changed_is_not_found_any_more(clinic: Clinic, fhir: Fhir):
    made = await fhir.post("/Patient", patient("Doe", "Ann"))
    await fhir.put({**made, "name": [{"family": "Roe"}]}, 1)
    assert await found(fhir, "/Patient", ("family", "doe")) == []
    assert await found(fhir, "/Patient", ("given", "ann")) == []
    assert await found(fhir, "/Patient", ("family", "roe")) == [made["id"]]


async def walk(fhir: Fhir, path: str) -> tuple[list[str], list[Json]]:
    """The ids of all pages, and the pages."""
    ids: list[str] = []
    pages: list[Json] = []
    while True:
        pages.append(await fhir.get(path))
        ids += [entry["resource"]["id"] for entry in pages[-1].get("entry", [])]
        following = [link["url"] for link in pages[-1]["link"] if link["relation"] == "next"]
        if not following:
            return ids, pages
        path = following[0].partition("/fhir/R4")[2]


async def test_pages_follow_each_other_in_every_order(clinic: Clinic, fhir: Fhir):
    url = await published(clinic)
    ids: list[str] = []
    for number in range(7):
        clinic.clock.advance(seconds=number % 3)
        ids.append((await fhir.post(RESPONSE, answered(url, subject={"reference": f"Patient/{number % 2}"})))["id"])
    await fhir.put({**answered(url, text("a", "x"), subject={"reference": "Patient/0"}), "id": ids[2]}, 1)
    query = urlencode({"questionnaire": url, "_count": 3})
    assert (await walk(fhir, f"{RESPONSE}?{query}"))[0] == ids[::-1]
    assert (await walk(fhir, f"{RESPONSE}?{query}&_sort=_id"))[0] == ids
    newest = (await walk(fhir, f"{RESPONSE}?{query}&_sort=-_lastUpdated"))[0]
    oldest = (await walk(fhir, f"{RESPONSE}?{query}&_sort=_lastUpdated"))[0]
    assert newest == oldest[::-1]
    assert sorted(newest) == sorted(ids)
    times = [(await fhir.get(f"{RESPONSE}/{id_}"))["meta"]["lastUpdated"] for id_ in oldest]
    assert times == sorted(times)
    even, pages = await walk(fhir, f"{RESPONSE}?{query}&subject=Patient/0")
    assert even == ids[::-1][::2]
    for page in pages[:-1]:
        [following] = [link["url"] for link in page["link"] if link["relation"] == "next"]
        assert "Patient" not in following.partition("?")[2]
    assert "total" not in pages[0]


async def test_as_much_is_counted_as_is_asked_for(clinic: Clinic, fhir: Fhir):
    url = await published(clinic)
    for _ in range(5):
        await fhir.post(RESPONSE, answered(url))
    path = f"{RESPONSE}?{urlencode({'questionnaire': url})}"
    assert (await fhir.get(path))["total"] == 5
    assert (await fhir.get(f"{path}&_count=2&_total=accurate"))["total"] == 5
    assert "total" not in await fhir.get(f"{path}&_count=2&_total=none")
    for alone in ("_summary=count", "_count=0"):
        only = await fhir.get(f"{path}&{alone}")
        assert (only["total"], only.get("entry")) == (5, None)


async def test_a_search_can_be_sent_as_a_form(clinic: Clinic, fhir: Fhir):
    url = await published(clinic)
    made = await fhir.post(RESPONSE, answered(url, subject={"reference": "Patient/1"}))
    other = await fhir.post(RESPONSE, answered(url, subject={"reference": "Patient/2"}))
    path = f"/fhir/R4{RESPONSE}/_search"
    answer = await clinic.http.post(f"{path}?status=in-progress", content=urlencode({"subject": "Patient/1"}), headers=FORM)
    assert answer.status_code == 200
    assert [entry["resource"]["id"] for entry in parsed(answer.json())["entry"]] == [made["id"]]
    everything = await clinic.http.post(path)
    assert [entry["resource"]["id"] for entry in everything.json()["entry"]] == [other["id"], made["id"]]
    refusal(
        await clinic.http.post(path, content="{}", headers={"content-type": "application/json"}), 415, "unsupported-media-type"
    )
    refusal(await clinic.http.post(path, content="nonsense=1", headers=FORM), 400, "invalid-parameter")


WRONG = [
    "nonsense=1", "subject.name=x", "subject:Group=1", "subject:missing=true", "_include=x", "status=", "status=,", "authored=x",
    "authored=2026-13", "authored=xx2026", "_lastUpdated=12:00", "_count=x", "_count=-1", "_count=1&_count=2", "_sort=status",
    "_sort=_id,_lastUpdated", "_total=some", "_summary=text", "_format=xml", "_cursor=x", "_cursor=",
    "identifier=urn:a|", "_has:x=1", f"patient={','.join('1' * 201)}",
]  # fmt: skip


@pytest.mark.parametrize("query", WRONG)
async def test_what_cannot_be_asked_is_refused_by_name(fhir: Fhir, query: str):
    places = refusal(await fhir.send("GET", f"{RESPONSE}?{query}"), 400, "invalid-parameter")
    assert places[0][0] == f"http.{query.partition('=')[0]}"


async def test_who_is_lenient_is_told_what_was_ignored(clinic: Clinic, fhir: Fhir):
    made = await fhir.post(RESPONSE, answered(await published(clinic)))
    bundle = await fhir.get(f"{RESPONSE}?nonsense=1&subject:missing=true&_id={made['id']}", prefer="handling=lenient")
    assert [entry["search"]["mode"] for entry in bundle["entry"]] == ["match", "outcome"]
    assert "nonsense, subject:missing" in bundle["entry"][1]["resource"]["issue"][0]["diagnostics"]
    assert "nonsense" not in bundle["link"][0]["url"]
    refusal(await fhir.send("GET", f"{RESPONSE}?_count=x", prefer="handling=lenient"), 400, "invalid-parameter")


@pytest.mark.parametrize("value", ["json", "application/json", "application/fhir+json", "application/fhir%2Bjson;charset=utf-8"])
async def test_json_is_spoken_under_all_its_names(fhir: Fhir, value: str):
    assert (await fhir.get(f"/Patient?_format={value}"))["type"] == "searchset"
    assert (await fhir.get(f"/metadata?_format={value}"))["resourceType"] == "CapabilityStatement"


async def test_a_cursor_is_good_for_its_search_and_its_clinic_alone(clinic: Clinic, fhir: Fhir):
    for _ in range(3):
        await fhir.post("/Patient", patient("Doe"))
    page = await fhir.get("/Patient?family=doe&_count=1")
    [following] = [link["url"] for link in page["link"] if link["relation"] == "next"]
    cursor = following.partition("_cursor=")[2]
    for path in (f"{RESPONSE}?_cursor={cursor}", f"/Patient?_cursor={cursor[:-2]}", f"/Patient?_cursor={cursor}&family=roe"):
        refusal(await fhir.send("GET", path), 400, "invalid-parameter")
    here = await fhir.send("GET", f"/Patient?_cursor={'A' * len(cursor)}")
    clinic.http.headers.update(clinic.acting("stranger", tenant=new_id()))
    there = await fhir.send("GET", f"/Patient?_cursor={cursor}")
    assert refusal(there, 400, "invalid-parameter") == refusal(here, 400, "invalid-parameter")
    assert await fhir.found("/Patient?family=doe") == []


async def test_each_resource_that_is_shown_is_recorded_as_read(clinic: Clinic, fhir: Fhir):
    url = await published(clinic)
    made = [(await fhir.post(RESPONSE, answered(url)))["id"] for _ in range(3)]
    await fhir.get(f"{RESPONSE}?_count=2")
    async with clinic.kernel.database.connection() as connection, connection.transaction():
        await connection.execute("SELECT set_config('app.tenant', $1, true)", str(clinic.tenant))
        rows = await connection.fetch("SELECT entity, door FROM access_record WHERE action = 'list' AND kind = 'response'")
        searches = await connection.fetchval("SELECT count(*) FROM access_record WHERE action = 'search' AND kind = 'response'")
    assert {str(row["entity"]) for row in rows} == set(made[1:])
    assert ({row["door"] for row in rows}, searches) == ({"fhir"}, 1)


async def test_a_patient_finds_their_own_only(clinic: Clinic, fhir: Fhir):
    url = await published(clinic)
    own, _ = [(await fhir.post(RESPONSE, answered(url, subject={"reference": f"Patient/{n}"})))["id"] for n in (1, 2)]
    clinic.http.headers.update(clinic.acting("patient", PATIENT, subject="Patient/1"))
    assert await fhir.found(RESPONSE) == [own]
    assert await fhir.found(f"{RESPONSE}?subject=Patient/2") == []
    assert (await fhir.get(f"{RESPONSE}?_summary=count"))["total"] == 1
    clinic.http.headers.update(clinic.acting("none", ("user/Patient.r",)))
    refusal(await fhir.send("GET", RESPONSE), 403, "forbidden")

"""QuestionnaireResponses over HTTP: begun, read, changed, finished, amended, voided by the very commands of the other doors."""

import json
from typing import Any

import pytest

from keepwell.kit.ids import new_id
from tests.support.clinic import PATIENT, Clinic
from tests.support.fhir import Fhir, Json, answered, given, refusal, text
from tests.support.forms import item

ITEMS = (
    item("name", text="What is your name?", required=True, maxLength=10),
    item("n", "integer"),
    item("pick", "choice", answerOption=[{"valueCoding": {"system": "s", "code": "a"}}]),
    item("g", "group", item("x"), repeats=True),
)
PATH = "/QuestionnaireResponse"
TOO_LONG = json.dumps({"reason": [{"text": "x" * 2_001}]})


async def published(clinic: Clinic, **elements: Any) -> str:
    """The canonical of a published form."""
    url = f"http://example.org/{new_id()}"
    await clinic.publish(*ITEMS, url=url, version="1", **elements)
    return f"{url}|1"


async def journal(clinic: Clinic, id_: str) -> list[tuple[str, Json]]:
    items = (await clinic.http.get(f"/v1/responses/{id_}/history")).json()["items"]
    return [(one["type"], one["changes"]) for one in items]


async def test_one_that_is_created_is_read_by_both_doors(clinic: Clinic, fhir: Fhir):
    form = await published(clinic)
    sent = answered(form, text("name", "Ann"), given("n", {"valueInteger": 3}), subject={"reference": "Patient/42"})
    answer = await fhir.send("POST", PATH, sent)
    assert answer.status_code == 201
    made = answer.json()
    where = f"{str(clinic.http.base_url).rstrip('/')}/fhir/R4/QuestionnaireResponse/{made['id']}"
    assert answer.headers["location"] == f"{where}/_history/1"
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["last-modified"] == "Sun, 01 Mar 2026 12:00:00 GMT"
    assert made["meta"] == {"versionId": "1", "lastUpdated": "2026-03-01T12:00:00Z"}
    assert made["item"][0] == {"linkId": "name", "text": "What is your name?", "answer": [{"valueString": "Ann"}]}
    assert await fhir.get(f"{PATH}/{made['id']}") == made
    rest = (await clinic.http.get(f"/v1/responses/{made['id']}")).json()
    assert (rest["answers"], rest["subject"], rest["status"]) == ({"name": "Ann", "n": 3}, "Patient/42", "in-progress")


async def test_one_that_was_begun_elsewhere_is_shown_with_the_words_of_its_form(clinic: Clinic, fhir: Fhir):
    url = f"http://example.org/{new_id()}"
    form = await clinic.publish(*ITEMS, url=url)
    begun = await clinic.begin(form, subject="Patient/1", answers={"pick": "a"})
    shown = await fhir.get(f"{PATH}/{begun['id']}")
    assert shown["questionnaire"] == url
    assert shown["authored"] == "2026-03-01T12:00:00Z"
    assert shown["subject"] == {"reference": "Patient/1"}
    assert shown["item"] == [{"linkId": "pick", "answer": [{"valueCoding": {"system": "s", "code": "a"}}]}]
    nameless = await clinic.publish(*ITEMS)
    without = await fhir.get(f"{PATH}/{(await clinic.begin(nameless))['id']}")
    assert without["questionnaire"] == f"Questionnaire/{nameless}"
    assert "item" not in without


async def test_an_update_writes_only_what_differs_as_patch_would(clinic: Clinic, fhir: Fhir):
    form = await published(clinic)
    made = await fhir.post(PATH, answered(form, text("name", "Ann"), given("n", {"valueInteger": 3})))
    changed = {**made, "item": [made["item"][0], given("n", {"valueInteger": 4})]}
    after = await fhir.put(changed, 1)
    assert after["meta"]["versionId"] == "2"
    cleared = {**after, "item": [after["item"][0]]}
    await fhir.put(cleared, 2)
    events = await journal(clinic, made["id"])
    assert events == [("created", {"name": "Ann", "n": 3}), ("changed", {"n": 4}), ("changed", {"n": None})]
    assert (await fhir.put({**cleared, "id": made["id"]}, 3))["meta"]["versionId"] == "3"


async def test_completing_is_the_change_and_then_the_submission(clinic: Clinic, fhir: Fhir):
    form = await published(clinic)
    made = await fhir.post(PATH, answered(form))
    refused = await fhir.send("PUT", f"{PATH}/{made['id']}", {**made, "status": "completed"}, if_match='W/"1"')
    assert refusal(refused, 422, "response-invalid") == [("QuestionnaireResponse", "required")]
    assert await journal(clinic, made["id"]) == [("created", {})]
    done = await fhir.put({**made, "status": "completed", "item": [text("name", "Ann")]}, 1)
    assert (done["status"], done["meta"]["versionId"]) == ("completed", "3")
    assert await journal(clinic, made["id"]) == [("created", {}), ("changed", {"name": "Ann"}), ("submitted", {})]


async def test_one_can_be_created_complete_by_one_command(clinic: Clinic, fhir: Fhir):
    form = await published(clinic)
    refused = await fhir.send("POST", PATH, answered(form, given("n", {"valueInteger": 1}), status="completed"))
    assert refusal(refused, 422, "response-invalid") == [("QuestionnaireResponse", "required")]
    assert await fhir.found(f"{PATH}?questionnaire={form}") == []
    done = await fhir.post(PATH, answered(form, text("name", "Ann"), status="completed"), idempotency_key="k")
    assert (done["status"], done["meta"]["versionId"]) == ("completed", "2")
    assert await journal(clinic, done["id"]) == [("created", {"name": "Ann"}), ("submitted", {})]
    again = await fhir.send("POST", PATH, answered(form, text("name", "Ann"), status="completed"), idempotency_key="k")
    assert (again.status_code, again.headers["idempotency-replayed"], again.json()) == (201, "true", done)


async def finished(clinic: Clinic, fhir: Fhir) -> Json:
    return await fhir.post(PATH, answered(await published(clinic), text("name", "Ann"), status="completed"))


async def test_a_completed_one_is_not_edited_whatever_version_is_named(clinic: Clinic, fhir: Fhir):
    done = await finished(clinic, fhir)
    edited = {**done, "item": [text("name", "Eve")]}
    for version in ("1", "2", "9", "0"):
        for body in (edited, done, {**edited, "status": "in-progress"}):
            answer = await fhir.send("PUT", f"{PATH}/{done['id']}", body, if_match=f'W/"{version}"')
            assert refusal(answer, 409, "response-submitted") == [("", "")]
    assert await fhir.get(f"{PATH}/{done['id']}") == done


async def test_amending_needs_a_reason_which_the_provenance_gives(clinic: Clinic, fhir: Fhir):
    done = await finished(clinic, fhir)
    amended = {**done, "status": "amended", "item": [text("name", "Anna")]}
    without = await fhir.send("PUT", f"{PATH}/{done['id']}", amended, if_match='W/"2"')
    assert refusal(without, 422, "invalid-body") == [("QuestionnaireResponse.reason", "required")]
    provenance = json.dumps({"resourceType": "Provenance", "reason": [{"text": "a typing error"}]})
    after = await fhir.put(amended, 2, x_provenance=provenance)
    assert (after["status"], after["meta"]["versionId"]) == ("amended", "3")
    history = (await clinic.http.get(f"/v1/responses/{done['id']}/history")).json()["items"]
    assert (history[-1]["type"], history[-1]["reason"], history[-1]["changes"]) == ("amended", "a typing error", {"name": "Anna"})
    coded = json.dumps({"reason": [{"coding": [{"display": "transcription"}]}]})
    await fhir.put({**after, "item": [text("name", "Hanna")]}, 3, x_provenance=coded)
    assert (await clinic.http.get(f"/v1/responses/{done['id']}/history")).json()["items"][-1]["reason"] == "transcription"


async def test_one_that_is_being_given_cannot_be_amended(clinic: Clinic, fhir: Fhir):
    made = await fhir.post(PATH, answered(await published(clinic), text("name", "Ann")))
    provenance = json.dumps({"reason": [{"text": "why"}]})
    body = {**made, "status": "amended"}
    answer = await fhir.send("PUT", f"{PATH}/{made['id']}", body, if_match='W/"1"', x_provenance=provenance)
    refusal(answer, 409, "response-not-submitted")


async def test_voiding_keeps_the_reason_and_is_the_end(clinic: Clinic, fhir: Fhir):
    done = await finished(clinic, fhir)
    voided = {**done, "status": "entered-in-error"}
    without = await fhir.send("PUT", f"{PATH}/{done['id']}", voided, if_match='W/"2"')
    assert refusal(without, 422, "invalid-body") == [("QuestionnaireResponse.reason", "required")]
    provenance = json.dumps({"reason": [{"text": "wrong person"}]})
    after = await fhir.put(voided, 2, x_provenance=provenance)
    assert (after["status"], after["meta"]["versionId"]) == ("entered-in-error", "3")
    again = await fhir.send("PUT", f"{PATH}/{done['id']}", voided, if_match='W/"3"', x_provenance=provenance)
    refusal(again, 409, "response-voided")


async def test_a_subject_is_the_same_with_this_servers_address_before_it(clinic: Clinic, fhir: Fhir):
    base = f"{str(clinic.http.base_url).rstrip('/')}/fhir/R4"
    form, whole = await published(clinic), {"reference": f"{base}/Patient/1"}
    made = await fhir.post(PATH, answered(form, subject=whole))
    assert made["subject"] == {"reference": "Patient/1"}
    assert (await fhir.put({**made, "subject": whole, "language": "de"}, 1))["subject"] == {"reference": "Patient/1"}
    elsewhere = await fhir.post(PATH, answered(form, subject={"reference": "http://elsewhere.example/fhir/R4/Patient/1"}))
    assert elsewhere["subject"] == {"reference": "http://elsewhere.example/fhir/R4/Patient/1"}


@pytest.mark.parametrize("sent", ["x", "[]", '{"reason": 7}', "{", '{"reason": [{"text": 5}]}', "\xff", TOO_LONG])
async def test_a_provenance_that_cannot_be_read_is_refused(clinic: Clinic, fhir: Fhir, sent: str):
    done = await finished(clinic, fhir)
    answer = await clinic.http.put(
        f"/fhir/R4{PATH}/{done['id']}",
        json=done,
        headers={"if-match": 'W/"2"', "x-provenance": sent.encode("latin-1")},  # type: ignore[dict-item]
    )
    refusal(answer, 400, "invalid-header")


async def test_changes_need_a_version_and_the_newest(clinic: Clinic, fhir: Fhir):
    made = await fhir.post(PATH, answered(await published(clinic), text("name", "Ann")))
    path, changed = f"{PATH}/{made['id']}", {**made, "item": [text("name", "Eve")]}
    refusal(await fhir.send("PUT", path, changed), 428, "precondition-required")
    await fhir.put(changed, 1)
    stale = await fhir.send("PUT", path, {**made, "item": [text("name", "Zoe")]}, if_match='W/"1"')
    assert refusal(stale, 412, "version-conflict") == [("", "")]
    assert {"url": "urn:keepwell:current-version", "valueInteger": 2} in stale.json()["extension"]
    refusal(await fhir.send("PUT", path, made, if_match="*"), 400, "invalid-header")
    assert (await fhir.get(path))["item"][0]["answer"] == [{"valueString": "Eve"}]


async def test_an_update_never_creates(clinic: Clinic, fhir: Fhir):
    ghost = {**answered(await published(clinic)), "id": str(new_id())}
    refusal(await fhir.send("PUT", f"{PATH}/{ghost['id']}", ghost, if_match='W/"1"'), 404, "not-found")
    refusal(await fhir.send("PUT", f"{PATH}/not-a-uuid", {**ghost, "id": "not-a-uuid"}, if_match='W/"1"'), 404, "not-found")


async def test_a_resource_has_the_type_and_id_of_its_address(clinic: Clinic, fhir: Fhir):
    made = await fhir.post(PATH, {**answered(await published(clinic)), "id": "mine"})
    assert made["id"] != "mine"
    path = f"{PATH}/{made['id']}"
    for body in ({**made, "id": str(new_id())}, {name: value for name, value in made.items() if name != "id"}):
        refusal(await fhir.send("PUT", path, body, if_match='W/"1"'), 400, "resource-id")
    wrong = await fhir.send("POST", PATH, {"resourceType": "Patient"})
    assert refusal(wrong, 422, "invalid-body") == [("QuestionnaireResponse.resourceType", "not-allowed")]
    refusal(await fhir.send("PUT", path, {**made, "resourceType": "Patient"}, if_match='W/"1"'), 422, "invalid-body")


KEPT: Json = {
    "meta": {"profile": ["http://example.org/profile"], "tag": [{"code": "t"}]},
    "language": "de",
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">words</div>'},
    "contained": [{"resourceType": "Practitioner", "id": "p", "name": [{"family": "Who"}]}],
    "extension": [{"url": "http://example.org/e", "valueString": "x"}],
    "identifier": {"system": "urn:visits", "value": "7"},
    "basedOn": [{"reference": "ServiceRequest/1"}],
    "partOf": [{"reference": "Procedure/2"}],
    "encounter": {"reference": "Encounter/3"},
    "authored": "2025-12-24",
    "_authored": {"extension": [{"url": "http://example.org/how", "valueCode": "guessed"}]},
    "author": {"reference": "#p"},
    "source": {"display": "Somebody"},
    "subject": {"reference": "Patient/1", "display": "Ann", "identifier": {"value": "a"}},
}


async def test_what_only_fhir_has_a_place_for_is_kept_and_given_back(clinic: Clinic, fhir: Fhir):
    form = await published(clinic)
    made = await fhir.post(PATH, {**answered(form, text("name", "Ann")), **KEPT})
    for name, value in KEPT.items():
        told = (
            {key: one for key, one in made[name].items() if key not in ("versionId", "lastUpdated")}
            if name == "meta"
            else made[name]
        )
        assert told == value, name
    rest = (await clinic.http.get(f"/v1/responses/{made['id']}")).json()
    assert rest["elements"]["author"] == {"reference": "#p"}
    assert "reference" not in rest["elements"]["subject"]
    patched = await clinic.patch(made["id"], 1, {"n": 5})
    assert patched.status_code == 200
    assert (await fhir.get(f"{PATH}/{made['id']}"))["author"] == {"reference": "#p"}


async def test_further_elements_change_and_go_like_answers(clinic: Clinic, fhir: Fhir):
    form = await published(clinic)
    made = await fhir.post(PATH, {**answered(form, text("name", "Ann")), **KEPT})
    changed = {name: value for name, value in made.items() if name not in ("source", "encounter")}
    after = await fhir.put({**changed, "author": {"display": "Other"}}, 1)
    assert after["author"] == {"display": "Other"}
    assert not {"source", "encounter"} & after.keys()
    assert after["partOf"] == KEPT["partOf"]
    old = await fhir.get(f"{PATH}/{made['id']}/_history/1")
    assert (old["author"], old["source"]) == (KEPT["author"], KEPT["source"])
    assert (await journal(clinic, made["id"]))[-1] == ("changed", {})


async def test_when_it_was_authored_is_the_last_change_unless_somebody_said_so(clinic: Clinic, fhir: Fhir):
    made = await fhir.post(PATH, answered(await published(clinic)))
    clinic.clock.advance(hours=1)
    after = await fhir.put({**made, "item": [text("name", "Ann")]}, 1)
    assert (made["authored"], after["authored"]) == ("2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z")
    told = await fhir.put({**after, "authored": "2026-02"}, 2)
    assert (await fhir.put({**told, "item": [text("name", "Eve")]}, 3))["authored"] == "2026-02"


NOT_KEPT: list[tuple[Json, str, str]] = [
    ({"modifierExtension": [{"url": "urn:x", "valueCode": "not"}]}, "modifierExtension", "not-kept"),
    ({"implicitRules": "urn:x"}, "implicitRules", "not-kept"),
    ({"author": 5}, "author", "structure"),
    ({"author": {"reference": 5}}, "author.reference", "structure"),
    ({"nonsense": "x"}, "nonsense", "structure"),
    ({"status": "stopped"}, "status", "status"),
    ({"status": "amended"}, "status", "status"),
    ({"status": 5}, "status", "structure"),
    ({"authored": "yesterday"}, "authored", "structure"),
    ({"questionnaire": ""}, "questionnaire", "structure"),
    ({"questionnaire": 7}, "questionnaire", "structure"),
    ({"subject": "Patient/1"}, "subject", "structure"),
    ({"subject": {"reference": "Patient/1 2"}}, "subject", "reference"),
]


@pytest.mark.parametrize(("elements", "place", "code"), NOT_KEPT)
async def test_what_cannot_be_kept_is_refused_at_its_place(clinic: Clinic, fhir: Fhir, elements: Json, place: str, code: str):
    form = await published(clinic)
    answer = await fhir.send("POST", PATH, {**answered(form, text("name", "Ann")), **elements})
    assert (f"QuestionnaireResponse.{place}", code) in refusal(answer, 422, "invalid-body")
    assert await fhir.found(f"{PATH}?questionnaire={form}") == []


async def test_form_and_subject_stay_what_they_are(clinic: Clinic, fhir: Fhir):
    form, other = await published(clinic), await published(clinic)
    made = await fhir.post(PATH, answered(form, text("name", "Ann"), subject={"reference": "Patient/1"}))
    for change, place in (
        ({"questionnaire": other}, "questionnaire"),
        ({"subject": {"reference": "Patient/2"}}, "subject"),
        ({"subject": {"display": "Ann"}}, "subject"),
    ):
        answer = await fhir.send("PUT", f"{PATH}/{made['id']}", {**made, **change}, if_match='W/"1"')
        assert refusal(answer, 422, "invalid-body") == [(f"QuestionnaireResponse.{place}", "fixed")]
    answer = await fhir.send("PUT", f"{PATH}/{made['id']}", {**made, "questionnaire": {}}, if_match='W/"1"')
    assert ("QuestionnaireResponse.questionnaire", "fixed") in refusal(answer, 422, "invalid-body")
    url = form.partition("|")[0]
    assert (await fhir.put({**made, "questionnaire": url}, 1))["meta"]["versionId"] == "1"


WRONG: list[tuple[list[Json], list[tuple[str, str]]]] = [
    ([given("n", {"valueString": "seven"})], [("item[0].answer[0].value.ofType(string)", "wrong-type")]),
    ([given("n", {"valueInteger": "7"})], [("item[0].answer[0].value.ofType(integer)", "wrong-type")]),
    ([text("name", "a name too long")], [("item[0].answer[0].value.ofType(string)", "too-long")]),
    ([text("name", "x", "y")], [("item[0].answer[0].value.ofType(string)", "not-repeating")]),
    (
        [given("pick", {"valueCoding": {"system": "s", "code": "z"}})],
        [("item[0].answer[0].value.ofType(Coding)", "not-an-option")],
    ),
    ([{"linkId": "nobody"}], [("item[0]", "unknown-item")]),
    ([given("n", {"valueInteger": 1}, extension=[{"url": "urn:x", "valueCode": "y"}])], [("item[0].extension", "not-kept")]),
]


@pytest.mark.parametrize(("items", "expected"), WRONG)
async def test_answers_that_do_not_fit_are_named_with_the_codes_of_all_doors(
    clinic: Clinic, fhir: Fhir, items: list[Json], expected: list[tuple[str, str]]
):
    form = await published(clinic)
    places = [(f"QuestionnaireResponse.{place}", code) for place, code in expected]
    answer = await fhir.send("POST", PATH, answered(form, *items))
    assert refusal(answer, 422, "invalid-answers") == places
    made = await fhir.post(PATH, answered(form))
    answer = await fhir.send("PUT", f"{PATH}/{made['id']}", {**made, "item": items}, if_match='W/"1"')
    assert refusal(answer, 422, "invalid-answers") == places
    assert (await fhir.get(f"{PATH}/{made['id']}"))["meta"]["versionId"] == "1"


async def test_a_missing_answer_is_told_at_the_item_that_should_hold_it(clinic: Clinic, fhir: Fhir):
    rows = item("g", "group", item("in", required=True), item("more"), repeats=True)
    url = f"http://example.org/{new_id()}"
    await clinic.publish(item("top", required=True), rows, url=url)
    row = {"linkId": "g", "item": [text("more", "x")]}
    answer = await fhir.send("POST", PATH, answered(url, text("top", "x"), row, row, status="completed"))
    places = refusal(answer, 422, "response-invalid")
    assert places == [("QuestionnaireResponse.item[1]", "required"), ("QuestionnaireResponse.item[2]", "required")]
    assert answer.json()["issue"][0]["extension"] == [{"url": "urn:keepwell:link-id", "valueString": "in"}]


async def test_what_else_stands_in_the_way_comes_before_what_is_wrong_with_the_resource(clinic: Clinic, fhir: Fhir):
    form = await published(clinic)
    bad = answered(form, {"linkId": "nobody"})
    clinic.http.headers.update(clinic.acting("reader", ("user/Questionnaire.rs", "user/QuestionnaireResponse.rs")))
    refusal(await fhir.send("POST", PATH, bad), 403, "forbidden")
    clinic.http.headers.update(clinic.acting("clinician"))
    done = await finished(clinic, fhir)
    broken = {**done, "item": [{"linkId": "nobody"}]}
    refusal(await fhir.send("PUT", f"{PATH}/{done['id']}", broken, if_match='W/"9"'), 409, "response-submitted")
    made = await fhir.post(PATH, answered(form))
    broken = {**made, "item": [{"linkId": "nobody"}]}
    refusal(await fhir.send("PUT", f"{PATH}/{made['id']}", broken, if_match='W/"9"'), 412, "version-conflict")


async def test_a_form_that_is_not_there_or_not_open_takes_no_responses(clinic: Clinic, fhir: Fhir):
    for reference in ("http://example.org/nobody", str(new_id()), f"Questionnaire/{new_id()}", "#contained"):
        answer = await fhir.send("POST", PATH, answered(reference, text("name", "Ann")))
        assert refusal(answer, 404, "not-found") == [("QuestionnaireResponse.questionnaire", "unknown-questionnaire")]
    missing = await fhir.send("POST", PATH, {"resourceType": "QuestionnaireResponse", "status": "in-progress"})
    assert refusal(missing, 422, "invalid-body") == [("QuestionnaireResponse.questionnaire", "required")]
    draft = await fhir.post("/Questionnaire", {"resourceType": "Questionnaire", "status": "draft", "item": list(ITEMS)})
    answer = await fhir.send("POST", PATH, answered(f"Questionnaire/{draft['id']}"))
    refusal(answer, 409, "questionnaire-not-published")


async def test_the_same_key_and_content_is_the_same_request_through_either_door(clinic: Clinic, fhir: Fhir):
    url = f"http://example.org/{new_id()}"
    form, row = await clinic.publish(*ITEMS, url=url), str(new_id())
    answers = {"name": "Ann", "n": 3, f"g[{row}].x": "y"}
    body = {"questionnaire": form, "subject": "Patient/1", "answers": answers}
    begun = await clinic.http.post("/v1/responses", json=body, headers={"idempotency-key": "begin"})
    items = (text("name", "Ann"), given("n", {"valueInteger": 3}), {"linkId": "g", "id": row, "item": [text("x", "y")]})
    sent = answered(url, *items, subject={"reference": "Patient/1"})
    again = await fhir.send("POST", PATH, sent, idempotency_key="begin")
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    id_ = again.json()["id"]
    assert id_ == begun.json()["id"]
    other = await fhir.send("POST", PATH, answered(url, text("name", "Eve")), idempotency_key="begin")
    refusal(other, 422, "idempotency-key-reused")
    changed = {**again.json(), "item": [text("name", "Eve"), *again.json()["item"][1:]]}
    first = await fhir.send("PUT", f"{PATH}/{id_}", changed, if_match='W/"1"', idempotency_key="change")
    assert "idempotency-replayed" not in first.headers
    patched = await clinic.patch(id_, 1, {"name": "Eve"}, **{"idempotency-key": "change"})
    assert (patched.status_code, patched.headers["idempotency-replayed"]) == (200, "true")
    retried = await fhir.send("PUT", f"{PATH}/{id_}", changed, if_match='W/"1"', idempotency_key="change")
    assert (retried.status_code, retried.headers["idempotency-replayed"]) == (200, "true")
    assert retried.json() == first.json()


async def test_a_retried_completion_gets_the_first_answer(clinic: Clinic, fhir: Fhir):
    made = await fhir.post(PATH, answered(await published(clinic)))
    done = {**made, "status": "completed", "item": [text("name", "Ann"), {"linkId": "g", "item": [text("x", "row")]}]}
    answers = [await fhir.send("PUT", f"{PATH}/{made['id']}", done, if_match='W/"1"', idempotency_key="k") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None, "true"]
    assert answers[0].json() == answers[1].json()


async def test_rows_keep_their_ids_though_a_client_does_not_send_them(clinic: Clinic, fhir: Fhir):
    def rows(*values: str) -> list[Json]:
        return [text("name", "Ann"), *({"linkId": "g", "item": [text("x", value)]} for value in values)]

    made = await fhir.post(PATH, answered(await published(clinic), *rows("a", "b")))
    ids = [one["id"] for one in made["item"][1:]]
    after = await fhir.put({**made, "item": rows("new", "a", "b", "c")}, 1)
    assert [one["id"] for one in after["item"][2:4]] == ids
    shorter = await fhir.put({**after, "item": rows("b")}, 2)
    assert [one["id"] for one in shorter["item"][1:]] == [ids[1]]
    assert (await clinic.http.get(f"/v1/responses/{made['id']}")).json()["answers"] == {"name": "Ann", f"g[{ids[1]}].x": "b"}


async def test_every_version_can_be_read_and_listed(clinic: Clinic, fhir: Fhir):
    made = await fhir.post(PATH, answered(await published(clinic), text("name", "a")))
    for version, name in enumerate("bcd", start=1):
        clinic.clock.advance(minutes=1)
        await fhir.put({**made, "item": [text("name", name)]}, version)
    path = f"{PATH}/{made['id']}/_history"
    assert [(await fhir.get(f"{path}/{version}"))["item"][0]["answer"][0]["valueString"] for version in (1, 2, 3, 4)] == [*"abcd"]
    for version in ("0", "5", "x", "1.0", "-1", "99999999999999999999"):
        refusal(await fhir.send("GET", f"{path}/{version}"), 404, "not-found")
    whole = await fhir.get(path)
    assert (whole["type"], whole["total"]) == ("history", 4)
    told = [(one["request"]["method"], one["response"]["etag"]) for one in whole["entry"]]
    assert told == [("PUT", 'W/"4"'), ("PUT", 'W/"3"'), ("PUT", 'W/"2"'), ("POST", 'W/"1"')]
    part = await fhir.get(f"{path}?_count=3")
    [following] = [link["url"] for link in part["link"] if link["relation"] == "next"]
    rest = await fhir.get(following.partition("/fhir/R4")[2])
    assert [one["resource"]["meta"]["versionId"] for one in (*part["entry"], *rest["entry"])] == ["4", "3", "2", "1"]
    assert [link["relation"] for link in rest["link"]] == ["self"]
    since = await fhir.get(f"{path}?_since=2026-03-01T12:02:00Z")
    assert [one["resource"]["meta"]["versionId"] for one in since["entry"]] == ["4", "3"]
    for query in ("_count=0", "_count=x", "_before=x", "_since=x", "_since=ge2026", "_sort=_id", "_format=xml"):
        refusal(await fhir.send("GET", f"{path}?{query}"), 400, "invalid-parameter")


async def test_what_is_known_already_is_not_sent_again(clinic: Clinic, fhir: Fhir):
    made = await fhir.post(PATH, answered(await published(clinic)))
    path = f"{PATH}/{made['id']}"
    same = await fhir.send("GET", path, if_none_match='W/"1"')
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", 'W/"1"')
    assert (await fhir.send("GET", path, if_none_match='W/"2"')).status_code == 200


async def test_an_answer_is_as_long_as_preferred(clinic: Clinic, fhir: Fhir):
    form = await published(clinic)
    minimal = await fhir.send("POST", PATH, answered(form), prefer="return=minimal")
    assert (minimal.status_code, minimal.content) == (201, b"")
    assert minimal.headers["etag"] == 'W/"1"'
    id_ = minimal.headers["location"].split("/")[-3]
    told = await fhir.send(
        "PUT", f"{PATH}/{id_}", {**answered(form), "id": id_}, if_match='W/"1"', prefer="return=OperationOutcome"
    )
    assert (told.status_code, told.json()["resourceType"]) == (200, "OperationOutcome")
    whole = await fhir.send("POST", PATH, answered(form), prefer='respond-async, return="representation"; handling=strict')
    assert whole.json()["resourceType"] == "QuestionnaireResponse"


async def test_a_patient_sees_and_writes_their_own_only(clinic: Clinic, fhir: Fhir):
    form = await published(clinic)
    foreign = await fhir.post(PATH, answered(form, subject={"reference": "Patient/2"}))
    clinic.http.headers.update(clinic.acting("patient", PATIENT, subject="Patient/1"))
    own = await fhir.post(PATH, answered(form, text("name", "Ann")))
    assert own["subject"] == {"reference": "Patient/1"}
    assert await fhir.found(PATH) == [own["id"]]
    refusal(await fhir.send("GET", f"{PATH}/{foreign['id']}"), 403, "forbidden")
    refusal(await fhir.send("PUT", f"{PATH}/{foreign['id']}", foreign, if_match='W/"1"'), 403, "forbidden")
    refusal(await fhir.send("POST", PATH, answered(form, subject={"reference": "Patient/2"})), 403, "forbidden")
    assert (await fhir.put({**own, "item": [text("name", "Eve")]}, 1))["meta"]["versionId"] == "2"


async def test_another_clinics_are_as_good_as_none(clinic: Clinic, fhir: Fhir):
    made = await fhir.post(PATH, answered(await published(clinic)))
    clinic.http.headers.update(clinic.acting("stranger", tenant=new_id()))
    for path in (f"{PATH}/{made['id']}", f"{PATH}/{made['id']}/_history", f"{PATH}/{made['id']}/_history/1"):
        foreign, absent = await fhir.send("GET", path), await fhir.send("GET", path.replace(made["id"], str(new_id())))
        assert refusal(foreign, 404, "not-found") == refusal(absent, 404, "not-found")
        ids = {"extension": None}
        assert {**foreign.json(), **ids} == {**absent.json(), **ids}
    refusal(await fhir.send("PUT", f"{PATH}/{made['id']}", made, if_match='W/"1"'), 404, "not-found")
    assert await fhir.found(f"{PATH}?_id={made['id']}") == []

"""Plants canaries through the FHIR door: in every element that is kept, in searches, conditions, Bundles and what is refused."""

from typing import Any
from uuid import uuid4

from tests.support.canary_routes import Planter
from tests.support.forms import form, item

Json = dict[str, Any]
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_BASE = "/fhir/R4"


def patient(planter: Planter) -> Json:
    """A Patient with a canary wherever a person could be told by."""
    secret = planter.secret
    return {
        "resourceType": "Patient",
        "identifier": [
            {"system": "urn:keepwell:external-id", "value": secret.text("external id")},
            {"system": "urn:mrn", "value": secret.text("identifier")},
        ],
        "name": [{"family": secret.text("family"), "given": [secret.text("given")], "text": secret.text("name as text")}],
        "telecom": [{"system": "email", "value": secret.email("telecom")}, {"system": "phone", "value": secret.text("phone")}],
        "birthDate": secret.date("birth date"),
        "address": [{"line": [secret.text("street")], "city": secret.text("city")}],
        "extension": [{"url": "urn:keepwell:attribute:ward", "valueString": secret.text("attribute")}],
        "contact": [{"name": {"family": secret.text("contact")}}],
    }


def plant(planter: Planter) -> None:
    """Everything the FHIR door takes, where it belongs."""
    _patients(planter)
    _responses(planter)
    _questionnaires(planter)
    _bundles(planter)
    _audit(planter)


def _patients(planter: Planter) -> None:
    send, secret, person = planter.send, planter.secret, patient(planter)
    path = f"{_BASE}/Patient"
    made = send(f"POST {path}", json=person, headers=planter.key(), expected=201).json()
    where = f"{path}/{made['id']}"
    changed = {**made, "name": [{"family": secret.text("changed family")}]}
    send(f"PUT {path}/{{id}}", where, json=changed, headers={"If-Match": 'W/"1"', **planter.key()}, expected=200)
    send(f"PUT {path}/{{id}}", where, json={**changed, "gender": "male"}, headers={"If-Match": 'W/"1"'}, expected=412)
    for tail in ("", "/_history", "/_history/1"):
        template = tail.replace("/1", "/{vid}")
        send(f"GET {path}/{{id}}{template}", f"{where}{tail}", expected=200)
    family, identifier = person["name"][0]["family"], person["identifier"][1]["value"]
    send(f"GET {path}", params={"family": family, "given": secret.text("searched given"), "_count": "1"}, expected=200)
    send(f"POST {path}/_search", content=f"identifier=urn:mrn|{identifier}", headers=_FORM, expected=200)
    condition = {"If-None-Exist": f"identifier={secret.text('condition')}"}
    send(f"POST {path}", json=patient(planter), headers=condition, expected=201)
    send(f"POST {path}", json=patient(planter), headers=condition, expected=201)
    wrong = {**person, "gender": secret.text("gender"), "birthDate": secret.text("no date"), "photo": secret.text("no photo")}
    send(f"POST {path}", json=wrong, expected=422)
    send(f"POST {path}/$validate", json=wrong, expected=200)
    send("GET /v1/participants", params={"external_id": person["identifier"][0]["value"]}, expected=200)
    send("GET /v1/participants/{id}", f"/v1/participants/{made['id']}", expected=200)
    send("GET /v1/participants/{id}/history", f"/v1/participants/{made['id']}/history", expected=200)
    _pages(planter)


def _pages(planter: Planter) -> None:
    """A search with a following page: what it was for travels in the cursor."""
    family = planter.secret.text("family of several")
    for _ in range(2):
        person = {"resourceType": "Patient", "name": [{"family": family}]}
        planter.send(f"POST {_BASE}/Patient", json=person, expected=201)
    answer = planter.send(f"POST {_BASE}/Patient/_search", content=f"family={family}&_count=1", headers=_FORM, expected=200)
    [following] = [link["url"] for link in answer.json()["link"] if link["relation"] == "next"]
    assert not planter.secret.in_bytes(following.encode(), "the cursor")
    planter.send(f"GET {_BASE}/Patient", f"{_BASE}/Patient?{following.partition('?')[2]}", expected=200)


def _responses(planter: Planter) -> None:
    send, secret = planter.send, planter.secret
    questionnaire = planter.questionnaire(form(item("a", "text"), item("n", "integer"), url=f"urn:uuid:{uuid4()}"))
    path, subject = f"{_BASE}/QuestionnaireResponse", f"Patient/{secret.text('FHIR subject')}"
    told: Json = {
        "identifier": {"system": "urn:visits", "value": secret.text("response identifier")},
        "author": {"reference": f"Practitioner/{secret.text('author')}", "display": secret.text("author's name")},
        "subject": {"reference": subject, "display": secret.text("subject's name")},
        "contained": [{"resourceType": "Basic", "id": "b", "code": {"text": secret.text("contained")}}],
        "extension": [{"url": "urn:x", "valueString": secret.text("extension")}],
        "text": {"status": "additional", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{secret.text("narrative")}</div>'},
    }
    answer = {"linkId": "a", "answer": [{"valueString": secret.text("FHIR answer")}]}
    resource = {"resourceType": "QuestionnaireResponse", "status": "in-progress", "questionnaire": questionnaire, **told}
    made = send(f"POST {path}", json={**resource, "item": [answer]}, headers=planter.key(), expected=201).json()
    where = f"{path}/{made['id']}"
    changed = {**made, "item": [{"linkId": "a", "answer": [{"valueString": secret.text("changed FHIR answer")}]}]}
    send(f"PUT {path}/{{id}}", where, json={**changed, "status": "completed"}, headers={"If-Match": 'W/"1"'}, expected=200)
    provenance = {"X-Provenance": f'{{"reason": [{{"text": "{secret.text("FHIR reason")}"}}]}}'}
    send(f"PUT {path}/{{id}}", where, json=changed, headers={"If-Match": 'W/"3"'}, expected=409)
    amended = {**changed, "status": "amended"}
    send(f"PUT {path}/{{id}}", where, json=amended, headers={"If-Match": 'W/"3"', **provenance}, expected=200)
    wrong = {"linkId": "n", "answer": [{"valueString": secret.text("wrong FHIR answer")}]}
    strange = {"linkId": planter.named.text("FHIR linkId"), "answer": [{"valueString": secret.text("answer to nothing")}]}
    for bad in (
        [wrong],
        [strange],
        [{**answer, "extension": [{"url": secret.text("url"), "valueString": secret.text("kept by nobody")}]}],
    ):
        send(f"POST {path}", json={**resource, "item": bad}, expected=422)
        send(f"POST {path}/$validate", json={**resource, "item": bad}, expected=200)
    for tail in ("", "/_history", "/_history/1"):
        template = tail.replace("/1", "/{vid}")
        send(f"GET {path}/{{id}}{template}", f"{where}{tail}", expected=200)
    send(f"GET {path}", params={"subject": subject, "identifier": f"urn:visits|{secret.text('other identifier')}"}, expected=200)
    send(f"POST {path}/_search", content=f"subject={subject}", headers=_FORM, expected=200)


def _questionnaires(planter: Planter) -> None:
    send, secret = planter.send, planter.secret
    path = f"{_BASE}/Questionnaire"
    draft = form(item("a", text=secret.text("FHIR question")), url=f"urn:uuid:{uuid4()}", status="draft")
    made = send(f"POST {path}", json=draft, headers=planter.key(), expected=201).json()
    where = f"{path}/{made['id']}"
    send(
        f"PUT {path}/{{id}}", where, json={**made, "purpose": secret.text("purpose")}, headers={"If-Match": 'W/"1"'}, expected=200
    )
    bad = form(item("a", secret.text("FHIR type")), status="draft")
    send(f"POST {path}", json=bad, expected=422)
    send(f"POST {path}/$validate", json=bad, expected=200)
    for tail in ("", "/_history", "/_history/1"):
        template = tail.replace("/1", "/{vid}")
        send(f"GET {path}/{{id}}{template}", f"{where}{tail}", expected=200)
    send(f"GET {path}", params={"title": secret.text("searched title")}, expected=200)
    send(f"POST {path}/_search", content="status=draft", headers=_FORM, expected=200)


def _bundles(planter: Planter) -> None:
    request = {"method": "POST", "url": "Patient"}
    wrong = {"resource": {**patient(planter), "gender": planter.secret.text("gender in a Bundle")}, "request": request}
    search = {"request": {"method": "GET", "url": f"Patient?family={planter.secret.text('family in a Bundle')}"}}
    for path in (_BASE, f"{_BASE}/"):
        for type_, status in (("batch", 200), ("transaction", 422)):
            entries = [{"resource": patient(planter), "request": request}, wrong, search]
            body = {"resourceType": "Bundle", "type": type_, "entry": entries}
            planter.send(f"POST {path}", json=body, headers=planter.key(), expected=status)


def _audit(planter: Planter) -> None:
    path = f"{_BASE}/AuditEvent"
    found = planter.send(f"GET {path}", params={"_count": "5"}, expected=200).json()
    planter.send(f"POST {path}/_search", content="date=ge2026", headers=_FORM, expected=200)
    planter.send(f"GET {path}/{{event}}", f"{path}/{found['entry'][0]['resource']['id']}", expected=200)
    planter.send(f"GET {_BASE}/metadata", expected=200)

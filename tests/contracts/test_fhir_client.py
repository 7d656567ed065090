"""A FHIR client made by others, against the running server: it creates, reads, searches, updates with a conflict, looks back."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import requests
from fhirclient.models import bundle, capabilitystatement, patient, questionnaire, questionnaireresponse
from fhirclient.server import FHIRNotFoundException, FHIRServer

from tests.contracts.conftest import STRANGER
from tests.support.load import CLINICIAN, PASSWORD
from tests.support.server import Server

Models = Any
"""The client's own objects; they carry no types."""

Bundle: Models = bundle.Bundle
CapabilityStatement: Models = capabilitystatement.CapabilityStatement
Patient: Models = patient.Patient
Questionnaire: Models = questionnaire.Questionnaire
QuestionnaireResponse: Models = questionnaireresponse.QuestionnaireResponse


def connected(server: Server, email: str) -> Models:
    """The client, signed in as somebody."""
    client: Models = FHIRServer(None, base_uri=f"{server.base}/fhir/R4")
    session: requests.Session = client.session
    session.trust_env = False
    login = session.post(f"{server.base}/v1/auth/login", json={"email": email, "password": PASSWORD}, timeout=20)
    session.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
    return client


@pytest.fixture
def client(server: Server) -> Iterator[Models]:
    found = connected(server, CLINICIAN)
    yield found
    found.session.close()


def published(client: Models) -> str:
    """The canonical of a form that the client stored."""
    url = f"http://example.org/{uuid4()}"
    source = {
        "url": url,
        "version": "1",
        "status": "active",
        "item": [{"linkId": "a", "type": "string", "text": "Why?", "required": True}, {"linkId": "n", "type": "integer"}],
    }
    made = Questionnaire(source).create(client)
    assert made["meta"]["versionId"] == "1"
    return f"{url}|1"


def begun(client: Models, canonical: str, **elements: Any) -> Models:
    """A response that the client created and read back."""
    items = [{"linkId": "a", "answer": [{"valueString": "because"}]}]
    sent = {"questionnaire": canonical, "status": "in-progress", "item": items, **elements}
    made = QuestionnaireResponse(sent).create(client)
    return QuestionnaireResponse.read(made["id"], client)


def update(client: Models, resource: Models, version: str) -> dict[str, Any]:
    """Sends the resource as an update of the version named."""
    client.session.headers["If-Match"] = f'W/"{version}"'
    try:
        return resource.update(client)
    finally:
        del client.session.headers["If-Match"]


def refusal(client: Models, resource: Models, version: str) -> requests.Response:
    """What an update is refused with."""
    with pytest.raises(requests.HTTPError) as refused:
        update(client, resource, version)
    answer: Any = refused.value.response
    return answer


def test_the_client_understands_what_the_server_says_of_itself(client: Models):
    statement = CapabilityStatement.read_from("metadata", client)
    assert statement.fhirVersion == "4.0.1"
    types = {one.type: one for one in statement.rest[0].resource}
    assert types.keys() == {"Questionnaire", "QuestionnaireResponse", "Patient", "AuditEvent"}
    assert types["QuestionnaireResponse"].conditionalCreate


def test_what_the_client_creates_it_reads_and_finds(client: Models):
    person = Patient({"name": [{"family": "Doe", "given": ["Ann"]}]}).create(client)
    canonical = published(client)
    response = begun(client, canonical, subject={"reference": f"Patient/{person['id']}"})
    assert response.item[0].text == "Why?"
    assert response.item[0].answer[0].valueString == "because"
    search = QuestionnaireResponse.where({"patient": person["id"], "status": "in-progress"})
    assert [one.id for one in search.perform_resources_iter(client)] == [response.id]
    for _ in range(2):
        begun(client, canonical, subject={"reference": f"Patient/{person['id']}"})
    pages = QuestionnaireResponse.where({"patient": person["id"], "_count": "1"})
    assert len(list(pages.perform_resources_iter(client))) == 3


def test_an_update_that_comes_too_late_is_refused(client: Models):
    response = begun(client, published(client))
    mine, theirs = (QuestionnaireResponse.read(response.id, client) for _ in range(2))
    theirs.item[0].answer[0].valueString = "theirs"
    assert update(client, theirs, "1")["meta"]["versionId"] == "2"
    mine.item[0].answer[0].valueString = "mine"
    refused = refusal(client, mine, "1")
    outcome = refused.json()
    assert refused.status_code == 412
    assert outcome["issue"][0]["details"]["coding"][0]["code"] == "version-conflict"
    again = QuestionnaireResponse.read(response.id, client)
    again.item[0].answer[0].valueString, again.status = "both", "completed"
    assert update(client, again, again.meta.versionId)["status"] == "completed"
    assert refusal(client, again, "4").status_code == 409


def test_the_history_tells_every_version(client: Models):
    response = begun(client, published(client))
    for version, text in enumerate(("second", "third"), start=1):
        response.item[0].answer[0].valueString = text
        update(client, response, str(version))
    history = Bundle.read_from(f"QuestionnaireResponse/{response.id}/_history", client)
    texts = [entry.resource.item[0].answer[0].valueString for entry in history.entry]
    assert texts == ["third", "second", "because"]
    first = QuestionnaireResponse.read_from(f"QuestionnaireResponse/{response.id}/_history/1", client)
    assert first.item[0].answer[0].valueString == "because"


def test_a_transaction_is_one(client: Models):
    name = f"urn:uuid:{uuid4()}"
    entries = [
        {"fullUrl": name, "resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient"}},
        {
            "resource": {
                "resourceType": "QuestionnaireResponse",
                "status": "in-progress",
                "questionnaire": published(client),
                "subject": {"reference": name},
            },
            "request": {"method": "POST", "url": "QuestionnaireResponse"},
        },
    ]
    answer = client.post_json("", {"resourceType": "Bundle", "type": "transaction", "entry": entries}).json()
    person, response = (entry["resource"] for entry in answer["entry"])
    assert response["subject"] == {"reference": f"Patient/{person['id']}"}


def test_a_client_of_another_clinic_finds_nothing_of_it(server: Server, client: Models):
    response = begun(client, published(client))
    stranger = connected(server, STRANGER)
    with pytest.raises(FHIRNotFoundException):
        QuestionnaireResponse.read(response.id, stranger)
    stranger.session.close()

"""The spine from outside: a form from its publication to the proof of what was answered, over HTTP on a running server."""

import httpx
import pytest

from tests.support.journey import Story, begun, created, fill, patch, tells_what_was_sent
from tests.support.plain_answers import answer_for, questions
from tests.support.problems import assert_problem

FORMS = ("phq9", "ussg-fhp", "bit-of-everything", "4712701")


@pytest.mark.parametrize("name", FORMS)
def test_a_form_goes_its_whole_way(clinician: httpx.Client, name: str):
    draft = created(clinician, name)
    assert_problem(clinician.post("/v1/responses", json={"questionnaire": draft["id"]}), 409, "questionnaire-not-published")
    clinician.post(f"/v1/questionnaires/{draft['id']}/publish", headers={"If-Match": '"1"'}).raise_for_status()
    story = Story(clinician, begun(clinician, draft["id"], subject="Patient/123"))
    assert story.told[0]["status"] == "in-progress"
    assert story.told[0]["subject"] == "Patient/123"
    fill(story, draft["resource"]["item"])

    stale = patch(clinician, story.id, 1, {})
    assert assert_problem(stale, 412, "version-conflict")["current_version"] == story.version
    path = f"/v1/responses/{story.id}"
    assert_problem(clinician.patch(path, json={"answers": {}}), 428, "precondition-required")
    assert_problem(clinician.post(f"{path}/submit"), 428, "precondition-required")

    story.note(clinician.post(f"{path}/submit", headers={"If-Match": f'"{story.version}"'}))
    assert story.told[-1]["status"] == "completed"
    question = next(questions(draft["resource"]["item"]))
    for version in (story.version, 1):
        late = patch(clinician, story.id, version, {question["linkId"]: answer_for(question, 1)})
        assert_problem(late, 409, "response-submitted")
    assert_problem(clinician.post(f"{path}/submit", headers={"If-Match": f'"{story.version}"'}), 409, "response-submitted")
    assert story.at().json() == story.told[-1]
    tells_what_was_sent(story)

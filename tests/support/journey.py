"""The steps of a form's way through the server, and a record of what was told at each."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from tests.support.forms import real_form
from tests.support.plain_answers import answer_for, questions, repeating_groups
from tests.support.problems import assert_problem


def created(client: httpx.Client, name: str) -> dict[str, Any]:
    """One of the real forms as a new draft, under an address of its own."""
    resource = {**real_form(name), "url": f"urn:uuid:{uuid4()}", "status": "draft"}
    answer = client.post("/v1/questionnaires", json=resource)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/v1/questionnaires/{answer.json()['id']}"
    assert answer.json()["status"] == "draft"
    return answer.json()


def published(client: httpx.Client, name: str = "phq9") -> str:
    draft = created(client, name)
    answer = client.post(f"/v1/questionnaires/{draft['id']}/publish", headers={"If-Match": '"1"'})
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "active"
    return draft["id"]


def begun(client: httpx.Client, questionnaire: str, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/responses", json={"questionnaire": questionnaire, **body})
    assert answer.status_code == 201, answer.text
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Location"] == f"/v1/responses/{answer.json()['id']}"
    return answer.json()


def patch(client: httpx.Client, id_: str, version: int, answers: Mapping[str, Any], **headers: str) -> httpx.Response:
    match = {"If-Match": f'"{version}"', **{name.replace("_", "-"): value for name, value in headers.items()}}
    return client.patch(f"/v1/responses/{id_}", json={"answers": answers}, headers=match)


class Story:
    """What was sent to one response, version by version, and what it must look like at each."""

    def __init__(self, client: httpx.Client, body: dict[str, Any]) -> None:
        self.client = client
        self.id: str = body["id"]
        self.told: list[dict[str, Any]] = [body]

    @property
    def version(self) -> int:
        return len(self.told)

    def write(self, answers: Mapping[str, Any]) -> None:
        expected = {name: value for name, value in {**self.told[-1]["answers"], **answers}.items() if value is not None}
        answer = patch(self.client, self.id, self.version, answers)
        assert answer.status_code == 200, answer.text
        assert answer.json()["answers"] == expected
        self.note(answer)

    def note(self, answer: httpx.Response) -> None:
        """Takes the next version as told."""
        assert answer.status_code in (200, 201), answer.text
        assert answer.headers["ETag"].removeprefix("W/") == f'"{self.version + 1}"'
        body = answer.json()
        if "version" not in body or "answers" not in body:
            body = self.client.get(f"/v1/responses/{self.id}").json()
        assert body["version"] == self.version + 1
        self.told.append(body)

    def at(self, **query: Any) -> httpx.Response:
        return self.client.get(f"/v1/responses/{self.id}", params=query)


def instant(text: str) -> datetime:
    assert text.endswith("Z"), f"{text} is not in UTC"
    return datetime.fromisoformat(text)


def fill(story: Story, items: list[dict[str, Any]]) -> None:
    """Answers every question twice over, in a few patches, clears one, and adds rows to the repeating groups."""
    open_questions = list(questions(items))
    assert len(open_questions) >= 5
    for turn in (0, 1):
        for start in range(0, len(open_questions), 6):
            story.write({each["linkId"]: answer_for(each, turn) for each in open_questions[start : start + 6]})
    optional = [each for each in open_questions if not each.get("required")]
    if optional:
        story.write({optional[0]["linkId"]: None})
    for group in repeating_groups(items):
        inside = {each["linkId"]: answer_for(each, 0) for each in questions(group["item"])}
        path, match = f"/v1/responses/{story.id}/rows", {"If-Match": f'"{story.version}"'}
        story.note(story.client.post(path, json={"group": group["linkId"], "answers": inside}, headers=match))
        assert [name for name in story.told[-1]["answers"] if name.startswith(f"{group['linkId']}[")]


def tells_what_was_sent(story: Story) -> None:
    """Every version and every instant is as it was told at the time; the history has them all."""
    moments = [instant(body["updated_at"]) for body in story.told]
    assert moments == sorted(moments)
    for number, body in enumerate(story.told, start=1):
        assert shown(story.at(version=number)) == shown_body(body)
        later = moments[number] if number < story.version else moments[-1] + timedelta(days=1)
        for moment in {moments[number - 1], later - timedelta(microseconds=1)}:
            if moments[number - 1] <= moment < later:
                assert shown(story.at(at=moment.isoformat().replace("+00:00", "Z"))) == shown_body(body), number
    before = (moments[0] - timedelta(microseconds=1)).isoformat().replace("+00:00", "Z")
    assert_problem(story.at(at=before), 404, "not-found")
    assert_problem(story.at(version=story.version + 1), 404, "not-found")
    history = story.client.get(f"/v1/responses/{story.id}/history")
    assert history.status_code == 200, history.text
    assert [each["version"] for each in history.json()["items"]] == list(range(1, story.version + 1))


def shown(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return shown_body(answer.json())


def shown_body(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in ("id", "version", "status", "answers", "subject", "questionnaire", "rows")}

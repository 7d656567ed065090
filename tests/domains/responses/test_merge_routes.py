"""Merging over HTTP: what is stored, what is shown to whom, what is recorded; many clients at once."""

import asyncio
from typing import Any

import asyncpg

from keepwell.kit.ids import new_id
from tests.support.clinic import PATIENT, Clinic, match
from tests.support.forms import item
from tests.support.problems import assert_problem

_asyncpg: Any = asyncpg  # partly typed
SECRET = "what nobody else may see"
MERGE = {"on_conflict": "merge"}


async def merge(clinic: Clinic, id_: str, version: int, answers: dict[str, Any], **headers: str) -> Any:
    path = f"/v1/responses/{id_}"
    return await clinic.http.patch(path, params=MERGE, json={"answers": answers}, headers={**match(version), **headers})


async def begun(clinic: Clinic, **body: Any) -> str:
    items = (item("a"), item("b"), item("c", enableWhen=[{"question": "a", "operator": "=", "answerString": "yes"}]))
    group = item("g", "group", item("x"), repeats=True)
    return (await clinic.begin(await clinic.publish(*items, group), **body))["id"]


async def recorded(clinic: Clinic, id_: str) -> list[tuple[str, str]]:
    """Action and outcome of every access record of a response, in the order they were made."""
    connection = await _asyncpg.connect(clinic.everything)
    rows = await connection.fetch("SELECT action, outcome FROM access_record WHERE entity = $1 ORDER BY id", id_)
    await connection.close()
    return [(row["action"], row["outcome"]) for row in rows]


async def test_a_stale_change_is_merged_when_asked_for(clinic: Clinic):
    id_ = await begun(clinic)
    assert (await clinic.patch(id_, 1, {"a": "theirs"})).status_code == 200
    assert_problem(await clinic.patch(id_, 1, {"b": "yours"}), 412, "version-conflict")
    merged = await merge(clinic, id_, 1, {"b": "yours"})
    assert merged.status_code == 200, merged.text
    assert merged.headers["ETag"] == '"3"'
    body = merged.json()
    assert (body["merged"], body["version"], body["answers"]) == (True, 3, {"a": "theirs", "b": "yours"})
    shown = (await clinic.http.get(f"/v1/responses/{id_}")).json()
    assert "merged" not in shown
    assert shown == {name: value for name, value in body.items() if name != "merged"}


async def test_a_current_change_is_no_merge(clinic: Clinic):
    id_ = await begun(clinic)
    answer = await merge(clinic, id_, 1, {"b": "yours"})
    assert (answer.status_code, "merged" in answer.json()) == (200, False)


async def test_a_conflict_shows_all_three_and_is_recorded_as_a_read(clinic: Clinic):
    id_ = await begun(clinic, answers={"a": "base"})
    assert (await clinic.patch(id_, 1, {"a": SECRET})).status_code == 200
    problem = assert_problem(await merge(clinic, id_, 1, {"a": "yours", "b": "x"}), 409, "merge-conflict")
    assert problem["conflicts"] == [{"linkId": "a", "base": "base", "theirs": SECRET, "yours": "yours"}]
    assert problem["current_version"] == 2
    assert [(fault["pointer"], fault["linkId"]) for fault in problem["errors"]] == [("/answers/a", "a")]
    assert (await recorded(clinic, id_))[-2:] == [("read", "ok"), ("responses.patch", "merge-conflict")]
    assert (await clinic.http.get(f"/v1/responses/{id_}")).json()["answers"] == {"a": SECRET}


async def test_who_may_not_read_is_told_where_but_not_what(clinic: Clinic):
    id_ = await begun(clinic, answers={"a": "base"}, subject="Patient/1")
    assert (await clinic.patch(id_, 1, {"a": SECRET})).status_code == 200
    writer = clinic.acting("writer", ("user/QuestionnaireResponse.u",))
    other = clinic.acting("other", ("user/QuestionnaireResponse.u", "patient/QuestionnaireResponse.r"), subject="Patient/2")
    for headers in (writer, other):
        refused = await merge(clinic, id_, 1, {"a": "yours"}, **headers)
        problem = assert_problem(refused, 409, "merge-conflict")
        assert "conflicts" not in problem
        assert SECRET not in refused.text
        assert [fault["linkId"] for fault in problem["errors"]] == ["a"]
    assert ("read", "ok") not in await recorded(clinic, id_)
    own = clinic.acting("own", PATIENT, subject="Patient/1")
    assert "conflicts" in assert_problem(await merge(clinic, id_, 1, {"a": "yours"}, **own), 409, "merge-conflict")


async def test_a_conflict_is_replayed_under_its_key_and_lies_encrypted(clinic: Clinic):
    id_, key = await begun(clinic, answers={"a": "base"}), {"idempotency-key": str(new_id())}
    assert (await clinic.patch(id_, 1, {"a": SECRET})).status_code == 200
    first = assert_problem(await merge(clinic, id_, 1, {"a": "yours"}, **key), 409, "merge-conflict")
    assert (await clinic.patch(id_, 2, {"a": "later"})).status_code == 200
    second = assert_problem(await merge(clinic, id_, 1, {"a": "yours"}, **key), 409, "merge-conflict")
    assert second["conflicts"] == first["conflicts"]
    assert [action for action, _ in await recorded(clinic, id_)].count("read") == 2
    connection = await _asyncpg.connect(clinic.everything)
    kept = await connection.fetch("SELECT outcome FROM idempotency")
    await connection.close()
    assert kept
    assert not any(SECRET.encode() in row["outcome"] for row in kept)


async def test_a_merge_is_replayed_as_merged(clinic: Clinic):
    id_, key = await begun(clinic), {"idempotency-key": str(new_id())}
    assert (await clinic.patch(id_, 1, {"a": "no"})).status_code == 200
    first = await merge(clinic, id_, 1, {"b": "yours"}, **key)
    second = await merge(clinic, id_, 1, {"b": "yours"}, **key)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert first.json() == second.json()
    assert second.json()["merged"] is True


async def test_what_applies_no_more_is_cleared_and_told(clinic: Clinic):
    id_ = await begun(clinic, answers={"a": "yes"})
    assert (await clinic.patch(id_, 1, {"a": "no"})).status_code == 200
    body = (await merge(clinic, id_, 1, {"c": "yours"})).json()
    assert (body["merged"], body["cleared"], body["answers"]) == (True, ["c"], {"a": "no"})


async def test_a_removal_merges_or_conflicts(clinic: Clinic):
    id_ = await begun(clinic)
    rows = f"/v1/responses/{id_}/rows"
    first, second = [(await clinic.post(rows, None, {"group": "g"})).json()["id"] for _ in range(2)]
    assert (await clinic.patch(id_, 3, {f"g[{second}].x": "theirs"})).status_code == 200
    merged = await clinic.http.delete(f"{rows}/{first}", params=MERGE, headers=match(3))
    assert (merged.status_code, merged.json()["merged"]) == (200, True)
    problem = assert_problem(await clinic.http.delete(f"{rows}/{second}", params=MERGE, headers=match(3)), 409, "merge-conflict")
    assert problem["conflicts"] == [{"linkId": f"g[{second}].x", "base": None, "theirs": "theirs", "yours": None}]
    assert_problem(await clinic.http.delete(f"{rows}/{second}", headers=match(3)), 412, "version-conflict")


async def test_a_preview_says_what_would_come_of_it_and_stores_nothing(clinic: Clinic):
    id_ = await begun(clinic, answers={"a": "base"})
    path = f"/v1/responses/{id_}/merge"
    assert (await clinic.patch(id_, 1, {"a": "theirs"})).status_code == 200
    fits = await clinic.post(path, None, {"base_version": 1, "answers": {"b": "yours"}})
    assert fits.status_code == 200, fits.text
    assert fits.json()["mergeable"] is True
    assert fits.json()["version"] == 3
    assert fits.json()["response"]["answers"] == {"a": "theirs", "b": "yours"}
    differs = (await clinic.post(path, None, {"base_version": 1, "answers": {"a": "yours"}})).json()
    assert differs == {
        "mergeable": False,
        "base_version": 1,
        "version": 2,
        "response": None,
        "conflicts": [{"linkId": "a", "base": "base", "theirs": "theirs", "yours": "yours"}],
    }
    assert (await clinic.http.get(f"/v1/responses/{id_}")).json()["version"] == 2
    assert_problem(await clinic.post(path, None, {"base_version": 9, "answers": {}}), 412, "version-conflict")
    assert_problem(await clinic.post(path, None, {"base_version": 1, "answers": {"z": 1}}), 422, "invalid-answers")


async def test_a_version_that_never_was_is_not_merged(clinic: Clinic):
    id_ = await begun(clinic)
    for version in (0, 7):
        assert_problem(await merge(clinic, id_, version, {"a": "x"}), 412, "version-conflict")


async def test_a_submitted_response_merges_nothing(clinic: Clinic):
    id_ = await begun(clinic)
    assert (await clinic.post(f"/v1/responses/{id_}/submit", 1)).status_code == 200
    assert_problem(await merge(clinic, id_, 1, {"a": "x"}), 409, "response-submitted")


async def test_100_clients_editing_their_own_items_of_one_response_lose_nothing(clinic: Clinic):
    names = [f"item {number}" for number in range(100)]
    id_ = (await clinic.begin(await clinic.publish(*(item(name) for name in names))))["id"]
    until = asyncio.get_running_loop().time() + 3
    written: dict[str, int] = {}
    versions: list[int] = [1]

    async def edit(name: str) -> None:
        version, turn = 1, 0
        while asyncio.get_running_loop().time() < until or not turn:
            turn += 1
            answer = await merge(clinic, id_, version, {name: str(turn)})
            assert answer.status_code == 200, answer.text
            version = answer.json()["version"]
            assert answer.json()["answers"][name] == str(turn)
            versions.append(version)
            written[name] = turn

    await asyncio.gather(*(edit(name) for name in names))
    shown = (await clinic.http.get(f"/v1/responses/{id_}")).json()
    assert shown["answers"] == {name: str(turn) for name, turn in written.items()}
    assert sorted(versions) == list(range(1, shown["version"] + 1))
    # And the past can still be told, and differences met, however many versions there are.
    assert (await clinic.http.get(f"/v1/responses/{id_}", params={"version": 2})).json()["version"] == 2
    late = await merge(clinic, id_, shown["version"] - 1, {names[0]: "x"})
    assert late.status_code in (200, 409)


async def test_a_conflict_can_be_settled_with_the_version_told(clinic: Clinic):
    id_ = await begun(clinic)
    assert (await clinic.patch(id_, 1, {"a": "theirs"})).status_code == 200
    problem = assert_problem(await merge(clinic, id_, 1, {"a": "yours"}), 409, "merge-conflict")
    settled = await clinic.patch(id_, problem["current_version"], {"a": "agreed"})
    assert settled.json()["answers"] == {"a": "agreed"}


async def test_where_merging_is_the_default_a_caller_who_says_nothing_is_merged_at_every_route(clinic: Clinic):
    clinic.merges = True
    id_ = await begun(clinic)
    rows, bulk = f"/v1/responses/{id_}/rows", "/v1/responses/bulk"
    row = (await clinic.post(rows, None, {"group": "g"})).json()["id"]
    assert (await clinic.patch(id_, 2, {"a": "theirs"})).status_code == 200
    assert (await clinic.patch(id_, 2, {"b": "yours"})).json()["merged"] is True
    operation = {"op": "patch", "id": id_, "if_match": 2, "answers": {"b": "yours"}}
    (outcome,) = (await clinic.post(bulk, None, {"operations": [operation]})).json()["outcomes"]
    assert (outcome["status"], outcome["body"]["merged"]) == (200, True)
    assert (await clinic.http.delete(f"{rows}/{row}", headers=match(2))).json()["merged"] is True


async def test_what_the_caller_says_counts_more_than_the_default(clinic: Clinic):
    clinic.merges = True
    id_ = await begun(clinic)
    assert (await clinic.patch(id_, 1, {"a": "theirs"})).status_code == 200
    path, refuse = f"/v1/responses/{id_}", {"on_conflict": "refuse"}
    body = {"answers": {"b": "yours"}}
    assert_problem(await clinic.http.patch(path, params=refuse, json=body, headers=match(1)), 412, "version-conflict")
    operation = {"op": "patch", "id": id_, "if_match": 1, **body, **refuse}
    (outcome,) = (await clinic.post("/v1/responses/bulk", None, {"operations": [operation]})).json()["outcomes"]
    assert outcome["code"] == "version-conflict"
    clinic.merges = False
    assert (await merge(clinic, id_, 1, {"b": "yours"})).json()["merged"] is True

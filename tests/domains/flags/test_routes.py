"""Flags over HTTP: who may see and set them, in which versions, and what is told of it afterwards."""

from typing import Any

import pytest

from tests.domains.flags.conftest import ADMIN, ORIGIN, Clinic
from tests.support.flags import COLOUR, FLAGS, NEW, OLD
from tests.support.problems import assert_problem

PLAN = {"steps": [100, 500], "hold_s": 60}
BETA = {"beta": {"subjects": ["a"], "roles": ["patient"]}}


async def test_what_is_declared_is_shown_though_nobody_set_it(clinic: Clinic):
    listed = (await clinic.http.get("/v1/flags")).json()
    assert [flag["key"] for flag in listed["items"]] == sorted(flag.key for flag in FLAGS)
    assert listed["next"] is None
    answer = await clinic.http.get(f"/v1/flags/{OLD.key}")
    assert answer.headers["ETag"] == '"0"'
    shown = answer.json()
    assert (shown["version"], shown["enabled"], shown["basis_points"], shown["updated_at"]) == (0, True, 10_000, None)
    assert shown["declared"] == {
        "type": "boolean",
        "description": "Something that can be turned off.",
        "owner": "tests",
        "since": "2025-01-01",
        "default": True,
        "kill_switch": True,
    }


async def test_a_list_comes_in_parts(clinic: Clinic):
    found, cursor = list[str](), ""
    while cursor is not None:
        part = (await clinic.http.get("/v1/flags", params={"limit": 1, **({"cursor": cursor} if cursor else {})})).json()
        found += [flag["key"] for flag in part["items"]]
        cursor = part["next"]
    assert found == sorted(flag.key for flag in FLAGS)


async def test_a_flag_is_set_and_changed_by_version(clinic: Clinic):
    path = f"/v1/flags/{NEW.key}"
    assert_problem(await clinic.http.put(path, json={}), 428, "precondition-required")
    assert assert_problem(await clinic.put(NEW.key, 3, {}), 412, "version-conflict")["current_version"] == 0
    made = await clinic.put(NEW.key, 0, {"basis_points": 2_500, "cohorts": BETA})
    assert (made.status_code, made.headers["ETag"], made.json()["basis_points"]) == (200, '"1"', 2_500)
    assert assert_problem(await clinic.put(NEW.key, 0, {}), 412, "version-conflict")["current_version"] == 1
    patched = await clinic.http.patch(path, json={"salt": "pepper"}, headers={"if-match": '"1"'})
    assert {name: patched.json()[name] for name in ("version", "salt", "basis_points", "cohorts")} == {
        "version": 2,
        "salt": "pepper",
        "basis_points": 2_500,
        "cohorts": BETA,
    }
    assert (await clinic.put(NEW.key, 2, {"basis_points": 1})).json()["cohorts"] == {}
    assert (await clinic.http.get(path, headers={"if-none-match": '"3"'})).status_code == 304
    assert await clinic.show(NEW.key) == (await clinic.http.get("/v1/flags")).json()["items"][1]


async def test_what_cannot_be_is_refused_with_its_place(clinic: Clinic):
    problem = assert_problem(await clinic.put(NEW.key, 0, {"variants": {"on": "yes", "off": False}}), 422, "invalid-flag")
    assert [(fault["pointer"], fault["code"]) for fault in problem["errors"]] == [("/variants", "wrong-type")]
    assert_problem(await clinic.put(NEW.key, 0, {"percentage": 4}), 422, "invalid-body")
    assert_problem(await clinic.post(f"{NEW.key}/rollout", {"steps": [5, 1], "hold_s": 1}), 422, "invalid-flag")
    assert (await clinic.show(NEW.key))["version"] == 0


@pytest.mark.parametrize("key", ["no-such-flag", "new_thing", "%C3%BC", "x" * 200])
async def test_a_flag_that_is_not_declared_is_not_there(clinic: Clinic, key: str):
    match = {"if-match": '"0"'}
    answers = [
        await clinic.http.get(f"/v1/flags/{key}"),
        await clinic.http.get(f"/v1/flags/{key}/history"),
        await clinic.http.put(f"/v1/flags/{key}", json={}, headers=match),
        await clinic.http.patch(f"/v1/flags/{key}", json={}, headers=match),
        await clinic.post(f"{key}/kill", {"reason": "x"}),
        await clinic.post(f"{key}/restore", {"reason": "x"}),
        await clinic.post(f"{key}/rollout", PLAN),
        await clinic.post(f"{key}/rollout/stop", {"reason": "x"}),
        await clinic.post(f"{key}/evaluate", {}),
    ]
    for answer in answers:
        assert_problem(answer, 404, "not-found")


async def test_only_administrators_see_and_set_flags(clinic: Clinic):
    headers = clinic.acting("clinician")
    match = {**headers, "if-match": '"0"'}
    reason = {"reason": "x"}
    for answer in (
        await clinic.http.get("/v1/flags", headers=headers),
        await clinic.http.get("/v1/flags/stale", headers=headers),
        await clinic.http.get(f"/v1/flags/{NEW.key}", headers=headers),
        await clinic.http.get(f"/v1/flags/{NEW.key}/history", headers=headers),
        await clinic.http.put(f"/v1/flags/{NEW.key}", json={}, headers=match),
        await clinic.http.patch(f"/v1/flags/{NEW.key}", json={}, headers=match),
        await clinic.http.post(f"/v1/flags/{NEW.key}/kill", json=reason, headers=headers),
        await clinic.http.post(f"/v1/flags/{NEW.key}/restore", json=reason, headers=headers),
        await clinic.http.post(f"/v1/flags/{NEW.key}/rollout", json=PLAN, headers=headers),
        await clinic.http.post(f"/v1/flags/{NEW.key}/evaluate", json={"targeting_key": "x"}, headers=headers),
    ):
        assert_problem(answer, 403, "forbidden")
    assert (await clinic.show(NEW.key))["version"] == 0


async def test_anybody_may_ask_what_a_flag_is_for_themselves(clinic: Clinic):
    assert (await clinic.put(NEW.key, 0, {"cohorts": {"beta": {"roles": ["clinician"]}}})).status_code == 200
    mine = (await clinic.http.post(f"/v1/flags/{NEW.key}/evaluate", json={}, headers=clinic.acting("clinician"))).json()
    assert mine == {
        "key": NEW.key,
        "value": True,
        "variant": "on",
        "reason": "TARGETING_MATCH",
        "error_code": None,
        "metadata": {"owner": "tests", "declared": "2026-01-01", "kill_switch": False},
    }
    other = (await clinic.post(f"{NEW.key}/evaluate", {"targeting_key": "x", "roles": ["patient"]})).json()
    assert (other["value"], other["reason"]) == (False, "DEFAULT")
    nothing = clinic.acting("nobody", ("user/Session.r",))
    assert_problem(await clinic.http.post(f"/v1/flags/{NEW.key}/evaluate", json={}, headers=nothing), 403, "forbidden")


async def test_a_kill_counts_at_once_and_is_taken_back(clinic: Clinic):
    assert await clinic.value(OLD.key) is True
    killed = (await clinic.post(f"{OLD.key}/kill", {"reason": "it hurts"})).json()
    assert (killed["enabled"], killed["version"]) == (False, 2)
    assert await clinic.value(OLD.key) is False
    again = await clinic.post(f"{OLD.key}/kill", {"reason": "it hurts"})
    assert (again.status_code, again.json()["version"]) == (200, 2)
    assert_problem(await clinic.post(f"{OLD.key}/kill", {"reason": ""}), 422, "invalid-body")
    assert (await clinic.post(f"{OLD.key}/restore", {"reason": "mended"})).json()["enabled"] is True
    assert await clinic.value(OLD.key) is True


async def test_a_roll_out_is_begun_and_ended(clinic: Clinic):
    begun = (await clinic.post(f"{NEW.key}/rollout", PLAN)).json()
    assert (begun["basis_points"], begun["rollout"]["status"], begun["rollout"]["step"]) == (100, "running", 0)
    assert begun["rollout"]["plan"]["guard"] == {"maximum_error_rate": 0.05, "minimum_sample": 100, "maximum_ratio": 2.0}
    assert_problem(await clinic.put(NEW.key, begun["version"], {}), 409, "rollout-running")
    ended = (await clinic.post(f"{NEW.key}/rollout/stop", {"reason": "enough"})).json()
    assert ended["rollout"]["status"] == "stopped"
    assert_problem(await clinic.post(f"{NEW.key}/rollout/stop", {"reason": "enough"}), 409, "rollout-not-running")


async def test_a_retry_is_answered_once_more_and_applied_once(clinic: Clinic):
    body, key = {"reason": "it hurts"}, {"idempotency-key": "one"}
    first = await clinic.post(f"{OLD.key}/kill", body, **key)
    again = await clinic.post(f"{OLD.key}/kill", body, **key)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert first.json() == again.json()
    assert_problem(await clinic.post(f"{OLD.key}/kill", {"reason": "other"}, **key), 422, "idempotency-key-reused")


async def test_the_history_tells_who_did_what_and_why(clinic: Clinic):
    assert (await clinic.http.get(f"/v1/flags/{NEW.key}/history")).json() == {"items": [], "next": None}
    await clinic.put(NEW.key, 0, {"basis_points": 7})
    await clinic.post(f"{NEW.key}/kill", {"reason": "it hurts"})
    await clinic.post(f"{NEW.key}/restore", {"reason": "mended"})
    part = (await clinic.http.get(f"/v1/flags/{NEW.key}/history", params={"limit": 2})).json()
    assert [(item["version"], item["type"]) for item in part["items"]] == [(1, "set"), (2, "killed")]
    assert part["items"][0]["event"]["setup"]["basis_points"] == 7
    assert part["items"][1]["event"] == {"reason": "it hurts"}
    assert {item["actor"] for item in part["items"]} == {str(clinic.names["admin"].id)}
    rest = (await clinic.http.get(f"/v1/flags/{NEW.key}/history", params={"cursor": part["next"]})).json()
    assert [item["type"] for item in rest["items"]] == ["restored"]


async def test_everything_is_audited(clinic: Clinic):
    await clinic.put(NEW.key, 0, {"basis_points": 7})
    await clinic.put(NEW.key, 0, {"basis_points": 8})
    await clinic.show(NEW.key)
    journal = await clinic.everything.fetch("SELECT event, command, door FROM journal_entry WHERE tenant_id = $1", clinic.tenant)
    assert ("set", "flags.set", "http") in [tuple(row) for row in journal]
    records = await clinic.everything.fetch(
        "SELECT action, outcome FROM access_record WHERE tenant_id = $1 AND kind = 'flag' AND door = 'http'", clinic.tenant
    )
    assert {tuple(row) for row in records} == {("flags.set", "version-conflict"), ("read", "ok")}


async def test_stale_flags_are_told_with_their_reasons(clinic: Clinic):
    """The clock stands at 2026-03-01."""
    await clinic.value(OLD.key)
    clinic.clock.advance(days=2)
    assert await clinic.node.kernel.tally.flush()
    stale: dict[str, Any] = {flag["key"]: flag for flag in (await clinic.http.get("/v1/flags/stale")).json()["items"]}
    assert {key: flag["reasons"] for key, flag in stale.items()} == {
        NEW.key: ["never-evaluated"],
        COLOUR.key: ["never-evaluated"],
    }
    clinic.clock.advance(days=60)
    stale = {flag["key"]: flag for flag in (await clinic.http.get("/v1/flags/stale")).json()["items"]}
    assert {key: flag["reasons"] for key, flag in stale.items()} == {
        NEW.key: ["decided", "never-evaluated"],
        OLD.key: ["never-evaluated"],
        COLOUR.key: ["decided", "never-evaluated"],
    }
    assert stale[OLD.key]["last_evaluated_at"] == "2026-03-01T12:00:00Z"


async def test_a_flag_that_was_set_and_is_declared_no_more_is_stale(clinic: Clinic):
    await clinic.put(NEW.key, 0, {"basis_points": 7})
    del clinic.node.flags.declared[NEW.key]
    stale = {flag["key"]: flag for flag in (await clinic.http.get("/v1/flags/stale")).json()["items"]}
    assert stale[NEW.key]["reasons"] == ["not-declared"]
    assert (await clinic.show(NEW.key))["declared"] is None
    assert_problem(await clinic.put(NEW.key, 1, {}), 404, "not-found")


async def test_another_clinics_flags_are_its_own(clinic: Clinic):
    await clinic.put(NEW.key, 0, {"basis_points": 10_000})
    here, other = clinic.tenant, (await clinic.node.tenants.create(f"{clinic.slug}-2", "Other", ORIGIN)).id
    clinic.tenant = other
    theirs = clinic.acting("stranger", ADMIN)
    assert (await clinic.http.get(f"/v1/flags/{NEW.key}", headers=theirs)).json()["version"] == 0
    assert await clinic.value(NEW.key, "stranger") is False
    clinic.tenant = here
    assert await clinic.value(NEW.key) is True

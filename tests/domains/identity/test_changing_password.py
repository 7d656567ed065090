"""Changing one's own password: the current one proves who asks, this session goes on, all others end."""

import asyncio
from typing import Any

import httpx
import pytest

from keepwell.domains.identity import Role
from tests.domains.identity.conftest import PASSWORD, World, bearer

NEW = "a longer way to say good morning"


async def change(world: World, session: dict[str, Any], current: str = PASSWORD, new: str = NEW, **more: Any) -> httpx.Response:
    body = {"current_password": current, "new_password": new, **more}
    return await world.http.put("/v1/auth/password", json=body, headers=bearer(session))


@pytest.mark.parametrize("role", ["admin", "clinician", "patient"])
async def test_everybody_changes_their_own_and_logs_in_with_it(world: World, role: Role):
    await world.person("ana", role)
    assert (await change(world, await world.logged_in("ana"))).status_code == 204
    assert (await world.login("ana")).status_code == 401
    assert (await world.login("ana", NEW)).status_code == 200


async def test_the_session_that_asks_goes_on_and_all_others_end(world: World):
    await world.person("ana")
    here, there = await world.logged_in("ana"), await world.logged_in("ana")
    assert (await change(world, here)).status_code == 204
    assert (await world.get("/v1/auth/me", here)).status_code == 200
    assert (await world.get("/v1/auth/me", there)).status_code == 401
    for session, status in ((here, 200), (there, 401)):
        answer = await world.http.post("/v1/auth/refresh", json={"refresh_token": session["refresh_token"]})
        assert answer.status_code == status


async def test_a_wrong_current_password_changes_nothing(world: World):
    await world.person("ana")
    session = await world.logged_in("ana")
    refused = await change(world, session, "not the password")
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong-password")
    assert (await world.login("ana")).status_code == 200


async def test_guesses_of_the_current_password_are_held_up_like_log_ins(world: World):
    await world.person("ana")
    session = await world.logged_in("ana")
    world.http.cookies.clear()
    codes = [(await change(world, session, "not the password")).json()["code"] for _ in range(12)]
    assert codes == ["wrong-password"] * 11 + ["challenge-required"]
    assert (await world.login("ana")).json()["code"] == "challenge-required"


@pytest.mark.parametrize(("new", "reason"), [("short", "password-too-short"), ("a" * 20, "password-repeats")])
async def test_a_password_that_will_not_do_is_refused_with_the_reason(world: World, new: str, reason: str):
    await world.person("ana")
    refused = await change(world, await world.logged_in("ana"), new=new)
    assert (refused.status_code, refused.json()["code"]) == (422, "unsuitable-password")
    assert [(each["pointer"], each["code"]) for each in refused.json()["errors"]] == [("/new_password", reason)]


async def test_names_of_the_clinic_and_the_person_are_known(world: World):
    await world.person("anastasia")
    refused = await change(world, await world.logged_in("anastasia"), new=f"{world.clinic.slug} anastasia")
    assert [each["code"] for each in refused.json()["errors"]] == ["password-of-names"]


async def test_nobody_changes_a_password_without_a_session(world: World):
    await world.person("ana")
    session = await world.logged_in("ana")
    await world.http.post("/v1/auth/logout", headers=bearer(session))
    assert (await change(world, session)).status_code == 401
    assert (await world.http.put("/v1/auth/password", json={})).status_code == 401


async def test_of_two_changes_at_once_one_holds(world: World):
    await world.person("ana")
    session = await world.logged_in("ana")
    world.clock.advance(seconds=1)
    wanted = [NEW, "another way to say goodbye"]
    answers = await asyncio.gather(*(change(world, session, PASSWORD, new) for new in wanted))
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) in ([204, 403], [204, 409])
    held = [(await world.login("ana", new)).status_code == 200 for new in wanted]
    assert held == [status == 204 for status in statuses]


async def test_the_journal_says_who_changed_it_and_never_what(world: World):
    user = await world.person("ana")
    await change(world, await world.logged_in("ana"))
    rows = await world.everything.fetch(
        "SELECT event, actor, kind FROM journal_entry WHERE tenant_id = $1 AND event = ANY($2) ORDER BY kind",
        world.clinic.id,
        ["password-set", "session-kept"],
    )
    assert [tuple(row) for row in rows] == [("session-kept", user.id, "session"), ("password-set", user.id, "user")]

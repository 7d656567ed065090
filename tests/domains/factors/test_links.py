"""Links by mail: asked for, opened by whoever, followed once."""

import re
from typing import Any

import httpx

from tests.domains.factors.conftest import World
from tests.support.problems import assert_refused
from tests.support.waiting import eventually_async

_LINK = re.compile(r"http://localhost:8080(/auth/link\?token=\S+)")


async def link(world: World, name: str) -> str:
    """The path of the link that a person is sent."""
    asked = await world.http.post("/v1/auth/magic-link", json={"email": world.email(name)})
    assert asked.status_code == 202, asked.text
    message = await world.mail.next()
    assert message["To"] == world.email(name)
    found = _LINK.search(message.get_content())
    assert found is not None
    return found[1]


async def redeem(world: World, path: str, **more: Any) -> httpx.Response:
    return await world.http.post("/v1/auth/magic-link/redeem", json={"token": path.partition("token=")[2]}, **more)


async def test_a_link_logs_in_once(world: World):
    await world.person("ann", password=None)
    path = await link(world, "ann")
    answer = await redeem(world, path)
    assert answer.status_code == 200, answer.text
    listed = (await world.send("GET", "/v1/auth/sessions", answer.json())).json()["items"]
    assert [each["methods"] for each in listed] == [["magic-link"]]
    assert_refused(await redeem(world, path), 401, "challenge-expired")
    assert ("login.magic-link", "challenge-spent") in await world.attempts()


async def test_opening_a_link_uses_nothing_up_and_the_button_works_without_scripts(world: World):
    await world.person("ann")
    path = await link(world, "ann")
    for method in ("HEAD", "GET", "GET", "GET"):
        page = await world.http.request(method, path)
        assert page.status_code == 200
    assert '<form method="post" action="/auth/link">' in page.text
    assert "script" not in page.text
    assert "form-action 'self'" in page.headers["content-security-policy"]
    token = page.text.split('name="token" value="')[1].split('"')[0]
    pressed = await world.http.post("/auth/link", data={"token": token})
    assert set(pressed.json()) == {"expires_in", "session_id", "clinic", "user"}
    assert (await world.http.get("/v1/auth/me")).json()["session_id"] == pressed.json()["session_id"]
    assert_refused(await world.http.post("/auth/link", data={"token": token}), 401, "challenge-expired")


async def test_another_browser_that_asked_for_another_link_is_refused(world: World):
    await world.person("ann")
    path = await link(world, "ann")
    world.http.cookies.clear()
    other = {"cookie": "keepwell_link=another"}
    assert_refused(await redeem(world, path, headers=other), 401, "challenge-expired")
    assert ("login.magic-link", "other-browser") in await world.attempts()
    assert (await redeem(world, path)).status_code == 200


async def test_the_answer_does_not_tell_whether_there_is_an_account(world: World):
    await world.person("ann")
    known = await world.http.post("/v1/auth/magic-link", json={"email": world.email("ann")})
    unknown = await world.http.post("/v1/auth/magic-link", json={"email": world.email("nobody"), "clinic": world.clinic.slug})
    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json()) == (202, {"expires_in": 900})
    assert {*known.headers} == {*unknown.headers}
    assert (await world.mail.next())["To"] == world.email("ann")
    assert len(world.mail.messages) == 1


async def test_a_second_factor_is_asked_for_behind_a_link(world: World):
    await world.with_app("ann")
    refused = await redeem(world, await link(world, "ann"))
    assert_refused(refused, 401, "second-factor-required")
    answer = await world.second(refused.json(), "totp", code=world.code("ann"))
    assert answer.status_code == 200, answer.text
    listed = (await world.send("GET", "/v1/auth/sessions", answer.json())).json()["items"]
    assert ["magic-link", "totp"] in [each["methods"] for each in listed]


async def test_a_link_is_too_old_after_a_quarter_of_an_hour(world: World):
    await world.person("ann")
    path = await link(world, "ann")
    world.clock.advance(seconds=901)
    assert_refused(await redeem(world, path), 401, "challenge-expired")
    assert "too old" in (await world.http.get(path)).text
    assert "<form" not in (await world.http.get("/auth/link?token=%22%3E%3Cb%3E")).text


async def test_mail_that_is_not_taken_is_recorded(world: World):
    await world.person("ann")
    world.mail.manner = "refuses"
    await world.http.post("/v1/auth/magic-link", json={"email": world.email("ann")})

    async def recorded() -> bool:
        return ("magic-link.magic-link", "mail-undelivered") in await world.attempts()

    await eventually_async(recorded)


async def test_a_session_begun_by_link_cannot_be_taken_for_one_of_a_disabled_account(world: World):
    ann = await world.person("ann")
    path = await link(world, "ann")
    admin = await world.logged_in("boss", "admin")
    changed = await world.send("PATCH", f"/v1/users/{ann.id}", admin, {"active": False}, **{"if-match": '"1"'})
    assert changed.status_code == 200
    assert_refused(await redeem(world, path), 401, "invalid-credentials")

"""Second factors over HTTP: logging in, setting up, proving again."""

import asyncio
from typing import Any

import pytest

from tests.domains.factors.conftest import ORIGIN, PASSWORD, World
from tests.support.authenticator import Authenticator
from tests.support.problems import assert_refused
from tests.support.puzzle import solve


async def test_who_has_no_factor_logs_in_by_password_alone(world: World):
    session = await world.logged_in("ann")
    listed = (await world.send("GET", "/v1/auth/sessions", session)).json()["items"]
    assert [each["methods"] for each in listed] == [["password"]]
    shown = (await world.send("GET", "/v1/auth/factors", session)).json()
    assert shown == {"totp": False, "recovery_codes_left": 0, "passkeys": []}


async def test_a_code_completes_a_login_and_the_session_says_so(world: World):
    await world.with_app("ann")
    asked = await world.challenge("ann")
    assert (asked["methods"], asked["enrol"]) == (["totp"], False)
    answer = await world.second(asked, "totp", code=world.code("ann"))
    assert answer.status_code == 200, answer.text
    session = answer.json()
    assert set(session) >= {"access_token", "refresh_token", "session_id", "clinic", "user"}
    listed = (await world.send("GET", "/v1/auth/sessions", session)).json()["items"]
    assert ["password", "totp"] in [each["methods"] for each in listed]


async def test_a_page_that_completes_its_login_gets_the_session_in_a_cookie(world: World):
    await world.with_app("ann")
    elsewhere = {"sec-fetch-site": "cross-site"}
    body = {**(await world.challenge("ann")), "method": "totp", "code": world.code("ann"), "cookies": True}
    body = {each: body[each] for each in ("challenge", "method", "code", "cookies")}
    assert_refused(await world.http.post("/v1/auth/second-factor", json=body, headers=elsewhere), 403, "forbidden")
    answer = await world.http.post("/v1/auth/second-factor", json=body)
    assert set(answer.json()) == {"expires_in", "session_id", "clinic", "user"}
    assert (await world.http.get("/v1/auth/me")).json()["session_id"] == answer.json()["session_id"]


async def test_a_code_is_accepted_once_by_however_many_logins_at_once(world: World):
    await world.with_app("ann")
    asked = [await world.challenge("ann") for _ in range(6)]
    answers = await asyncio.gather(*(world.second(each, "totp", code=world.code("ann")) for each in asked))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401, 401]
    assert {reason for _, reason in await world.attempts()} >= {"code-used"}


async def test_a_challenge_serves_once(world: World):
    await world.with_app("ann")
    asked = await world.challenge("ann")
    assert (await world.second(asked, "totp", code=world.code("ann"))).status_code == 200
    world.clock.advance(seconds=30)
    assert_refused(await world.second(asked, "totp", code=world.code("ann")), 401, "challenge-expired")
    assert ("login.second-factor", "challenge-spent") in await world.attempts()


async def test_a_challenge_serves_for_five_tries(world: World):
    await world.with_app("ann")
    asked = await world.challenge("ann")
    for _ in range(5):
        assert_refused(await world.second(asked, "totp", code="000000"), 401, "invalid-second-factor")
    world.clock.advance(minutes=1)
    assert_refused(await world.second(asked, "totp", code=world.code("ann")), 401, "challenge-expired")


async def test_many_wrong_codes_delay_the_next_whatever_the_challenge(world: World):
    await world.with_app("ann")
    early, late = await world.challenge("ann"), await world.challenge("ann")
    for asked in (early, early, early, late, late):
        assert_refused(await world.second(asked, "totp", code="000000"), 401, "invalid-second-factor")
    answer = await world.second(late, "totp", code="000000")
    assert_refused(answer, 429, "second-factor-delayed")
    assert int(answer.headers["retry-after"]) >= 1
    world.clock.advance(seconds=30)
    assert (await world.second(await world.challenge("ann"), "totp", code=world.code("ann"))).status_code == 200


@pytest.mark.parametrize("later", [11, 24 * 60])
async def test_a_challenge_ends_with_its_time(world: World, later: int):
    await world.with_app("ann")
    asked = await world.challenge("ann")
    world.clock.advance(minutes=later)
    assert_refused(await world.second(asked, "totp", code=world.code("ann")), 401, "challenge-expired")


async def test_a_challenge_that_was_altered_is_none(world: World):
    await world.with_app("ann")
    asked = await world.challenge("ann")
    forged = asked["challenge"][:-4] + ("AAAA" if not asked["challenge"].endswith("AAAA") else "BBBB")
    for text in (forged, "", "kwt_", "kwt_%%%", asked["challenge"].removeprefix("kwt_"), "kwt_" + "A" * 200):
        assert_refused(await world.second({"challenge": text}, "totp", code=world.code("ann")), 401, "challenge-expired")


async def test_a_password_changed_meanwhile_makes_the_challenge_worthless(world: World):
    await world.with_app("ann")
    asked = await world.challenge("ann")
    world.clock.advance(seconds=1)
    await world.identity.users.set_password(world.clinic.id, world.email("ann"), "another password of hers", ORIGIN)
    assert_refused(await world.second(asked, "totp", code=world.code("ann")), 401, "unauthenticated")


async def test_recovery_codes_serve_once_each_and_are_shown_once(world: World):
    session = await world.with_app("ann")
    codes = (await world.send("POST", "/v1/auth/factors/recovery-codes", session)).json()["codes"]
    assert len(set(codes)) == 10
    asked = await world.challenge("ann")
    assert set(asked["methods"]) == {"totp", "recovery-code"}
    assert (await world.second(asked, "recovery-code", code=codes[3].upper().replace("-", " "))).status_code == 200
    assert_refused(await world.second(await world.challenge("ann"), "recovery-code", code=codes[3]), 401, "invalid-second-factor")
    shown = (await world.send("GET", "/v1/auth/factors", session)).json()
    assert shown["recovery_codes_left"] == 9
    fresh = (await world.send("POST", "/v1/auth/factors/recovery-codes", session)).json()["codes"]
    assert_refused(await world.second(await world.challenge("ann"), "recovery-code", code=codes[4]), 401, "invalid-second-factor")
    assert (await world.second(await world.challenge("ann"), "recovery-code", code=fresh[4])).status_code == 200


async def test_whoever_s_recovery_code_was_used_is_told(world: World):
    session = await world.with_app("ann")
    codes = (await world.send("POST", "/v1/auth/factors/recovery-codes", session)).json()["codes"]
    assert (await world.second(await world.challenge("ann"), "recovery-code", code=codes[0])).status_code == 200
    at_login = await world.mail.next()
    body = {"method": "recovery-code", "code": codes[1]}
    assert (await world.send("POST", "/v1/auth/step-up", session, body)).status_code == 204
    at_step_up = await world.mail.next()
    for letter in (at_login, at_step_up):
        assert letter["To"] == world.email("ann")
        assert "recovery code" in letter["Subject"]
        assert not set(codes) & set(letter.get_content().split())
    assert len(world.mail.messages) == 2


async def test_mail_that_cannot_be_delivered_keeps_nobody_out(world: World):
    session = await world.with_app("ann")
    codes = (await world.send("POST", "/v1/auth/factors/recovery-codes", session)).json()["codes"]
    world.mail.manner = "refuses"
    assert (await world.second(await world.challenge("ann"), "recovery-code", code=codes[0])).status_code == 200


async def test_recovery_codes_need_something_to_recover(world: World):
    session = await world.logged_in("ann")
    await world.send("POST", "/v1/auth/factors/totp", session)
    assert_refused(await world.send("POST", "/v1/auth/factors/recovery-codes", session), 409, "no-factor")


async def test_a_change_of_factors_ends_the_other_sessions(world: World):
    await world.person("ann")
    here, there = [(await world.login("ann")).json() for _ in range(2)]
    await world.add_passkey(here)
    assert (await world.send("GET", "/v1/auth/me", here)).status_code == 200
    assert_refused(await world.send("GET", "/v1/auth/me", there), 401, "unauthenticated")


async def test_a_passkey_completes_a_login(world: World):
    _, authenticator = await world.with_passkey("ann")
    asked = await world.challenge("ann")
    assert asked["methods"] == ["passkey"]
    answer = await world.second(asked, "passkey", credential=authenticator.get(asked["passkey"]))
    assert answer.status_code == 200, answer.text


async def passkey_login(world: World, authenticator: Authenticator) -> Any:
    options = (await world.http.post("/v1/auth/passkey/options")).json()["options"]
    return await world.http.post("/v1/auth/passkey", json={"credential": authenticator.get(options)})


async def test_a_passkey_logs_in_by_itself(world: World):
    _, authenticator = await world.with_passkey("ann")
    answer = await passkey_login(world, authenticator)
    assert answer.status_code == 200, answer.text
    assert answer.json()["user"]["email"] == world.email("ann")


async def test_what_a_passkey_signed_serves_once(world: World):
    _, authenticator = await world.with_passkey("ann")
    options = (await world.http.post("/v1/auth/passkey/options")).json()["options"]
    credential = authenticator.get(options)
    assert (await world.http.post("/v1/auth/passkey", json={"credential": credential})).status_code == 200
    again = await world.http.post("/v1/auth/passkey", json={"credential": credential})
    assert_refused(again, 401, "challenge-expired")


@pytest.mark.parametrize("fault", ["other origin", "not verified", "other key", "removed"])
async def test_a_passkey_that_is_not_right_is_refused(world: World, fault: str):
    session, authenticator = await world.with_passkey("ann")
    if fault == "other origin":
        authenticator.origin = "http://evil.example"
    elif fault == "not verified":
        authenticator.verifies = False
    elif fault == "other key":
        authenticator._key = Authenticator()._key
    else:
        [passkey] = (await world.send("GET", "/v1/auth/factors", session)).json()["passkeys"]
        assert (await world.send("DELETE", f"/v1/auth/factors/passkeys/{passkey['id']}", session)).status_code == 204
    assert_refused(await passkey_login(world, authenticator), 401, "invalid-second-factor")
    assert ("login.passkey", "passkey-unverified") in await world.attempts()


async def test_a_passkey_that_counts_backwards_is_let_in_and_recorded(world: World):
    session, authenticator = await world.with_passkey("ann")
    authenticator.count = 40
    assert (await passkey_login(world, authenticator)).status_code == 200
    authenticator.count = 3
    assert (await passkey_login(world, authenticator)).status_code == 200
    user = session["user"]["id"]
    rows = await world.everything.fetch("SELECT event FROM journal_entry WHERE id = $1 ORDER BY version", user)
    assert [row["event"] for row in rows].count("passkey-used") == 2


async def test_a_passkey_is_set_up_once(world: World):
    session = await world.logged_in("ann")
    begun = (await world.send("POST", "/v1/auth/factors/passkeys/options", session)).json()
    body = {"challenge": begun["challenge"], "name": "Phone", "credential": Authenticator().create(begun["options"])}
    assert (await world.send("POST", "/v1/auth/factors/passkeys", session, body)).status_code == 201
    assert_refused(await world.send("POST", "/v1/auth/factors/passkeys", session, body), 401, "challenge-expired")
    body["credential"] = {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {}}
    assert_refused(await world.send("POST", "/v1/auth/factors/passkeys", session, body), 422, "passkey-refused")


async def test_what_is_sensitive_needs_a_recent_proof(world: World):
    session = await world.logged_in("ann")
    world.clock.advance(minutes=16)
    session = (await world.http.post("/v1/auth/refresh", json={"refresh_token": session["refresh_token"]})).json()
    assert_refused(await world.send("POST", "/v1/auth/factors/totp", session), 403, "step-up-required")
    assert_refused(await world.send("POST", "/v1/auth/step-up", session, {"password": "wrong"}), 401, "invalid-second-factor")
    assert (await world.send("POST", "/v1/auth/step-up", session, {"password": PASSWORD})).status_code == 204
    assert (await world.send("POST", "/v1/auth/factors/totp", session)).status_code == 201


async def test_wrong_passwords_that_should_prove_it_again_count_like_those_of_logins(world: World):
    session = await world.logged_in("ann")
    for _ in range(10):
        assert_refused(await world.send("POST", "/v1/auth/step-up", session, {"password": "wrong"}), 401, "invalid-second-factor")
    await world.send("POST", "/v1/auth/step-up", session, {"password": "wrong"})
    refused = await world.send("POST", "/v1/auth/step-up", session, {"password": PASSWORD})
    assert_refused(refused, 429, "challenge-required")
    body = {"password": PASSWORD, "challenge": solve(refused.json()["challenge"])}
    assert (await world.send("POST", "/v1/auth/step-up", session, body)).status_code == 204


async def test_who_has_a_factor_proves_again_with_it(world: World):
    session = await world.with_app("ann")
    refused = await world.send("POST", "/v1/auth/step-up", session, {"password": PASSWORD})
    assert_refused(refused, 401, "second-factor-required")
    body = {"method": "totp", "code": world.code("ann")}
    assert (await world.send("POST", "/v1/auth/step-up", session, body)).status_code == 204
    assert_refused(await world.send("POST", "/v1/auth/step-up", session, body), 401, "invalid-second-factor")
    listed = (await world.send("GET", "/v1/auth/sessions", session)).json()["items"]
    assert [each["methods"] for each in listed] == [["password", "totp"]]


async def test_a_passkey_proves_again(world: World):
    session, authenticator = await world.with_passkey("ann")
    begun = (await world.send("POST", "/v1/auth/step-up/options", session)).json()
    credential = authenticator.get(begun["options"])
    body = {"method": "passkey", "challenge": begun["challenge"], "credential": credential}
    assert (await world.send("POST", "/v1/auth/step-up", session, body)).status_code == 204
    assert_refused(await world.send("POST", "/v1/auth/step-up", session, body), 401, "challenge-expired")


async def test_administrators_take_factors_away_and_sessions_with_them(world: World):
    admin, ann = await world.logged_in("boss", "admin"), await world.with_app("ann")
    path = f"/v1/users/{ann['user']['id']}/factors"
    assert_refused(await world.send("DELETE", path, ann), 403, "forbidden")
    assert (await world.send("DELETE", path, admin)).status_code == 204
    assert_refused(await world.send("GET", "/v1/auth/me", ann), 401, "unauthenticated")
    assert (await world.login("ann")).status_code == 200
    own = f"/v1/users/{admin['user']['id']}/factors"
    assert_refused(await world.send("DELETE", own, admin), 404, "not-found")


async def policy(world: World, admin: dict[str, Any], version: int, allowed: list[str], required: list[str]) -> Any:
    body = {"allowed": allowed, "second_factor_required_for": required}
    return await world.send("PUT", "/v1/policy/login", admin, body, **{"if-match": f'"{version}"'})


async def test_a_clinic_that_requires_a_factor_lets_people_set_one_up_while_they_log_in(world: World):
    admin = await world.logged_in("boss", "admin")
    await world.person("ann")
    assert (await policy(world, admin, 0, ["password"], ["clinician"])).status_code == 200
    asked = await world.challenge("ann")
    assert asked["enrol"] is True
    assert_refused(await world.second(asked, "recovery-code", code="x"), 401, "challenge-expired")
    offered = await world.http.post("/v1/auth/second-factor/enrolment", json={"challenge": asked["challenge"]})
    world.secrets["ann"] = offered.json()["secret"]
    assert (await world.second(asked, "totp", code="000000")).status_code == 401
    assert (await world.second(asked, "totp", code=world.code("ann"))).status_code == 200
    world.clock.advance(seconds=30)
    asked = await world.challenge("ann")
    assert asked["enrol"] is False
    assert (await world.second(asked, "totp", code=world.code("ann"))).status_code == 200
    assert (await world.login("boss")).status_code == 200


async def test_an_enrolment_is_over_once_there_is_a_factor(world: World):
    admin = await world.logged_in("boss", "admin")
    await world.person("ann")
    await policy(world, admin, 0, ["password"], ["clinician"])
    early, late = await world.challenge("ann"), await world.challenge("ann")
    offered = await world.http.post("/v1/auth/second-factor/enrolment", json={"challenge": early["challenge"]})
    world.secrets["ann"] = offered.json()["secret"]
    assert (await world.second(early, "totp", code=world.code("ann"))).status_code == 200
    again = await world.http.post("/v1/auth/second-factor/enrolment", json={"challenge": late["challenge"]})
    assert_refused(again, 401, "challenge-expired")


async def test_a_method_the_clinic_does_not_allow_is_refused(world: World):
    admin = await world.logged_in("boss", "admin")
    _, authenticator = await world.with_passkey("ann")
    assert (await policy(world, admin, 0, ["password"], [])).status_code == 200
    assert_refused(await passkey_login(world, authenticator), 403, "login-method-not-allowed")
    assert (await policy(world, admin, 1, ["magic-link"], [])).status_code == 200
    assert_refused(await world.login("ann"), 403, "login-method-not-allowed")


async def test_a_policy_is_guarded_checked_and_for_administrators(world: World):
    admin, ann = await world.logged_in("boss", "admin"), await world.logged_in("ann")
    shown = await world.send("GET", "/v1/policy/login", admin)
    assert shown.json()["version"] == 0
    assert shown.headers["etag"] == '"0"'
    assert_refused(await world.send("GET", "/v1/policy/login", ann), 403, "forbidden")
    assert_refused(await policy(world, ann, 0, ["password"], []), 403, "forbidden")
    assert_refused(await policy(world, admin, 3, ["password"], []), 412, "version-conflict")
    assert_refused(await policy(world, admin, 0, ["passkey"], []), 422, "invalid-login-policy")

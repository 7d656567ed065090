"""Logging in, refreshing, ending sessions, and accounts, over HTTP on a real database."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import REGISTRY

from keepwell.kit.ids import NIL, new_id
from tests.domains.identity.conftest import ORIGIN, PASSWORD, Node, World, bearer

LOGIN_FIELDS = {"access_token", "token_type", "expires_in", "refresh_token", "session_id", "clinic", "user"}


def counted_thefts() -> float:
    labels = {"step": "refresh", "outcome": "refresh-token-reused"}
    return REGISTRY.get_sample_value("keepwell_login_steps_total", labels) or 0


class TestLogin:
    async def test_the_right_password_gives_exactly_what_the_contract_says(self, world: World):
        user = await world.person("ana")
        answer = await world.login("ana", clinic=world.clinic.slug)
        body = answer.json()
        assert answer.status_code == 200
        assert set(body) == LOGIN_FIELDS
        assert body["token_type"] == "Bearer"
        assert body["clinic"] == {"id": str(world.clinic.id), "slug": world.clinic.slug, "name": "A clinic"}
        assert body["user"] == {"id": str(user.id), "email": world.email("ana"), "name": "ana", "role": "clinician"}
        assert answer.headers["cache-control"] == "no-store"

    async def test_an_address_is_found_however_it_is_spelt(self, world: World):
        await world.person("ana")
        answer = await world.http.post("/v1/auth/login", json={"email": f" {world.email('ANA').upper()} ", "password": PASSWORD})
        assert answer.status_code == 200

    @pytest.mark.parametrize("clinic", ["no-such-clinic", "", "NOT A SLUG", None])
    async def test_a_clinic_that_is_not_known_does_not_block(self, world: World, clinic: str | None):
        await world.person("ana")
        answer = await world.login("ana", clinic=clinic)
        assert answer.json()["clinic"]["slug"] == world.clinic.slug

    async def test_a_known_clinic_is_the_one_logged_in_to(self, world: World):
        await world.person("ana", "admin")
        second = await world.node.tenants.ensure(f"s{new_id().hex}", "Second", ORIGIN)
        await world.node.identity.users.create_user(second.id, world.email("ana"), "ana", "patient", PASSWORD, ORIGIN)
        roles = {
            slug: (await world.login("ana", clinic=slug)).json()["user"]["role"] for slug in (world.clinic.slug, second.slug)
        }
        assert roles == {world.clinic.slug: "admin", second.slug: "patient"}
        assert (await world.login("ana")).json()["clinic"]["slug"] == world.clinic.slug, "the oldest account leads"

    async def test_every_failure_is_answered_alike_costs_one_hash_and_has_its_own_reason(self, world: World):
        await world.person("ana")
        await world.person("nopass", password=None)
        stranger = await world.node.tenants.ensure(f"s{new_id().hex}", "Second", ORIGIN)
        disabled = await world.person("gone")
        await world.person("boss", "admin")
        boss = await world.logged_in("boss")
        await world.http.patch(f"/v1/users/{disabled.id}", json={"active": False}, headers={**bearer(boss), "if-match": '"1"'})
        ana, here = world.email("ana"), world.clinic.id
        attempts: list[tuple[dict[str, Any], UUID, str, str]] = [
            ({"email": ana, "password": "wrong"}, here, "login.password", "wrong-password"),
            ({"email": ana, "password": ""}, here, "login.password", "empty-password"),
            ({"email": ana, "password": "x" * 3000}, here, "login.password", "wrong-password"),
            ({"email": world.email("nopass"), "password": PASSWORD}, here, "login.password", "no-password-set"),
            ({"email": world.email("gone"), "password": PASSWORD}, here, "login.account", "user-disabled"),
            ({"email": ana, "password": PASSWORD, "clinic": stranger.slug}, stranger.id, "login.account", "no-account-in-clinic"),
            ({"email": f"{new_id()}@x.test", "password": PASSWORD}, NIL, "login.account", "unknown-email"),
            ({"email": "", "password": ""}, NIL, "login.account", "unknown-email"),
        ]
        answers: list[Any] = []
        for body, tenant, action, reason in attempts:
            computed, recorded = world.node.identity.hashing.computed, len(await world.attempts(tenant))
            answer = await world.http.post("/v1/auth/login", json=body)
            assert world.node.identity.hashing.computed == computed + 1, reason
            assert (await world.attempts(tenant))[recorded:] == [(action, reason)]
            assert answer.status_code == 401
            answers.append({name: value for name, value in answer.json().items() if name != "request_id"})
        assert answers[0]["code"] == "invalid-credentials"
        assert all(answer == answers[0] for answer in answers)

    async def test_a_successful_login_is_in_the_journal_of_its_session(self, world: World):
        user = await world.person("ana")
        session = await world.logged_in("ana")
        row = await world.everything.fetchrow(
            "SELECT event, command, actor, role FROM journal_entry WHERE tenant_id = $1 AND kind = 'session' AND id = $2",
            world.clinic.id,
            UUID(session["session_id"]),
        )
        assert row is not None
        assert tuple(row) == ("session-started", "sessions.start", user.id, "clinician")

    @pytest.mark.parametrize(
        "body", [{}, {"email": "a"}, {"email": 1, "password": "b"}, {"email": "a", "password": "b", "more": 1}, [], "x"]
    )
    async def test_a_body_that_is_no_login_is_a_422(self, world: World, body: Any):
        assert (await world.http.post("/v1/auth/login", json=body)).status_code == 422

    async def test_beyond_the_hashing_queue_log_ins_are_told_when_to_come_back(self, world: World):
        await world.person("ana")
        world.node.identity.hashing.queue = 0
        answer = await world.login("ana")
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert int(answer.headers["retry-after"]) >= 1
        assert (await world.attempts())[-1:] == [("login.password", "overloaded")]
        world.node.identity.hashing.queue = 4
        assert (await world.login("ana")).status_code == 200


class TestRefresh:
    async def refresh(self, world: World, token: str) -> httpx.Response:
        return await world.http.post("/v1/auth/refresh", json={"refresh_token": token})

    async def test_a_refresh_gives_a_new_pair_that_works(self, world: World):
        await world.person("ana")
        first = await world.logged_in("ana")
        second = (await self.refresh(world, first["refresh_token"])).json()
        assert set(second) == {"access_token", "token_type", "expires_in", "refresh_token", "session_id"}
        assert second["refresh_token"] != first["refresh_token"]
        assert second["session_id"] == first["session_id"]
        assert (await world.get("/v1/auth/me", second)).status_code == 200

    async def test_twenty_tabs_racing_on_two_nodes_all_get_the_same_successor(self, world: World, other_node: Node):
        await world.person("ana")
        token = (await world.logged_in("ana"))["refresh_token"]
        for _ in range(5):
            other = [other_node.identity.sessions.refresh(token, ORIGIN) for _ in range(10)]
            here = [self.refresh(world, token) for _ in range(10)]
            pairs = await asyncio.gather(*other)
            answers = await asyncio.gather(*here)
            assert {answer.status_code for answer in answers} == {200}
            successors = {answer.json()["refresh_token"] for answer in answers} | {pair.refresh_token for pair in pairs}
            assert len(successors) == 1
            token = successors.pop()

    async def test_an_old_token_ends_the_session_for_everyone_and_the_journal_says_why(self, world: World):
        await world.person("ana")
        session = await world.logged_in("ana")
        oldest = session["refresh_token"]
        second = (await self.refresh(world, oldest)).json()
        third = (await self.refresh(world, second["refresh_token"])).json()
        thefts = counted_thefts()
        thief = await self.refresh(world, oldest)
        assert counted_thefts() == thefts + 1
        assert (thief.status_code, thief.json()["code"]) == (401, "unauthenticated")
        assert (await self.refresh(world, third["refresh_token"])).status_code == 401
        assert (await world.get("/v1/auth/me", third)).status_code == 401
        events = await world.everything.fetch(
            "SELECT event FROM journal_entry WHERE tenant_id = $1 AND id = $2 ORDER BY version",
            world.clinic.id,
            UUID(session["session_id"]),
        )
        assert [row["event"] for row in events] == ["session-started", "session-refreshed", "session-refreshed", "session-ended"]

    async def test_a_reply_lost_longer_than_the_grace_window_ago_counts_as_theft(self, world: World):
        await world.person("ana")
        first = (await world.logged_in("ana"))["refresh_token"]
        second = (await self.refresh(world, first)).json()
        world.clock.advance(seconds=61)
        assert (await self.refresh(world, first)).status_code == 401
        assert (await world.get("/v1/auth/me", second)).status_code == 401

    @pytest.mark.parametrize("token", ["", "kwr_", "kwr_AAAA", "x" * 2000, "kwr_\u00e9"])
    async def test_what_is_no_token_of_ours_is_refused(self, world: World, token: str):
        assert (await self.refresh(world, token)).status_code == 401

    async def test_access_ends_with_its_token_and_the_session_with_its_idle_limit(self, world: World):
        await world.person("ana")
        session = await world.logged_in("ana")
        world.clock.advance(seconds=601)
        assert (await world.get("/v1/auth/me", session)).status_code == 401
        fresh = (await self.refresh(world, session["refresh_token"])).json()
        assert (await world.get("/v1/auth/me", fresh)).status_code == 200
        world.clock.advance(seconds=3601)
        assert (await self.refresh(world, fresh["refresh_token"])).status_code == 401


class TestSessions:
    async def test_logging_out_takes_effect_on_the_next_request_on_every_node(self, world: World, other_node: Node):
        await world.person("ana")
        session = await world.logged_in("ana")
        actor = other_node.identity.authenticate(bearer(session)["authorization"])
        await other_node.identity.sessions.me(actor, ORIGIN)
        assert (await world.http.post("/v1/auth/logout", headers=bearer(session))).status_code == 204
        with pytest.raises(Exception, match="unauthenticated"):
            await other_node.identity.sessions.me(actor, ORIGIN)
        again = await world.http.post("/v1/auth/logout", headers=bearer(session))
        assert (again.status_code, again.json()["code"]) == (401, "unauthenticated")

    async def test_people_see_and_end_their_own_sessions_only(self, world: World):
        await world.person("ana", "patient")
        await world.person("bo", "patient")
        phone, laptop, bo = [await world.logged_in(name) for name in ("ana", "ana", "bo")]
        items = (await world.get("/v1/auth/sessions", laptop)).json()["items"]
        assert [(item["id"], item["current"]) for item in items] == [(laptop["session_id"], True), (phone["session_id"], False)]
        stranger = await world.http.delete(f"/v1/auth/sessions/{phone['session_id']}", headers=bearer(bo))
        assert (stranger.status_code, stranger.json()["code"]) == (404, "not-found")
        ended = await world.http.delete(f"/v1/auth/sessions/{phone['session_id']}", headers=bearer(laptop))
        assert ended.status_code == 204
        assert (await world.get("/v1/auth/me", phone)).status_code == 401
        assert (await world.get("/v1/auth/me", laptop)).status_code == 200
        assert len((await world.get("/v1/auth/sessions", laptop)).json()["items"]) == 1

    async def test_a_session_of_another_clinic_looks_like_one_that_is_not_there(self, world: World):
        await world.person("boss", "admin")
        boss = await world.logged_in("boss")
        second = await world.node.tenants.ensure(f"s{new_id().hex}", "Second", ORIGIN)
        await world.node.identity.users.create_user(second.id, "x@second.test", "x", "patient", PASSWORD, ORIGIN)
        foreign = await world.http.post(
            "/v1/auth/login", json={"email": "x@second.test", "password": PASSWORD, "clinic": second.slug}
        )
        answers = [
            (await world.http.delete(f"/v1/auth/sessions/{id_}", headers=bearer(boss))).json()
            for id_ in (foreign.json()["session_id"], new_id())
        ]
        assert [answer["code"] for answer in answers] == ["not-found", "not-found"]
        assert answers[0]["detail"] == answers[1]["detail"]

    async def test_sessions_come_in_pages(self, world: World):
        await world.person("ana")
        sessions = [await world.logged_in("ana") for _ in range(3)]
        first = (await world.get("/v1/auth/sessions?limit=2", sessions[0])).json()
        second = (await world.get(f"/v1/auth/sessions?limit=2&cursor={first['next']}", sessions[0])).json()
        seen = [item["id"] for item in first["items"] + second["items"]]
        assert seen == [session["session_id"] for session in reversed(sessions)]
        assert second["next"] is None
        assert (await world.get("/v1/auth/sessions?cursor=x", sessions[0])).status_code == 400

    @pytest.mark.parametrize("role", ["admin", "clinician", "patient"])
    async def test_me_says_who_where_and_what(self, world: World, role: Any):
        user = await world.person("ana", role)
        session = await world.logged_in("ana")
        me = (await world.get("/v1/auth/me", session)).json()
        assert set(me) == {"user", "clinic", "role", "scopes", "session_id"}
        assert (me["user"]["id"], me["clinic"]["slug"], me["role"]) == (str(user.id), world.clinic.slug, role)
        assert me["session_id"] == session["session_id"]
        assert me["scopes"]

    @pytest.mark.parametrize("path", ["/v1/auth/me", "/v1/auth/sessions", "/v1/users"])
    async def test_without_credentials_there_is_nothing(self, world: World, path: str):
        assert (await world.http.get(path)).json()["code"] == "unauthenticated"


class TestUsers:
    async def created(self, world: World, boss: dict[str, Any], key: str | None = None, **fields: Any) -> httpx.Response:
        body = {"email": world.email("new"), "name": "New", "role": "patient", "password": PASSWORD, **fields}
        headers = bearer(boss) if key is None else {**bearer(boss), "idempotency-key": key}
        return await world.http.post("/v1/users", json=body, headers=headers)

    async def test_an_administrator_makes_an_account_that_can_log_in(self, world: World):
        await world.person("boss", "admin")
        boss = await world.logged_in("boss")
        answer = await self.created(world, boss)
        assert answer.status_code == 201
        assert answer.headers["etag"] == '"1"'
        assert set(answer.json()) == {"id", "email", "name", "role", "active", "created_at", "version"}
        shown = await world.get(answer.headers["location"], boss)
        assert shown.json() == answer.json()
        assert (await world.login("new")).status_code == 200

    async def test_a_retry_with_the_same_key_makes_one_account_and_another_password_is_another_request(self, world: World):
        await world.person("boss", "admin")
        boss = await world.logged_in("boss")
        first = await self.created(world, boss, "key-1")
        again = await self.created(world, boss, "key-1")
        assert (again.status_code, again.json()) == (201, first.json())
        assert again.headers["idempotency-replayed"] == "true"
        other = await self.created(world, boss, "key-1", password="another long password")
        assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")

    async def test_an_address_is_taken_once_a_clinic(self, world: World):
        await world.person("boss", "admin")
        boss = await world.logged_in("boss")
        await self.created(world, boss)
        answer = await self.created(world, boss, email=world.email("NEW").upper())
        assert (answer.status_code, answer.json()["code"]) == (409, "email-taken")

    @pytest.mark.parametrize(
        ("fields", "code", "pointer"),
        [
            ({"password": "short"}, "unsuitable-password", "/password"),
            ({"email": "nothing"}, "invalid-user", "/email"),
            ({"name": " "}, "invalid-user", "/name"),
            ({"role": "king"}, "invalid-body", "/role"),
        ],
    )
    async def test_what_is_wrong_is_named(self, world: World, fields: dict[str, str], code: str, pointer: str):
        await world.person("boss", "admin")
        answer = await self.created(world, await world.logged_in("boss"), **fields)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]

    @pytest.mark.parametrize("role", ["clinician", "patient"])
    async def test_others_make_and_list_no_accounts_and_cost_no_hash(self, world: World, role: Any):
        await world.person("ana", role)
        ana = await world.logged_in("ana")
        computed = world.node.identity.hashing.computed
        assert (await self.created(world, ana)).json()["code"] == "forbidden"
        assert (await world.get("/v1/users", ana)).json()["code"] == "forbidden"
        assert world.node.identity.hashing.computed == computed

    async def test_a_patient_sees_their_own_account_and_no_other(self, world: World):
        ana = await world.person("ana", "patient")
        bo = await world.person("bo", "patient")
        session = await world.logged_in("ana")
        assert (await world.get(f"/v1/users/{ana.id}", session)).status_code == 200
        assert (await world.get(f"/v1/users/{bo.id}", session)).status_code == 403

    async def test_accounts_come_in_pages(self, world: World):
        for name in ("boss", "ana", "bo"):
            await world.person(name, "admin")
        boss = await world.logged_in("boss")
        first = (await world.get("/v1/users?limit=2", boss)).json()
        second = (await world.get(f"/v1/users?limit=2&cursor={first['next']}", boss)).json()
        assert [user["name"] for user in first["items"] + second["items"]] == ["boss", "ana", "bo"]
        assert second["next"] is None

    @pytest.mark.parametrize("change", [{"active": False}, {"role": "patient"}])
    async def test_disabling_or_a_new_role_ends_all_sessions_at_once(self, world: World, change: dict[str, Any]):
        await world.person("boss", "admin")
        ana = await world.person("ana", "clinician")
        boss = await world.logged_in("boss")
        sessions = [await world.logged_in("ana") for _ in range(2)]
        headers = {**bearer(boss), "if-match": '"1"'}
        answer = await world.http.patch(f"/v1/users/{ana.id}", json=change, headers=headers)
        assert answer.status_code == 200
        for session in sessions:
            assert (await world.get("/v1/auth/me", session)).status_code == 401
            refreshed = await world.http.post("/v1/auth/refresh", json={"refresh_token": session["refresh_token"]})
            assert refreshed.status_code == 401

    @pytest.mark.parametrize("change", [{"active": True}, {"role": "clinician"}, {"name": "Anna", "role": "clinician"}])
    async def test_a_change_that_leaves_role_and_access_as_they_were_ends_no_session(self, world: World, change: dict[str, Any]):
        await world.person("boss", "admin")
        ana = await world.person("ana", "clinician")
        boss, session = await world.logged_in("boss"), await world.logged_in("ana")
        headers = {**bearer(boss), "if-match": '"1"'}
        assert (await world.http.patch(f"/v1/users/{ana.id}", json=change, headers=headers)).status_code == 200
        assert (await world.get("/v1/auth/me", session)).status_code == 200

    async def test_a_retry_ends_no_session_begun_since(self, world: World):
        await world.person("boss", "admin")
        ana = await world.person("ana", "clinician")
        boss = await world.logged_in("boss")
        headers = {**bearer(boss), "if-match": '"1"', "idempotency-key": "k"}
        change = {"role": "patient"}
        assert (await world.http.patch(f"/v1/users/{ana.id}", json=change, headers=headers)).status_code == 200
        session = await world.logged_in("ana")
        answer = await world.http.patch(f"/v1/users/{ana.id}", json=change, headers=headers)
        assert answer.headers["idempotency-replayed"] == "true"
        assert (await world.get("/v1/auth/me", session)).status_code == 200

    async def test_a_change_needs_the_version_it_was_made_from(self, world: World):
        await world.person("boss", "admin")
        ana = await world.person("ana")
        session = await world.logged_in("ana")
        boss = bearer(await world.logged_in("boss"))
        path, body = f"/v1/users/{ana.id}", {"active": False}
        assert (await world.http.patch(path, json=body, headers=boss)).status_code == 428
        stale = await world.http.patch(path, json=body, headers={**boss, "if-match": '"7"'})
        assert (stale.status_code, stale.json()["current_version"]) == (412, 1)
        assert (await world.get("/v1/auth/me", session)).status_code == 200, "a refused change ends no session"

    async def test_nobody_disables_themselves(self, world: World):
        user = await world.person("boss", "admin")
        boss = await world.logged_in("boss")
        answer = await world.http.patch(
            f"/v1/users/{user.id}", json={"active": False}, headers={**bearer(boss), "if-match": '"1"'}
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "own-account")
        assert (await world.get("/v1/auth/me", boss)).status_code == 200


class TestDiagnostic:
    async def test_every_step_works_and_nothing_is_secret(self, world: World):
        answer = await world.http.get("/v1/auth/login/diagnostic")
        body = answer.json()
        assert answer.status_code == 200
        assert body["ok"]
        assert [step["step"] for step in body["steps"]] == [
            "database", "clinic-directory", "hashing", "signing-key", "session-store",
        ]  # fmt: skip

    async def test_a_full_hashing_queue_is_named(self, world: World):
        world.node.identity.hashing.queue = 0
        body = (await world.http.get("/v1/auth/login/diagnostic")).json()
        assert not body["ok"]
        assert [step["step"] for step in body["steps"] if not step["ok"]] == ["hashing"]

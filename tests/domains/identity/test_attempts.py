"""No failure to get in, or to stay in, is silent: each has a reason of its own in the audit, and in metrics and the log."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from keepwell.domains.identity import LOGIN_RATE, REFRESH_RATE
from keepwell.domains.identity.routes import endpoints
from keepwell.domains.identity.service.tokens import RefreshToken
from keepwell.kernel.http import USUAL, Door, Limits, Policy, RateLimits
from keepwell.kit.gcra import Rate
from tests.domains.identity.conftest import ORIGIN, PASSWORD, World, bearer, make_node
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls
from tests.support.http_server import serving
from tests.support.problems import assert_problem
from tests.support.proxy import Proxy
from tests.support.waiting import eventually_async

Session = dict[str, Any]
Breaking = Callable[[World, Session, Session], Awaitable[str]]
"""Breaks a session (the second is an administrator's) and gives the refresh token to be refused."""


async def refresh(world: World, token: str) -> httpx.Response:
    return await world.http.post("/v1/auth/refresh", json={"refresh_token": token})


def not_ours() -> float:
    """How many refresh tokens this process has counted that were not ours."""
    labels = {"step": "refresh", "outcome": "token-not-ours"}
    return REGISTRY.get_sample_value("keepwell_login_steps_total", labels) or 0


async def logins(world: World, boss: Session, **query: Any) -> list[dict[str, Any]]:
    answer = await world.http.get("/v1/audit/logins", params=query, headers=bearer(boss))
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def changed(world: World, boss: Session, session: Session, **change: Any) -> None:
    user = session["user"]["id"]
    headers = {**bearer(boss), "if-match": '"1"'}
    assert (await world.http.patch(f"/v1/users/{user}", json=change, headers=headers)).status_code == 200


async def logged_out(world: World, session: Session, _: Session) -> str:
    await world.http.post("/v1/auth/logout", headers=bearer(session))
    return session["refresh_token"]


async def ended_by_the_person(world: World, session: Session, _: Session) -> str:
    other = await world.logged_in("ana")
    await world.http.delete(f"/v1/auth/sessions/{session['session_id']}", headers=bearer(other))
    return session["refresh_token"]


async def ended_by_an_administrator(world: World, session: Session, boss: Session) -> str:
    await world.http.delete(f"/v1/auth/sessions/{session['session_id']}", headers=bearer(boss))
    return session["refresh_token"]


async def disabled(world: World, session: Session, boss: Session) -> str:
    await changed(world, boss, session, active=False)
    return session["refresh_token"]


async def given_another_role(world: World, session: Session, boss: Session) -> str:
    await changed(world, boss, session, role="admin")
    return session["refresh_token"]


async def given_another_password(world: World, session: Session, _: Session) -> str:
    await world.node.identity.users.set_password(world.clinic.id, world.email("ana"), PASSWORD * 2, ORIGIN)
    return session["refresh_token"]


async def left_alone(world: World, session: Session, _: Session) -> str:
    world.clock.advance(minutes=61)
    return session["refresh_token"]


async def grown_old(world: World, session: Session, _: Session) -> str:
    token = session["refresh_token"]
    for _n in range(13):
        world.clock.advance(minutes=55)
        token = (await refresh(world, token)).json()["refresh_token"]
    world.clock.advance(minutes=5)
    return token


async def stolen(world: World, session: Session, _: Session) -> str:
    second = (await refresh(world, session["refresh_token"])).json()
    await refresh(world, second["refresh_token"])
    return session["refresh_token"]


async def from_the_future(world: World, session: Session, _: Session) -> str:
    """As after the database was set back."""
    user = UUID(session["user"]["id"])
    return world.node.identity.tokens.refresh(RefreshToken(world.clinic.id, UUID(session["session_id"]), user, 9))


async def from_nowhere(world: World, session: Session, _: Session) -> str:
    user = UUID(session["user"]["id"])
    return world.node.identity.tokens.refresh(RefreshToken(world.clinic.id, UUID(int=7), user, 0))


BROKEN: dict[str, Breaking] = {
    "logout": logged_out,
    "ended-by-user": ended_by_the_person,
    "ended-by-admin": ended_by_an_administrator,
    "user-disabled": disabled,
    "role-changed": given_another_role,
    "password-changed": given_another_password,
    "session-idle": left_alone,
    "session-expired": grown_old,
    "refresh-token-reused": stolen,
    "unknown-generation": from_the_future,
    "unknown-session": from_nowhere,
}


@pytest.mark.parametrize("reason", BROKEN)
async def test_a_refresh_that_fails_says_why_to_its_caller_and_to_administrators(world: World, reason: str):
    await world.person("ana")
    await world.person("boss", "admin")
    session = await world.logged_in("ana")
    token = await BROKEN[reason](world, session, await world.logged_in("boss"))
    assert assert_problem(await refresh(world, token), 401, "unauthenticated")["reason"] == reason
    [failure] = await logins(world, await world.logged_in("boss"), outcome="refused")
    assert (failure["attempt"], failure["step"], failure["reason"]) == ("refresh", "refresh", reason)
    assert failure["user"] == session["user"]["id"]


async def test_a_refresh_token_of_somebody_else_s_making_is_counted_and_costs_no_record(world: World):
    await world.person("boss", "admin")
    boss = await world.logged_in("boss")
    before = not_ours()
    assert_problem(await refresh(world, "kw_refresh_nonsense"), 401, "unauthenticated")
    assert not_ours() == before + 1
    assert await logins(world, boss, outcome="refused") == []


async def test_administrators_see_who_got_in_and_who_did_not(world: World):
    ana = await world.person("ana")
    await world.person("boss", "admin")
    await world.login("ana", "wrong-password-again")
    world.clock.advance(seconds=1)
    session = await world.logged_in("ana")
    world.clock.advance(seconds=1)
    boss = await world.logged_in("boss")
    mine, ours, failed = await logins(world, boss)
    assert (mine["outcome"], mine["session"]) == ("ok", boss["session_id"])
    assert (ours["outcome"], ours["session"], ours["user"]) == ("ok", session["session_id"], str(ana.id))
    assert (ours["step"], ours["reason"]) == (None, None)
    assert (failed["outcome"], failed["user"], failed["session"]) == ("refused", str(ana.id), None)
    assert (failed["attempt"], failed["step"], failed["reason"]) == ("login", "password", "wrong-password")
    assert await logins(world, boss, outcome="ok", user=str(ana.id)) == [ours]
    assert await logins(world, boss, outcome="refused", user=str(ana.id)) == [failed]
    since = (world.clock.now() - timedelta(seconds=1)).isoformat()
    assert await logins(world, boss, **{"from": since}) == [mine, ours]


async def test_pages_of_attempts_show_each_once(world: World):
    await world.person("boss", "admin")
    for _ in range(3):
        await world.login("boss", "wrong-password-again")
        world.clock.advance(seconds=1)
    boss = await world.logged_in("boss")
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while cursor or not seen:
        answer = await world.http.get("/v1/audit/logins", params={"limit": 1, **cursor}, headers=bearer(boss))
        [item] = answer.json()["items"]
        seen.append(item["request_id"])
        cursor = {"cursor": answer.json()["next"]} if answer.json()["next"] else {}
    assert len(set(seen)) == len(seen) == 4


async def test_one_item_stands_for_several_that_came_by_the_dozen(world: World):
    await world.person("boss", "admin")
    boss = await world.logged_in("boss")
    nobody = [{"email": "nobody@x.test", "password": "wrong", "clinic": world.clinic.slug}] * 14
    world.clock.advance(seconds=1)
    for body in nobody:
        world.http.cookies.clear()
        await world.http.post("/v1/auth/login", json=body)
    world.clock.advance(seconds=1)

    async def all_of_them() -> list[dict[str, Any]]:
        found = await logins(world, boss, outcome="refused")
        return found if sum(one["tries"] for one in found) == len(nobody) else []

    [one, *_] = await eventually_async(all_of_them)
    assert one["step"] in ("account", "challenge")
    assert one["since"] <= one["at"]


async def test_only_who_may_read_the_audit_sees_attempts(world: World):
    await world.person("ana")
    session = await world.logged_in("ana")
    assert_problem(await world.http.get("/v1/audit/logins", headers=bearer(session)), 403, "forbidden")


async def test_who_asks_too_often_is_counted_and_logged_before_anything_is_looked_at(world: World):
    await world.person("ana")
    node = world.node
    rates = RateLimits({USUAL: Policy(), LOGIN_RATE: Policy(address=Rate.of(0.001, 1)), REFRESH_RATE: Policy()}, bytes(32))
    door = Door(node.kernel, node.identity.authenticate, endpoints(node.identity), limits=Limits(rates=rates))
    labels = {"limit": "login-address", "outcome": "refused"}
    before = REGISTRY.get_sample_value("keepwell_rate_limit_decisions_total", labels) or 0
    async with serving(door) as base, httpx.AsyncClient(base_url=base, timeout=20) as http:
        with capture_logs() as lines:
            body = {"email": world.email("ana"), "password": PASSWORD}
            answers = [(await http.post("/v1/auth/login", json=body)).status_code for _ in range(2)]
    assert answers == [200, 429]
    assert REGISTRY.get_sample_value("keepwell_rate_limit_decisions_total", labels) == before + 1
    assert [(line["route"], line["status"]) for line in lines if line.get("status") == 429] == [("/v1/auth/login", 429)]


async def test_a_database_that_is_away_is_counted_and_logged(database_urls: DatabaseUrls, manual_clock: ManualClock):
    with Proxy.to_postgres(database_urls.app) as proxy:
        node = await make_node(proxy.postgres_url(database_urls.app), manual_clock)
        labels = {"step": "clinic", "outcome": "temporarily-unavailable"}
        before = REGISTRY.get_sample_value("keepwell_login_steps_total", labels) or 0
        async with serving(node.door) as base, httpx.AsyncClient(base_url=base, timeout=20) as http:
            proxy.cut()
            with capture_logs() as lines:
                answer = await http.post("/v1/auth/login", json={"email": "ann@x.test", "password": PASSWORD})
        assert (answer.status_code, answer.json()["code"]) == (503, "temporarily-unavailable")
        assert REGISTRY.get_sample_value("keepwell_login_steps_total", labels) == before + 1
        told = [(line["step"], line["outcome"]) for line in lines if line["event"] == "login.step"]
        assert ("clinic", "temporarily-unavailable") in told
        await node.close()

"""Ending sessions, one's own and other people's, on one node and seen from another."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepwell.domains.identity.service import endings
from keepwell.kernel.problems import Refused
from keepwell.kit.ids import new_id
from tests.domains.identity.conftest import ORIGIN, PASSWORD, Node, World, bearer, make_node
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls


async def live(world: World, session: dict[str, Any]) -> bool:
    return (await world.get("/v1/auth/me", session)).status_code == 200


async def test_all_others_end_and_the_one_that_asks_stays(world: World):
    await world.person("ana")
    await world.person("bo")
    phone, tablet, laptop, bo = [await world.logged_in(name) for name in ("ana", "ana", "ana", "bo")]
    answer = await world.http.delete("/v1/auth/sessions", headers=bearer(laptop))
    assert (answer.status_code, answer.json()) == (200, {"ended": 2})
    assert [await live(world, each) for each in (phone, tablet, laptop, bo)] == [False, False, True, True]
    assert (await world.http.delete("/v1/auth/sessions", headers=bearer(laptop))).json() == {"ended": 0}


async def test_every_one_ends_when_that_is_asked(world: World):
    await world.person("ana")
    phone, laptop = [await world.logged_in("ana") for _ in range(2)]
    answer = await world.http.delete("/v1/auth/sessions?all=true", headers=bearer(laptop))
    assert answer.json() == {"ended": 2}
    assert [await live(world, each) for each in (phone, laptop)] == [False, False]
    refreshed = await world.http.post("/v1/auth/refresh", json={"refresh_token": phone["refresh_token"]})
    assert refreshed.status_code == 401


async def test_nobody_is_left_out_however_many_there_are(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(endings, "_AT_ONCE", 2)
    await world.person("ana")
    sessions = [await world.logged_in("ana") for _ in range(5)]
    assert (await world.http.delete("/v1/auth/sessions", headers=bearer(sessions[2]))).json() == {"ended": 4}
    assert [await live(world, each) for each in sessions] == [False, False, True, False, False]


async def test_an_administrator_ends_a_persons_sessions(world: World, other_node: Node):
    user = await world.person("ana")
    await world.person("boss", "admin")
    phone, laptop, boss = [await world.logged_in(name) for name in ("ana", "ana", "boss")]
    actor = other_node.identity.authenticate(bearer(phone)["authorization"])
    answer = await world.http.delete(f"/v1/users/{user.id}/sessions", headers=bearer(boss))
    assert (answer.status_code, answer.json()) == (200, {"ended": 2})
    with pytest.raises(Refused, match="unauthenticated"):
        await other_node.identity.sessions.me(actor, ORIGIN)
    assert not await live(world, laptop)
    assert await live(world, boss)
    assert (await world.login("ana")).status_code == 200, "who was only logged out may come back"
    reasons = await world.everything.fetch(
        "SELECT actor, command FROM journal_entry WHERE tenant_id = $1 AND event = 'session-ended'", world.clinic.id
    )
    assert {tuple(row) for row in reasons} == {(world.people["boss"].id, "sessions.end")}


@pytest.mark.parametrize("role", ["clinician", "patient"])
async def test_nobody_else_does(world: World, role: Any):
    user = await world.person("ana")
    await world.person("eve", role)
    ana, eve = [await world.logged_in(name) for name in ("ana", "eve")]
    for whose in (user.id, world.people["eve"].id):
        answer = await world.http.delete(f"/v1/users/{whose}/sessions", headers=bearer(eve))
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert await live(world, ana)
    assert await live(world, eve)


async def test_a_person_of_another_clinic_is_not_there(world: World):
    await world.person("boss", "admin")
    boss = await world.logged_in("boss")
    second = await world.node.tenants.ensure(f"s{new_id().hex}", "Second", ORIGIN)
    email = f"x@{second.slug}.test"
    theirs = await world.node.identity.users.create_user(second.id, email, "x", "admin", PASSWORD, ORIGIN)
    logged_in = (await world.http.post("/v1/auth/login", json={"email": email, "password": PASSWORD})).json()
    answers = [await world.http.delete(f"/v1/users/{id_}/sessions", headers=bearer(boss)) for id_ in (theirs.id, new_id())]
    assert [(answer.status_code, answer.json()["detail"]) for answer in answers] == [
        (404, answers[0].json()["detail"]),
        (404, answers[0].json()["detail"]),
    ]
    assert await live(world, logged_in)


async def test_a_session_that_ran_out_here_ends_for_a_node_whose_clock_is_behind(
    world: World, database_urls: DatabaseUrls, manual_clock: ManualClock
):
    user = await world.person("ana")
    await world.person("boss", "admin")
    old = await world.logged_in("ana")
    behind = ManualClock(manual_clock.now())
    manual_clock.advance(seconds=3605)
    behind.set(manual_clock.now() - timedelta(seconds=10))
    boss = await world.logged_in("boss")
    node = await make_node(database_urls.app, behind)
    try:
        fresh = await node.identity.sessions.refresh(old["refresh_token"], ORIGIN)
        actor = node.identity.authenticate(f"Bearer {fresh.access_token}")
        behind.advance(seconds=-1)
        assert (await world.http.delete(f"/v1/users/{user.id}/sessions", headers=bearer(boss))).json() == {"ended": 1}
        with pytest.raises(Refused, match="unauthenticated"):
            await node.identity.sessions.me(actor, ORIGIN)
    finally:
        await node.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=8)
@given(st.lists(st.tuples(st.booleans(), st.integers(60, 3500)), min_size=1, max_size=6), st.sampled_from([-10, 10]))
async def test_nodes_whose_clocks_differ_by_ten_seconds_keep_a_session_that_is_used(
    world: World, database_urls: DatabaseUrls, manual_clock: ManualClock, uses: list[tuple[bool, int]], skew: int
):
    """Each use is less than the idle limit after the one before it, on one node or the other."""
    name = f"u{new_id().hex}"
    await world.person(name)
    theirs = ManualClock(manual_clock.now() + timedelta(seconds=skew))
    node = await make_node(database_urls.app, theirs)
    try:
        token = (await world.logged_in(name))["refresh_token"]
        for there, seconds in uses:
            manual_clock.advance(seconds=seconds)
            theirs.advance(seconds=seconds)
            pair = await (node if there else world.node).identity.sessions.refresh(token, ORIGIN)
            token = pair.refresh_token
            for each in (node, world.node):
                actor = each.identity.authenticate(f"Bearer {pair.access_token}")
                assert (await each.identity.sessions.me(actor, ORIGIN)).session_id == pair.session_id
        manual_clock.advance(seconds=3621)
        theirs.advance(seconds=3621)
        for each in (node, world.node):
            with pytest.raises(Refused, match="unauthenticated"):
                await each.identity.sessions.refresh(token, ORIGIN)
    finally:
        await node.close()

"""What ends a session ends it everywhere: on the next request to another process, and in the rooms that are open there."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.contracts.conftest import signed_in
from tests.support.journey import begun, published
from tests.support.live import following, speaking
from tests.support.load import CLINICIAN, PASSWORD
from tests.support.problems import assert_problem
from tests.support.server import Server

ME = "/v1/auth/me"
TABS, ROUNDS, LOST = 20, 50, 0.3


@pytest.fixture(scope="module")
def there(server: Server) -> Iterator[str]:
    """Another process."""
    with server.beside() as beside:
        yield beside.base


@pytest.fixture
def nurse(admin: httpx.Client) -> dict[str, Any]:
    """Somebody whom no other test knows, logged in."""
    email = f"{uuid4()}@demo.test"
    person = {"email": email, "name": "Nurse", "role": "clinician", "password": PASSWORD}
    made = admin.post("/v1/users", json=person)
    assert made.status_code == 201, made.text
    tokens = admin.post("/v1/auth/login", json={"email": email, "password": PASSWORD}, headers={"Authorization": ""})
    return {"id": made.json()["id"], "email": email, **tokens.json()}


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


Revoke = Callable[[httpx.Client, dict[str, Any]], httpx.Response]


def answered(base: str, tokens: dict[str, Any]) -> int:
    return httpx.get(f"{base}{ME}", headers=bearer(tokens)).status_code


def refresh_refused(base: str, token: str) -> None:
    assert_problem(httpx.post(f"{base}/v1/auth/refresh", json={"refresh_token": token}), 401, "unauthenticated")


def log_out(admin: httpx.Client, nurse: dict[str, Any]) -> httpx.Response:
    return admin.post("/v1/auth/logout", headers=bearer(nurse))


def end_from_another(admin: httpx.Client, nurse: dict[str, Any]) -> httpx.Response:
    other = admin.post("/v1/auth/login", json={"email": nurse["email"], "password": PASSWORD}).json()
    return admin.delete(f"/v1/auth/sessions/{nurse['session_id']}", headers=bearer(other))


def end_all_others(admin: httpx.Client, nurse: dict[str, Any]) -> httpx.Response:
    other = admin.post("/v1/auth/login", json={"email": nurse["email"], "password": PASSWORD}).json()
    return admin.delete("/v1/auth/sessions", headers=bearer(other))


def end_by_admin(admin: httpx.Client, nurse: dict[str, Any]) -> httpx.Response:
    return admin.delete(f"/v1/users/{nurse['id']}/sessions")


def disable(admin: httpx.Client, nurse: dict[str, Any]) -> httpx.Response:
    return admin.patch(f"/v1/users/{nurse['id']}", json={"active": False}, headers={"If-Match": '"1"'})


def demote(admin: httpx.Client, nurse: dict[str, Any]) -> httpx.Response:
    return admin.patch(f"/v1/users/{nurse['id']}", json={"role": "patient"}, headers={"If-Match": '"1"'})


WAYS = [log_out, end_from_another, end_all_others, end_by_admin, disable, demote]


@asynccontextmanager
async def in_a_room(there: str, response: str, nurse: dict[str, Any]) -> AsyncGenerator[tuple[Any, Any]]:
    async with speaking(there, response, bearer(nurse)) as speaker, following(there, response, bearer(nurse)) as follower:
        await speaker.at(1)
        await follower.at(1)
        yield speaker, follower


@pytest.mark.parametrize("revoke", WAYS)
async def test_the_next_request_elsewhere_is_refused_and_rooms_are_closed(
    server: Server, there: str, admin: httpx.Client, nurse: dict[str, Any], revoke: Revoke
):
    with signed_in(server, CLINICIAN) as clinician:
        response = begun(clinician, published(clinician))["id"]
    assert answered(there, nurse) == 200
    async with in_a_room(there, response, nurse) as (speaker, follower):
        answer = await asyncio.to_thread(revoke, admin, nurse)
        assert answer.is_success, answer.text
        assert answered(there, nurse) == 401
        assert await speaker.closed() == 4401
        assert await follower.closed() == 0
        assert follower.received[-1]["data"]["code"] == "unauthenticated"
    refresh_refused(there, nurse["refresh_token"])


def test_an_operators_command_ends_sessions_too(server: Server, there: str, nurse: dict[str, Any]):
    done = server.cli("users", "end-sessions", nurse["email"], "--clinic", "demo")
    assert (done.returncode, done.stdout) == (0, "1 ended\n"), done.stderr
    assert answered(there, nurse) == 401
    nobody = server.cli("users", "end-sessions", "nobody@demo.test", "--clinic", "demo")
    assert nobody.returncode == 1


# -- a thousand refreshes ---------------------------------------------------------------------------------------------


def audited(admin: httpx.Client, nurse: dict[str, Any]) -> list[dict[str, Any]]:
    """What was done with a person's account and session, and by them."""
    entities = (f"session/{nurse['session_id']}", f"user/{nurse['id']}")
    pages = (admin.get("/v1/audit", params={"entity": entity, "limit": 10}).raise_for_status() for entity in entities)
    return [each for page in pages for each in page.json()["items"]]


class Tabs:
    """Twenty tabs of one browser with one stored pair. What is lost is lost on its way back."""

    def __init__(self, bases: list[str], token: str) -> None:
        self.calls = 0
        self.stored, self.round = token, 0
        self._bases = bases

    async def renew(self, http: httpx.AsyncClient, tab: int, *, lost: bool) -> None:
        """A tab asks until it, or another one, was answered."""
        wanted = self.round + 1
        while self.round < wanted:
            self.calls += 1
            base = self._bases[(tab + self.calls) % len(self._bases)]
            answer = await http.post(f"{base}/v1/auth/refresh", json={"refresh_token": self.stored})
            assert answer.status_code == 200, answer.text
            if lost:
                lost = False
            elif self.round < wanted:
                self.stored, self.round = answer.json()["refresh_token"], wanted


async def test_a_thousand_refreshes_from_twenty_tabs_on_two_processes_end_no_honest_session(
    server: Server, there: str, admin: httpx.Client, nurse: dict[str, Any]
):
    tabs = Tabs([server.base, there], nurse["refresh_token"])
    seen = [tabs.stored]
    chance = random.SystemRandom()
    async with httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=TABS), trust_env=False) as http:
        for _ in range(ROUNDS):
            await asyncio.gather(*(tabs.renew(http, tab, lost=chance.random() < LOST) for tab in range(TABS)))
            seen.append(tabs.stored)
        assert tabs.calls >= TABS * ROUNDS
        assert len(set(seen)) == ROUNDS + 1
    assert answered(there, nurse) == 200
    refresh_refused(there, seen[-3])
    refresh_refused(there, seen[-1])
    assert answered(server.base, nurse) == 401
    told = audited(admin, nurse)
    thefts = [each for each in told if each["outcome"] == "refresh-token-reused"]
    assert {(each["action"], each["entity"]["id"]) for each in thefts} == {("refresh.refresh", nurse["id"])}
    assert "session-ended" in [each["event"] for each in told]

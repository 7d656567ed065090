"""Logging in while the database is away: an answer within the bounded wait, that says when to come back."""

from collections.abc import AsyncIterator
from time import monotonic

import httpx
import pytest

from tests.domains.identity.conftest import make_node
from tests.support.clock import ManualClock
from tests.support.http_server import serving


@pytest.fixture
async def http(manual_clock: ManualClock) -> AsyncIterator[httpx.AsyncClient]:
    node = await make_node("postgresql://nobody@/nothing?host=/nowhere", manual_clock)
    async with serving(node.door) as base, httpx.AsyncClient(base_url=base, timeout=20) as client:
        yield client
    await node.close()


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/auth/login", {"email": "a@b.test", "password": "x"})],
)
async def test_a_login_is_answered_with_503_and_when_to_try_again(http: httpx.AsyncClient, path: str, body: dict[str, str]):
    started = monotonic()
    answer = await http.post(path, json=body)
    assert monotonic() - started < 5
    assert (answer.status_code, answer.json()["code"]) == (503, "temporarily-unavailable")
    assert int(answer.headers["retry-after"]) >= 1


async def test_the_diagnostic_answers_and_names_what_is_missing(http: httpx.AsyncClient):
    body = (await http.get("/v1/auth/login/diagnostic")).json()
    assert not body["ok"]
    works = {step["step"]: step["ok"] for step in body["steps"]}
    assert works == {
        "database": False,
        "clinic-directory": False,
        "hashing": True,
        "signing-key": False,
        "session-store": False,
    }
    assert all(step["advice"] for step in body["steps"] if not step["ok"])

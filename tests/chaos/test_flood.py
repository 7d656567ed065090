"""Wrong log-ins by the hundred: the right ones get in or are told when to try again, and everything else goes on."""

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.support.load import PASSWORD
from tests.support.puzzle import solve
from tests.support.server import running

FLOOD = 100
ADMIN, CLINICIAN = "admin@demo.test", "clinician@demo.test"


async def log_in(base: str, email: str, password: str, **more: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=base, timeout=30, trust_env=False) as http:
        return await http.post("/v1/auth/login", json={"email": email, "password": password, **more})


async def wrong(base: str, number: int) -> int:
    email = CLINICIAN if number % 2 else f"nobody-{number}@demo.test"
    return (await log_in(base, email, "a wrong password")).status_code


async def persistently(base: str, email: str) -> list[int]:
    """What a client is told that does what it is told, until it is in."""
    told: list[int] = []
    solution: dict[str, str] = {}
    for _ in range(20):
        answer = await log_in(base, email, PASSWORD, **solution)
        told.append(answer.status_code)
        if answer.status_code == 200:
            return told
        assert answer.status_code in (429, 503), answer.text
        assert int(answer.headers["retry-after"]) >= 1
        if answer.json()["code"] == "challenge-required":
            solution = {"challenge": await asyncio.to_thread(solve, answer.json()["challenge"])}
        else:
            solution = {}
            await asyncio.sleep(int(answer.headers["retry-after"]))
    return told


@pytest.mark.timeout(180)
async def test_a_flood_of_wrong_log_ins_keeps_nobody_out(tmp_path: Path):
    with running(tmp_path / "data") as server:
        token = (await log_in(server.base, ADMIN, PASSWORD)).raise_for_status().json()["access_token"]
        first = await asyncio.gather(*(wrong(server.base, number) for number in range(FLOOD)))
        flood = [asyncio.create_task(wrong(server.base, number)) for number in range(FLOOD)]
        async with httpx.AsyncClient(base_url=server.base, timeout=30, trust_env=False) as http:
            me = [await http.get("/v1/auth/me", headers={"authorization": f"Bearer {token}"}) for _ in range(10)]
        attacked = await persistently(server.base, CLINICIAN)
        second = await asyncio.gather(*flood)
        assert [answer.status_code for answer in me] == [200] * 10
        assert attacked[-1] == 200, attacked
        assert {*first, *second} <= {401, 429, 503}
        assert 429 in second, "the account under attack was held up for who guesses"

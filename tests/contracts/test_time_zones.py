"""Limits of sessions on processes whose machines are set to other time zones than their neighbours."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.load import CLINICIAN, PASSWORD
from tests.support.server import running
from tests.support.waiting import eventually

IDLE, ABSOLUTE = 4, 9
NEIGHBOURS = ("America/Los_Angeles", "Asia/Tokyo")


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """One installation: at the date line, and on both sides of it."""
    limits = {"refresh_token_lifetime_s": str(IDLE), "session_lifetime_s": str(ABSOLUTE)}
    with ExitStack() as stack:
        directory = tmp_path_factory.mktemp("zones") / "data"
        server = stack.enter_context(running(directory, settings=limits, zone="Pacific/Kiritimati"))
        yield [server.base, *(stack.enter_context(server.beside(zone)).base for zone in NEIGHBOURS)]


def log_in(base: str) -> dict[str, Any]:
    return httpx.post(f"{base}/v1/auth/login", json={"email": CLINICIAN, "password": PASSWORD}).raise_for_status().json()


def me(base: str, tokens: dict[str, Any]) -> int:
    return httpx.get(f"{base}/v1/auth/me", headers={"Authorization": f"Bearer {tokens['access_token']}"}).status_code


def test_every_process_says_the_same_instants_and_ends_a_session_at_them(bases: list[str]):
    for home in bases:
        before = expires = datetime.now(UTC)
        tokens = log_in(home)
        for base in bases:
            assert me(base, tokens) == 200
            listed = httpx.get(f"{base}/v1/auth/sessions", headers={"Authorization": f"Bearer {tokens['access_token']}"})
            [mine] = [each for each in listed.json()["items"] if each["current"]]
            started, expires = (datetime.fromisoformat(mine[name]) for name in ("started_at", "expires_at"))
            assert abs(started - before) < timedelta(seconds=2)
            assert expires - started == timedelta(seconds=IDLE)
        eventually(lambda: {me(base, tokens) for base in bases} == {401}, IDLE + 5)  # noqa: B023 - looked at at once
        assert datetime.now(UTC) >= expires - timedelta(seconds=2), "a token counts whole seconds, from a whole second on"


def test_who_is_active_stays_until_the_absolute_limit_wherever_they_go(bases: list[str]):
    tokens = log_in(bases[0])
    began = time.monotonic()
    refresh, turn = tokens["refresh_token"], 0

    def refused() -> bool:
        nonlocal refresh, turn
        turn += 1
        answer = httpx.post(f"{bases[turn % len(bases)]}/v1/auth/refresh", json={"refresh_token": refresh})
        if answer.status_code == 200:
            refresh = answer.json()["refresh_token"]
        return answer.status_code == 401

    eventually(refused, ABSOLUTE + 6)
    assert ABSOLUTE - 1 <= time.monotonic() - began <= ABSOLUTE + 3
    assert turn > IDLE

"""The whole application on real servers, over a real socket."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from keepwell.main.addresses import Addresses
from keepwell.main.app import application
from keepwell.main.demo import prepare
from keepwell.main.parts import Parts
from keepwell.platform.settings import ProcessKind, Settings
from tests.support.cluster import MASTER_KEY, DatabaseUrls
from tests.support.http_server import serving

PASSWORD = "keepwell-demo-pass"


@pytest.fixture
def chosen() -> Settings:
    given: dict[str, Any] = {"_env_file": None, "master_key": base64.b64encode(MASTER_KEY).decode(), "valkey_timeout_ms": 1000}
    return Settings(**given)


@pytest.fixture
def addresses(clean_database: DatabaseUrls, valkey_url: str) -> Addresses:
    return Addresses(clean_database.app, clean_database.owner, clean_database.auditor, valkey_url)


@pytest.fixture
def parts(chosen: Settings, addresses: Addresses) -> Parts:
    return Parts(chosen, addresses, ProcessKind.API)


@pytest.fixture
async def http(parts: Parts) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(application(parts)) as base, httpx.AsyncClient(base_url=base, timeout=15) as client:
        yield client


@pytest.fixture
async def demo(chosen: Settings, addresses: Addresses) -> None:
    await prepare(chosen, addresses)


async def log_in(http: httpx.AsyncClient, who: str) -> dict[str, str]:
    answer = await http.post("/v1/auth/login", json={"email": f"{who}@demo.test", "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}

"""Liveness, readiness, metrics."""

import asyncio
from pathlib import Path

import httpx
import psycopg
import pytest
from prometheus_client import Counter

from keepwell.main.addresses import Addresses
from keepwell.main.app import application
from keepwell.main.exposition import Exposition
from keepwell.main.health import NotReadyError, Readiness
from keepwell.main.parts import Parts
from keepwell.platform.settings import ProcessKind, Settings
from tests.support.cluster import DatabaseUrls
from tests.support.http_server import serving


async def test_a_process_with_all_its_parts_is_ready(http: httpx.AsyncClient):
    assert (await http.get("/health/live")).json() == {"status": "alive"}
    answer = await http.get("/health/ready")
    assert answer.status_code == 200, answer.text
    assert {name for name, part in answer.json()["parts"].items() if part["ok"]} == {"database", "cache", "migrations", "queue"}


@pytest.mark.parametrize("part", ["database", "cache"])
async def test_a_part_that_is_away_is_named(chosen: Settings, addresses: Addresses, tmp_path: Path, part: str):
    nowhere = {
        "database": Addresses("postgresql://keepwell_app@127.0.0.1:1/x", addresses.owner, addresses.auditor, addresses.valkey),
        "cache": Addresses(addresses.app, addresses.owner, addresses.auditor, f"unix://{tmp_path}/none.sock"),
    }[part]
    async with serving(application(Parts(chosen, nowhere, ProcessKind.API))) as base, httpx.AsyncClient(base_url=base) as http:
        answer = await http.get("/health/ready")
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
        problem = answer.json()
        assert (problem["code"], part in problem["failing"], problem["parts"][part]["ok"]) == (
            "temporarily-unavailable",
            True,
            False,
        )
        assert "keepwell_app" not in answer.text
        assert (await http.get("/health/live")).status_code == 200
        assert (await http.get("/v1/auth/login/diagnostic")).status_code == 200


async def test_a_schema_of_another_program_is_named(chosen: Settings, fresh_database: DatabaseUrls, valkey_url: str):
    with psycopg.connect(fresh_database.owner, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000_other'")
    addresses = Addresses(fresh_database.app, fresh_database.owner, fresh_database.auditor, valkey_url)
    async with serving(application(Parts(chosen, addresses, ProcessKind.API))) as base, httpx.AsyncClient() as http:
        assert (await http.get(f"{base}/health/ready")).json()["failing"] == ["migrations"]


async def test_a_check_that_hangs_is_cut_off_and_askers_share_one_attempt():
    asked = 0

    async def hangs() -> None:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()

    async def says_why() -> None:
        raise NotReadyError("too few of them")

    readiness = Readiness({"slow": hangs, "few": says_why}, seconds=0.05, fresh=60)
    first, second = await asyncio.gather(readiness.health(), readiness.health())
    assert first is second
    assert asked == 1
    assert first.parts["slow"].detail == "no answer within 0.05 s"
    assert first.parts["few"].detail == "too few of them"


async def test_metrics_count_requests_by_route(http: httpx.AsyncClient):
    await http.get("/v1/questionnaires/01890a5d-ac96-774b-bcce-b302099a8057")
    answer = await http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    line = 'keepwell_http_requests_total{method="GET",route="/v1/questionnaires/{id}",status="401"}'
    assert line in answer.text
    assert "01890a5d" not in answer.text
    assert "keepwell_http_request_duration_seconds_bucket" in answer.text


async def test_processes_that_share_a_port_answer_for_each_other(tmp_path: Path):
    Counter("keepwell_test_exposition", "Only a test's").inc(3)
    one, two = Exposition(tmp_path, "0"), Exposition(tmp_path, "1")
    (tmp_path / "2.sock").touch()  # a process that was killed
    async with one.answering(), two.answering():
        text = (await one.text()).decode()
    assert 'keepwell_test_exposition_total{process="0"} 3.0' in text
    assert 'keepwell_test_exposition_total{process="1"} 3.0' in text
    assert text.count("# TYPE keepwell_test_exposition_total counter") == 1

"""Checks over HTTP: asked for now, looked at, summed up; only by who may see the monitor."""

import csv
import io
from collections.abc import AsyncIterator
from hashlib import sha256
from uuid import UUID

import httpx
import pytest

from keepwell.domains.checks import routes
from keepwell.domains.monitors.models import CreateMonitor, Heartbeat, PauseMonitor
from keepwell.kernel import Actor
from keepwell.kernel.http import Door
from keepwell.kit.ids import new_id
from tests.support.http_server import serving
from tests.support.problems import assert_refused
from tests.support.watching import Watch, configuration


@pytest.fixture
async def http(watch: Watch) -> AsyncIterator[httpx.AsyncClient]:
    """An administrator of the watched clinic, unless another header says who asks."""
    actors = {
        "Bearer admin": Actor(watch.tenant, new_id(), "admin", ("user/*.cruds",)),
        "Bearer patient": Actor(watch.tenant, new_id(), "patient", ("user/Questionnaire.r",)),
        "Bearer stranger": Actor(new_id(), new_id(), "admin", ("user/*.cruds",)),
    }
    door = Door(watch.service.reader.kernel, actors.__getitem__, routes.endpoints(watch.service))
    async with serving(door) as base, httpx.AsyncClient(base_url=base, timeout=20) as client:
        client.headers["authorization"] = "Bearer admin"
        yield client


async def test_a_check_that_is_asked_for_is_made_at_once_and_found_where_the_answer_says(watch: Watch, http: httpx.AsyncClient):
    monitor = await watch.add(interval_s=3_600)
    watch.clock.advance(seconds=1)
    key = {"idempotency-key": "now"}
    asked = await http.post(f"/v1/monitors/{monitor}/check", headers=key)
    assert asked.status_code == 202
    async with watch.working():
        await watch.settled()
    items = (await http.get(asked.json()["results"])).json()["items"]
    assert [(item["scheduled_at"], item["status"]) for item in items] == [(asked.json()["scheduled_at"], "up")]
    again = await http.post(f"/v1/monitors/{monitor}/check", headers=key)
    assert (again.status_code, again.headers["idempotency-replayed"], again.json()) == (202, "true", asked.json())
    assert await watch.value("SELECT count(*) FROM check_run") == 0
    assert (await http.get(f"/v1/monitors/{monitor}/status")).json()["status"] == "up"


async def test_what_is_paused_or_not_there_is_not_checked(watch: Watch, http: httpx.AsyncClient):
    monitor = await watch.add()
    await watch.do(PauseMonitor(monitor))
    assert_refused(await http.post(f"/v1/monitors/{monitor}/check"), 409, "monitor-idle")
    assert_refused(await http.post(f"/v1/monitors/{new_id()}/check"), 404, "not-found")


async def test_who_knows_the_token_of_a_heartbeat_beats_without_logging_in(watch: Watch, http: httpx.AsyncClient):
    token, wrong = (f"kwhb_{letter * 43}" for letter in "AB")
    known = sha256(token.encode()).digest()
    said = configuration(kind="heartbeat", target="", heartbeat=Heartbeat(period_s=60, grace_s=30))
    monitor = new_id()
    await watch.do(CreateMonitor(monitor, said, heartbeat_digest=known, private=True))
    nobody = {"authorization": ""}
    assert (await http.post(f"/v1/heartbeats/{token}", headers=nobody)).status_code == 204
    assert (await http.get(f"/v1/monitors/{monitor}/status")).json()["status"] == "up"
    refused = await http.post(f"/v1/heartbeats/{wrong}", headers=nobody)
    problem = refused.json()
    assert (refused.status_code, problem["code"], problem["instance"]) == (404, "not-found", "/v1/heartbeats/{token}")


async def outage(watch: Watch, monitor: UUID) -> None:
    """Up, then down for two checks, then up."""
    async with watch.working():
        for state in (set[UUID](), {monitor}, {monitor}, set[UUID]()):
            watch.down = state
            await watch.tick(minutes=1)
            await watch.settled()


async def test_results_are_listed_in_parts_and_summed_up(watch: Watch, http: httpx.AsyncClient):
    monitor = await watch.add()
    await outage(watch, monitor)
    path = f"/v1/monitors/{monitor}/results"
    first = (await http.get(path, params={"limit": 3})).json()
    second = (await http.get(path, params={"limit": 3, "cursor": first["next"]})).json()
    shown = [item["status"] for item in first["items"] + second["items"]]
    assert (shown, second["next"]) == (["up", "down", "down", "up"], None)
    [hour] = (await http.get(path, params={"by": "hour"})).json()["rollups"]
    assert (hour["checks"], hour["up"], hour["down"], hour["missed"], hour["average_ms"]) == (4, 2, 2, 0, 1.5)
    assert len((await http.get(path, params={"by": "minute"})).json()["rollups"]) == 4
    assert_refused(await http.get(path, params={"cursor": "yesterday"}), 400, "invalid-parameter")


async def test_uptime_tells_what_is_left_of_the_error_budget(watch: Watch, http: httpx.AsyncClient):
    monitor = await watch.add()
    await outage(watch, monitor)
    watch.clock.advance(minutes=7)
    found = (await http.get(f"/v1/monitors/{monitor}/uptime", params={"window": "1h", "objective": 99})).json()
    assert (found["window"], found["up_s"], found["down_s"], found["outages"]) == ("1h", 8 * 60, 2 * 60, 1)
    assert (found["uptime"], found["checks"]) == (0.8, 4)
    assert found["error_budget"]["allowed_s"] == pytest.approx(6)
    assert found["error_budget"]["left_s"] == pytest.approx(-114)
    assert_refused(await http.get(f"/v1/monitors/{monitor}/uptime", params={"window": "soon"}), 400, "invalid-parameter")
    changes = (await http.get(f"/v1/monitors/{monitor}/transitions")).json()["items"]
    assert [change["after"] for change in changes] == ["up", "down", "up"]


async def test_all_monitors_are_summed_up_by_group_as_json_and_as_csv(watch: Watch, http: httpx.AsyncClient):
    one, *_ = [await watch.add(name=name, group=group) for name, group in (("=1+1", "Portal"), ("B", "Portal"), ("C", ""))]
    await outage(watch, one)
    watch.clock.advance(minutes=7)
    query = {"window": "1h", "objective": 99, "group": "Portal"}
    found = (await http.get("/v1/uptime", params=query)).json()
    assert [(row["name"], row["uptime"], row["outages"]) for row in found["items"]] == [("=1+1", 0.8, 1), ("B", 1.0, 0)]
    assert (found["uptime"], found["outages"]) == (0.9, 1)
    assert found["error_budget"]["consumed"] == pytest.approx(10)
    assert len((await http.get("/v1/uptime")).json()["items"]) == 3
    table = await http.get("/v1/uptime.csv", params=query)
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    lines = list(csv.reader(io.StringIO(table.text)))
    assert [line[1] for line in lines] == ["name", "'=1+1", "B"], "a spreadsheet program would compute it"
    assert_refused(await http.get("/v1/uptime", headers={"authorization": "Bearer patient"}), 403, "forbidden")
    assert (await http.get("/v1/uptime", headers={"authorization": "Bearer stranger"})).json()["items"] == []


@pytest.mark.parametrize("what", ["results", "uptime", "status", "transitions", "dead-checks"])
async def test_only_who_may_see_the_monitor_sees_what_came_of_its_checks(watch: Watch, http: httpx.AsyncClient, what: str):
    monitor = await watch.add()
    path = f"/v1/monitors/{monitor}/{what}"
    assert (await http.get(path)).status_code == 200
    assert_refused(await http.get(path, headers={"authorization": "Bearer patient"}), 403, "forbidden")
    assert_refused(await http.get(path, headers={"authorization": "Bearer stranger"}), 404, "not-found")

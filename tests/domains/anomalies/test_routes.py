"""Anomalies over HTTP: the newest first, part by part, to who may see the monitor."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from keepwell.domains.anomalies import routes
from keepwell.domains.monitors.models import DeleteMonitor
from keepwell.kernel import Actor
from keepwell.kernel.http import Door
from keepwell.kit.ids import new_id
from tests.support.http_server import serving
from tests.support.problems import assert_refused
from tests.support.series import anomalies_of
from tests.support.watching import Watch


@pytest.fixture
async def http(watch: Watch) -> AsyncIterator[httpx.AsyncClient]:
    """An administrator of the watched clinic, unless another header says who asks."""
    actors = {
        "Bearer admin": Actor(watch.tenant, new_id(), "admin", ("user/*.cruds",)),
        "Bearer patient": Actor(watch.tenant, new_id(), "patient", ("user/Questionnaire.r",)),
        "Bearer stranger": Actor(new_id(), new_id(), "admin", ("user/*.cruds",)),
    }
    door = Door(watch.service.reader.kernel, actors.__getitem__, routes.endpoints(anomalies_of(watch)))
    async with serving(door) as base, httpx.AsyncClient(base_url=base, timeout=20) as client:
        client.headers["authorization"] = "Bearer admin"
        yield client


async def anomaly(watch: Watch, monitor: UUID, *, incident: bool = False) -> str:
    id_ = new_id()
    query = (
        "INSERT INTO anomaly (tenant_id, id, monitor_id, measure, at, score, habit, now, usual, ratio, explanation, incident)"
        " VALUES ($1, $2, $3, 'latency', $4, 4.5, 'range', 340, 100, 3.4, '3.4 times the usual for Monday 09:00', $5)"
    )
    await watch.everything.execute(query, watch.tenant, id_, monitor, watch.clock.now(), incident)
    return str(id_)


async def test_they_are_listed_the_newest_first_part_by_part(watch: Watch, http: httpx.AsyncClient):
    monitor, other = await watch.add(), await watch.add()
    ids = [await anomaly(watch, monitor, incident=place == 2) for place in range(3)]
    await anomaly(watch, other)
    path = f"/v1/monitors/{monitor}/anomalies"
    first = (await http.get(path, params={"limit": 2})).json()
    assert [(each["id"], each["incident"]) for each in first["items"]] == [(ids[2], ids[2]), (ids[1], None)]
    shown = first["items"][1]
    assert (shown["measure"], shown["now"], shown["usual"], shown["ratio"]) == ("latency", 340, 100, 3.4)
    assert (shown["explanation"], shown["ended_at"]) == ("3.4 times the usual for Monday 09:00", None)
    rest = (await http.get(path, params={"limit": 2, "cursor": first["next"]})).json()
    assert ([each["id"] for each in rest["items"]], rest["next"]) == ([ids[0]], None)


async def test_only_who_may_see_the_monitor_sees_them(watch: Watch, http: httpx.AsyncClient):
    monitor = await watch.add()
    await anomaly(watch, monitor)
    path = f"/v1/monitors/{monitor}/anomalies"
    assert_refused(await http.get(path, headers={"authorization": "Bearer patient"}), 403, "forbidden")
    assert_refused(await http.get(path, headers={"authorization": "Bearer stranger"}), 404, "not-found")
    await watch.do(DeleteMonitor(monitor))
    assert_refused(await http.get(path), 404, "not-found")

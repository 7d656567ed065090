"""A schedule on the whole program: asked for over HTTP, run by its worker, told afterwards."""

from typing import Any

import httpx

from keepwell.kit.ids import new_id
from tests.support.server import Server
from tests.support.waiting import eventually


def test_a_run_asked_for_is_done_by_the_worker_and_told(admin: httpx.Client):
    nightly = {"task": "flags.report-stale", "cron": "30 2 * * *", "time_zone": "Pacific/Kiritimati"}
    path = f"/v1/schedules/{admin.post('/v1/schedules', json=nightly).json()['id']}"
    assert admin.post(f"{path}/run").status_code == 200

    def ended() -> dict[str, Any] | None:
        run = admin.get(path).json()["run"]
        return run if run is not None and run["result"] is not None else None

    assert (eventually(ended) or {})["result"] == "ok"
    assert [item["type"] for item in admin.get(f"{path}/runs").json()["items"]] == ["run-begun", "run-ended"]


def test_operators_see_that_nothing_is_held(server: Server):
    said = server.cli("jobs", "held")
    assert (said.returncode, said.stdout) == (0, "")
    said = server.cli("jobs", "redrive", str(new_id()), str(new_id()))
    assert (said.returncode, said.stdout.strip()) == (1, "No such job is held.")

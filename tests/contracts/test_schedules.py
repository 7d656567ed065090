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


def test_operators_ask_for_a_run_at_the_command_line_and_read_what_came_of_it(server: Server, admin: httpx.Client):
    every = {"task": "flags.report-stale", "every_s": 86_400}
    made = admin.post("/v1/schedules", json=every).json()
    assert (made["cron"], made["every_s"]) == (None, 86_400)
    said = server.cli("schedules", "run-now", made["id"], "--clinic", "demo")
    assert said.returncode == 0, said.stderr
    eventually(lambda: (admin.get(f"/v1/schedules/{made['id']}").json()["run"] or {"result": None})["result"])
    said = server.cli("schedules", "list", "--clinic", "demo")
    [line] = [line for line in said.stdout.splitlines() if line.startswith(made["id"])]
    assert "every 86400 s" in line
    assert ": ok" in line
    told = server.cli("schedules", "history", made["id"], "--clinic", "demo").stdout.splitlines()
    assert [line.split("  ")[1] for line in told] == ["schedule-created", "schedule-retimed", "run-begun", "run-ended"]
    assert told[-1].endswith("result=ok")


def test_operators_learn_that_there_is_no_such_clinic_or_schedule(server: Server):
    said = server.cli("schedules", "list", "--clinic", "nowhere")
    assert (said.returncode, "There is no clinic" in said.stderr) == (1, True)
    said = server.cli("schedules", "run-now", str(new_id()), "--clinic", "demo")
    assert (said.returncode, said.stdout) == (1, "")


def test_operators_see_that_nothing_is_held(server: Server):
    said = server.cli("jobs", "held")
    assert (said.returncode, said.stdout) == (0, "")
    said = server.cli("jobs", "redrive", str(new_id()), str(new_id()))
    assert (said.returncode, said.stdout.strip()) == (1, "No such job is held.")

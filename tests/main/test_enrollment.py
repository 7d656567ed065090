"""Batches in the whole program: what becomes of one whose uploader may no longer log in."""

from uuid import UUID

import httpx

from keepwell.main.parts import Parts
from tests.main.conftest import log_in
from tests.support.problems import assert_refused

SPRING = {"name": "Spring", "time_zone": "Europe/Berlin", "opens": "2020-01-01", "closes": "2090-12-31"}


async def test_a_batch_goes_on_for_its_clinic_when_its_uploader_is_disabled(demo: None, parts: Parts, http: httpx.AsyncClient):
    admin, clinician = await log_in(http, "admin"), await log_in(http, "clinician")
    me = (await http.get("/v1/auth/me", headers=clinician)).json()
    program = (await http.post("/v1/programs", json=SPRING, headers=clinician)).json()["id"]
    uploads = f"/v1/programs/{program}/batches"
    csv = {"content-type": "text/csv"}
    batch = (await http.post(uploads, content="external_id\nE-1\nE-2\n", headers=clinician | csv)).json()["id"]
    user = await http.get(f"/v1/users/{me['user']['id']}", headers=admin)
    disabled = await http.patch(
        f"/v1/users/{me['user']['id']}", json={"active": False}, headers=admin | {"if-match": user.headers["etag"]}
    )
    assert disabled.status_code == 200, disabled.text
    assert_refused(await http.post(uploads, content="external_id\nE-3\n", headers=clinician | csv), 401, "unauthenticated")

    await parts.rooms.enrollment.run(UUID(me["clinic"]["id"]), UUID(batch))
    done = (await http.get(f"/v1/batches/{batch}", headers=admin)).json()
    assert (done["status"], done["rows"]["enrolled"]) == ("completed", 2)
    people = (await http.get(f"/v1/batches/{batch}/rows", headers=admin)).json()["items"]
    history = (await http.get(f"/v1/participants/{people[0]['participant']}/history", headers=admin)).json()["items"]
    assert [(one["actor"], one["door"], one["request_id"]) for one in history] == [(me["user"]["id"], "enrollment", batch)]

    undone = await http.post(f"/v1/batches/{batch}/rollback", headers=admin)
    assert undone.json()["status"] == "running"
    await parts.rooms.enrollment.run(UUID(me["clinic"]["id"]), UUID(batch))
    assert (await http.get(f"/v1/batches/{batch}", headers=admin)).json()["status"] == "rolled-back"

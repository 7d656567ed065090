"""Programs over HTTP: when they open and close, as it was said and as instants."""

from typing import Any

import pytest

from tests.support.clinic import Clinic, match
from tests.support.enrolling import SPRING, program
from tests.support.problems import assert_problem


async def test_a_program_says_when_it_opens_and_closes(clinic: Clinic):
    id_ = await program(clinic, time_zone="Asia/Tokyo", opens="2026-03-01", closes="2026-05-31")
    seen = (await clinic.http.get(f"/v1/programs/{id_}")).json()
    assert (seen["opens"], seen["closes"], seen["window"]) == ("2026-03-01", "2026-05-31", "program")
    assert (seen["opens_at"], seen["closes_at"]) == ("2026-02-28T15:00:00Z", "2026-05-31T15:00:00Z")
    listed = (await clinic.http.get("/v1/programs?limit=1")).json()
    assert [one["id"] for one in listed["items"]] == [id_]


async def test_what_is_changed_moves_its_instants(clinic: Clinic):
    id_ = await program(clinic)
    changed = await clinic.http.patch(f"/v1/programs/{id_}", json={"time_zone": "Pacific/Kiritimati"}, headers=match(1))
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert changed.json()["opens_at"] == "2025-12-31T10:00:00Z"
    same = await clinic.http.patch(f"/v1/programs/{id_}", json={}, headers={**match(2), "idempotency-key": "once"})
    assert same.json()["version"] == 2
    assert_problem(await clinic.http.patch(f"/v1/programs/{id_}", json={"name": "x"}, headers=match(1)), 412, "version-conflict")


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"name": " "}, "/name"),
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"opens": "tomorrow"}, "/opens"),
        ({"opens": "2026-02-30"}, "/opens"),
        ({"closes": "2026-05-31T10:00:00Z"}, "/closes"),
        ({"opens": "2026-06-01", "closes": "2026-05-31"}, "/closes"),
    ],
)
async def test_what_is_no_program_is_refused_at_its_field(clinic: Clinic, wrong: dict[str, Any], pointer: str):
    answer = await clinic.http.post("/v1/programs", json={**SPRING, **wrong})
    assert [one["pointer"] for one in assert_problem(answer, 422, "invalid-program")["errors"]] == [pointer]

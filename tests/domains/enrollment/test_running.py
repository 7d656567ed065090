"""Batches run to their ends: what comes of each row, the same when tried out first, nothing when run again."""

from typing import Any

from tests.support.clinic import Clinic
from tests.support.enrolling import counts, enroll, outcomes, people, program


async def found(clinic: Clinic, external_id: str) -> list[dict[str, Any]]:
    return (await clinic.http.get("/v1/participants", params={"external_id": external_id})).json()["items"]


async def test_rows_become_participants_once_and_running_them_again_changes_nothing(clinic: Clinic):
    spring = await program(clinic)
    rows = people(1, 2, 3)
    first = await enroll(clinic, spring, rows)
    assert (first["status"], counts(first)) == ("completed", {"total": 3, "enrolled": 3})
    again = await enroll(clinic, spring, rows)
    assert counts(again) == {"total": 3, "unchanged": 3}
    [person] = await found(clinic, "E-2")
    assert (person["given_name"], person["version"], person["program"]) == ("Given2", 1, spring)


async def test_a_dry_run_tells_the_same_and_stores_nobody(clinic: Clinic):
    spring = await program(clinic)
    rows = [*people(1, 2), *people(1, given_name="Other"), *people(2), {"external_id": "", "given_name": "Nobody"}]
    tried = await enroll(clinic, spring, rows, dry_run=True)
    assert await found(clinic, "E-1") == []
    done = await enroll(clinic, spring, rows)
    assert await outcomes(clinic, tried["id"]) == await outcomes(clinic, done["id"])
    assert await outcomes(clinic, done["id"]) == [
        (1, "enrolled", None),
        (2, "enrolled", None),
        (3, "conflict", "repeated-differently"),
        (4, "unchanged", "repeated-row"),
        (5, "dead", "missing-external-id"),
    ]

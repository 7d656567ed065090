"""Batches run to their ends: what comes of each row, the same when tried out first, nothing when run again."""

from tests.support.clinic import Clinic
from tests.support.enrolling import act, batch, counts, enroll, found, history, outcomes, people, program, run, upload
from tests.support.problems import assert_problem


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


async def test_what_a_later_batch_says_is_added_and_another_birth_date_is_a_conflict(clinic: Clinic):
    spring = await program(clinic)
    await enroll(clinic, spring, people(1, 2, phone="1"))
    rows = [{"external_id": "E-1", "email": "one@example.org", "ward": "7"}, {"external_id": "E-2", "birth_date": "2001-01-01"}]
    done = await enroll(clinic, spring, rows)
    assert await outcomes(clinic, done["id"]) == [(1, "updated", None), (2, "conflict", "another-birth-date")]
    [person] = await found(clinic, "E-1")
    assert (person["email"], person["phone"], person["attributes"]) == ("one@example.org", "1", {"ward": "7"})
    assert counts(await enroll(clinic, spring, rows)) == {"total": 2, "unchanged": 1, "conflict": 1}
    assert await history(clinic, person["id"]) == ["enrolled", "enrollment-updated"]


async def test_rows_outside_the_period_are_refused_by_the_instant_of_the_upload(clinic: Clinic):
    spring = await program(clinic, opens="2026-02-01", closes="2026-03-01", time_zone="Asia/Tokyo")
    late = await program(clinic, opens="2026-03-02", closes="2026-03-03")
    id_ = await upload(clinic, spring, people(1))
    clinic.clock.advance(hours=24)
    assert counts(await run(clinic, id_)) == {"total": 1, "enrolled": 1}
    assert await outcomes(clinic, (await enroll(clinic, spring, people(2)))["id"]) == [(1, "refused", "enrollment-closed")]
    clinic.clock.advance(hours=-24)
    assert await outcomes(clinic, (await enroll(clinic, late, people(2)))["id"]) == [(1, "refused", "enrollment-not-open-yet")]


async def test_all_or_none_is_all_or_none_across_parts(clinic: Clinic):
    spring = await program(clinic)
    rows = [*people(*range(1, 1101)), {"external_id": "E-2000", "birth_date": "yesterday"}]
    failed = await enroll(clinic, spring, rows, atomic=True)
    assert (failed["status"], failed["reason"]) == ("failed", "rows-refused")
    assert counts(failed) == {"total": 1101, "refused": 1100, "dead": 1}
    assert (await outcomes(clinic, failed["id"], limit=1)) == [(1, "refused", "aborted")]
    assert await outcomes(clinic, failed["id"], outcome="dead") == [(1101, "dead", "invalid-birth-date")]
    assert await found(clinic, "E-1") == []
    done = await enroll(clinic, spring, rows[:-1], atomic=True)
    assert (done["status"], counts(done)) == ("completed", {"total": 1100, "enrolled": 1100})


async def test_a_rolled_back_batch_leaves_who_was_changed_since(clinic: Clinic):
    spring = await program(clinic)
    await enroll(clinic, spring, people(1))
    done = await enroll(clinic, spring, [*people(1, phone="2"), *people(2, 3)])
    [third] = await found(clinic, "E-3")
    await enroll(clinic, spring, people(3, email="three@example.org"))
    assert (await act(clinic, done["id"], "rollback"))["status"] == "running"
    back = await run(clinic, done["id"])
    assert (back["status"], back["left"]) == ("rolled-back", 1)
    assert [reason for _, _, reason in await outcomes(clinic, done["id"])] == ["rolled-back", "rolled-back", "changed-since"]
    [first] = await found(clinic, "E-1")
    assert (first["phone"], first["version"]) == (None, 3)
    assert await found(clinic, "E-2") == []
    assert (await found(clinic, "E-3"))[0]["email"] == "three@example.org"
    assert await history(clinic, third["id"]) == ["enrolled", "enrollment-updated"]
    again = await enroll(clinic, spring, people(2))
    assert counts(again) == {"total": 1, "enrolled": 1}


async def test_a_batch_rests_goes_on_and_is_cancelled(clinic: Clinic):
    spring = await program(clinic)
    id_ = await upload(clinic, spring, people(1))
    assert (await act(clinic, id_, "pause"))["status"] == "paused"
    assert (await run(clinic, id_))["rows"]["enrolled"] == 0
    assert (await act(clinic, id_, "resume"))["status"] == "queued"
    assert (await run(clinic, id_))["status"] == "completed"
    assert_problem(await clinic.http.post(f"/v1/batches/{id_}/cancel"), 409, "batch-status")
    other = await upload(clinic, spring, people(2))
    assert (await act(clinic, other, "cancel"))["status"] == "cancelled"
    assert (await run(clinic, other))["rows"]["enrolled"] == 0


async def test_what_did_not_come_through_is_corrected_and_run_again(clinic: Clinic):
    spring = await program(clinic)
    rows = [*people(1), *people(2, birth_date="soon"), *people(3, time_zone="Mars/Olympus")]
    done = await enroll(clinic, spring, rows)
    assert await outcomes(clinic, done["id"], outcome="dead") == [
        (2, "dead", "invalid-birth-date"),
        (3, "dead", "invalid-time-zone"),
    ]
    corrected = {"corrections": [{"row": 2, "values": {"birth_date": "1999-09-09"}}]}
    assert (await act(clinic, done["id"], "retry", corrected))["status"] == "running"
    again = await run(clinic, done["id"])
    assert (again["status"], counts(again)) == ("completed", {"total": 3, "enrolled": 2, "dead": 1})
    assert (await found(clinic, "E-2"))[0]["birth_date"] == "1999-09-09"
    await act(clinic, done["id"], "retry", {})
    assert counts(await run(clinic, done["id"])) == {"total": 3, "enrolled": 2, "dead": 1}
    rows = (await clinic.http.get(f"/v1/batches/{done['id']}/rows?outcome=dead")).json()["items"]
    assert [(one["row"], one["attempts"]) for one in rows] == [(3, 2)]
    answer = await clinic.http.post(f"/v1/batches/{done['id']}/retry", json={"rows": [1]})
    assert_problem(answer, 422, "unknown-rows")
    assert (await batch(clinic, done["id"]))["status"] == "completed"

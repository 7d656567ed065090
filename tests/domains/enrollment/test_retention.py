"""What was uploaded is dropped some time after its batch ended, once, and its history says so; what came of it stays."""

from datetime import timedelta

from keepwell.domains.enrollment import Retention
from keepwell.domains.tenants import operator
from keepwell.kernel import Origin
from keepwell.kit.ids import new_id
from tests.support.clinic import Clinic
from tests.support.enrolling import act, batch, counts, enroll, found, people, program, run, upload
from tests.support.problems import assert_refused

ORIGIN = Origin("test", "retention")
KEPT = timedelta(days=90)


async def drop(clinic: Clinic) -> int:
    return await Retention(clinic.kernel).drop_uploads(operator(clinic.tenant), ORIGIN, KEPT)


async def pieces(clinic: Clinic) -> int:
    [(number,)] = await clinic.stored("SELECT count(*) FROM piece WHERE tenant_id = $1", clinic.tenant)
    return number


async def test_an_upload_is_dropped_when_its_batch_ended_long_ago_and_what_came_of_it_stays(clinic: Clinic):
    spring = await program(clinic)
    id_ = (await enroll(clinic, spring, [*people(1, 2), {"external_id": "", "given_name": "Nobody"}]))["id"]
    clinic.clock.advance(days=89)
    assert await drop(clinic) == 0
    clinic.clock.advance(days=2)
    assert (await drop(clinic), await drop(clinic), await pieces(clinic)) == (1, 0, 0)
    assert counts(await batch(clinic, id_)) == {"total": 3, "enrolled": 2, "dead": 1}
    assert (await clinic.http.get(f"/v1/batches/{id_}/rows/3")).json()["values"] is None
    assert_refused(await clinic.http.post(f"/v1/batches/{id_}/retry", json={"rows": [3]}), 409, "upload-gone")
    events = await clinic.stored(
        "SELECT event FROM journal_entry WHERE tenant_id = $1 AND kind = 'batch' ORDER BY version", clinic.tenant
    )
    assert [event for (event,) in events].count("upload-forgotten") == 1


async def test_people_of_a_dropped_upload_can_still_be_taken_back(clinic: Clinic):
    id_ = (await enroll(clinic, await program(clinic), people(1)))["id"]
    clinic.clock.advance(days=100)
    assert await drop(clinic) == 1
    await act(clinic, id_, "rollback")
    assert (await run(clinic, id_))["status"] == "rolled-back"
    assert await found(clinic, "E-1") == []


async def test_what_rests_is_kept_and_what_never_became_a_batch_is_not(clinic: Clinic):
    id_ = await upload(clinic, await program(clinic), people(1))
    await act(clinic, id_, "pause")
    await clinic.kernel.pieces.put(clinic.tenant, "batch", new_id(), 0, b"of an upload that was cut off")
    clinic.clock.advance(days=100)
    assert (await drop(clinic), await pieces(clinic)) == (1, 1)
    await act(clinic, id_, "resume")
    assert (await run(clinic, id_))["status"] == "completed"
    assert await drop(clinic) == 0

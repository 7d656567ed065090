"""What a row says is shown to who may see people, as it was uploaded and corrected since; the look at it is recorded."""

from typing import Any

import httpx

from tests.support.clinic import Clinic
from tests.support.enrolling import act, enroll, outcomes, people, program, run, upload
from tests.support.problems import assert_refused

WRONG = {"external_id": "E-3", "given_name": "Cal", "birth_date": "31.01.1990"}


async def look(clinic: Clinic, id_: str, row: Any, **headers: str) -> httpx.Response:
    return await clinic.http.get(f"/v1/batches/{id_}/rows/{row}", headers=headers)


async def test_a_dead_row_shows_what_it_says_and_is_run_again_as_corrected(clinic: Clinic):
    id_ = (await enroll(clinic, await program(clinic), [*people(1, 2), WRONG]))["id"]
    shown = (await look(clinic, id_, 3)).json()
    said = {name: value for name, value in shown["values"].items() if value}
    assert (shown["outcome"], shown["reason"], shown["attempts"], said) == ("dead", "invalid-birth-date", 1, WRONG)
    await act(clinic, id_, "retry", {"corrections": [{"row": 3, "values": {"birth_date": "1990-01-31"}}]})
    await run(clinic, id_)
    shown = (await look(clinic, id_, 3)).json()
    assert (shown["outcome"], shown["attempts"]) == ("enrolled", 2)
    assert shown["values"]["birth_date"] == "1990-01-31"
    assert await outcomes(clinic, id_, outcome="dead") == []


async def test_a_row_of_a_later_part_and_one_that_was_not_run_yet_are_found(clinic: Clinic):
    id_ = await upload(clinic, await program(clinic), people(*range(1, 703)))
    assert (await look(clinic, id_, 701)).json()["outcome"] is None
    await run(clinic, id_)
    shown = (await look(clinic, id_, 701)).json()
    assert (shown["outcome"], shown["values"]["external_id"]) == ("enrolled", "E-701")


async def test_there_is_no_other_row_and_nobody_else_may_look(clinic: Clinic):
    id_ = (await enroll(clinic, await program(clinic), people(1)))["id"]
    for row in (0, 2, -1, "x", "9" * 30, "٣"):
        assert_refused(await look(clinic, id_, row), 404, "not-found")
    counting = clinic.acting("counting", ("user/Batch.crus",))
    assert_refused(await look(clinic, id_, 1, **counting), 403, "forbidden")


async def test_the_look_is_recorded(clinic: Clinic):
    id_ = (await enroll(clinic, await program(clinic), people(1)))["id"]
    await look(clinic, id_, 1)
    sql = "SELECT kind FROM access_record WHERE tenant_id = $1 AND action = 'show-row' AND outcome = 'ok'"
    assert {kind for (kind,) in await clinic.stored(sql, clinic.tenant)} == {"batch", "batch-part"}

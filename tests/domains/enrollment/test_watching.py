"""A batch that should move and does not is an incident of its clinic, until it moves."""

import pytest

from keepwell.domains.enrollment import StallWatch, jobs
from keepwell.domains.incidents import IncidentService
from tests.support.clinic import Clinic
from tests.support.enrolling import act, people, program, run, upload


async def told(clinic: Clinic) -> list[tuple[str, str, str]]:
    """Subject, severity and status of the clinic's incidents after a look at its batches, the oldest first."""
    incidents = IncidentService(clinic.kernel)
    await jobs.watch_stalls(StallWatch(clinic.kernel, incidents, clinic.enrollment.settings.stall))
    sql = "SELECT subject, severity, status FROM incident WHERE tenant_id = $1 ORDER BY id"
    return [(subject, severity, status) for subject, severity, status in await clinic.stored(sql, clinic.tenant)]


async def test_a_batch_nobody_runs_is_an_incident_until_it_moves(clinic: Clinic):
    id_ = await upload(clinic, await program(clinic), people(1))
    assert await told(clinic) == []
    clinic.clock.advance(seconds=clinic.enrollment.settings.stall + 1)
    assert await told(clinic) == [(f"batch/{id_}", "warning", "open")]
    clinic.clock.advance(seconds=60)
    assert await told(clinic) == [(f"batch/{id_}", "warning", "open")]
    await run(clinic, id_)
    assert await told(clinic) == [(f"batch/{id_}", "warning", "resolved")]


@pytest.mark.parametrize("action", ["pause", "cancel"])
async def test_a_batch_that_is_not_to_move_is_none(clinic: Clinic, action: str):
    id_ = await upload(clinic, await program(clinic), people(1))
    await act(clinic, id_, action)
    clinic.clock.advance(hours=2)
    assert f"batch/{id_}" not in [subject for subject, _, _ in await told(clinic)]

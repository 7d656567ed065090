"""Batches beside each other, and a dry run beside the real one: nobody twice, and one answer for each row."""

import asyncio
import random
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepwell.domains.enrollment.models import PART_ROWS
from tests.support.clinic import Clinic
from tests.support.enrolling import batch, enroll, outcomes, people, program, run, upload

ROWS = PART_ROWS + 300


def mixed(seed: int) -> list[dict[str, str]]:
    """Rows that know each other across parts: repeated, repeated differently, refused, wrong, and about people known already."""
    chosen = random.Random(seed)  # noqa: S311
    more: list[dict[str, str]] = [{}, {}, {}, {"phone": "1"}, {"birth_date": "2001-02-03"}, {"birth_date": "soon"}, {"ward": "7"}]
    rows = [people(chosen.randrange(ROWS // 2), **chosen.choice(more))[0] for _ in range(ROWS)]
    for row in rows:
        if chosen.random() < 0.02:
            row["external_id"] = chosen.choice(["", " ", "x" * 300])
        elif chosen.random() < 0.2:
            del row["birth_date"]
    return rows


@given(before=st.integers(0, 2**32), seed=st.integers(0, 2**32), atomic=st.booleans())
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_dry_run_predicts_every_row(clinic: Clinic, before: int, seed: int, atomic: bool):  # noqa: FBT001
    spring = await program(clinic)
    await enroll(clinic, spring, mixed(before)[: PART_ROWS // 2])
    rows = mixed(seed)
    tried = await enroll(clinic, spring, rows, dry_run=True, atomic=atomic)
    done = await enroll(clinic, spring, rows, atomic=atomic)
    assert await outcomes(clinic, tried["id"]) == await outcomes(clinic, done["id"])
    assert (tried["status"], tried["rows"]) == (done["status"], done["rows"])
    again = await enroll(clinic, spring, rows)
    assert done["status"] == "failed" or {again["rows"]["enrolled"], again["rows"]["updated"]} == {0}


async def test_twelve_batches_at_once_enroll_nobody_twice(clinic: Clinic):
    spring = await program(clinic)
    files = [people(*random.Random(number).sample(range(200), 150)) for number in range(12)]  # noqa: S311
    ids = [await upload(clinic, spring, rows) for rows in files]
    seen = await asyncio.gather(*(run(clinic, id_) for id_ in ids))
    assert {one["status"] for one in seen} == {"completed"}
    named = {row["external_id"] for rows in files for row in rows}
    assert sum(one["rows"]["enrolled"] for one in seen) == len(named)
    assert sum(one["rows"]["unchanged"] for one in seen) == 12 * 150 - len(named)
    entries = await clinic.stored(
        "SELECT count(*), max(version) FROM journal_entry WHERE kind = 'participant' AND tenant_id = $1", clinic.tenant
    )
    assert entries == [(len(named), 1)]


async def test_several_who_run_one_batch_record_each_row_once(clinic: Clinic):
    spring = await program(clinic)
    id_ = await upload(clinic, spring, people(*range(PART_ROWS + 50)))
    await asyncio.gather(*(clinic.enrollment.run(clinic.tenant, UUID(id_)) for _ in range(3)))
    assert (await batch(clinic, id_))["rows"]["enrolled"] == PART_ROWS + 50
    [(entries,)] = await clinic.stored(
        "SELECT count(*) FROM journal_entry WHERE kind = 'participant' AND tenant_id = $1", clinic.tenant
    )
    assert entries == PART_ROWS + 50

"""Roll-outs on real requests: the door says how they ended, the tally counts, the worker's job moves the flag."""

from typing import Any

from keepwell.domains.flags import jobs
from keepwell.kernel.seen import OUTCOMES
from keepwell.kernel.tally import purge
from tests.domains.flags.conftest import Clinic
from tests.support.flags import NEW, OLD

SAMPLE = 20
PLAN: dict[str, Any] = {"steps": [2_500, 10_000], "hold_s": 600, "guard": {"minimum_sample": SAMPLE, "maximum_error_rate": 0.1}}


async def requests(clinic: Clinic, how: str, *, on: int, off: int) -> None:
    """Makes so many requests by people who see the flag on, and off, one each."""
    wanted, statuses = {True: on, False: off}, list[int]()
    number = 0
    while any(wanted.values()):
        headers = clinic.acting(f"person {number}")
        number += 1
        seen = await clinic.value(NEW.key, f"person {number - 1}")
        if wanted[seen]:
            wanted[seen] -= 1
            statuses.append((await clinic.http.get(f"/v1/attempts/{how}", headers=headers)).status_code)
    assert statuses.count(500) == (on if how == "badly" else 0)


async def pass_minutes(clinic: Clinic, minutes: int) -> dict[str, Any]:
    """Lets time pass and the worker look; the flag as it is then."""
    assert await clinic.node.kernel.tally.flush()
    clinic.clock.advance(minutes=minutes)
    await jobs.steer_rollouts(clinic.node.flags)
    return await clinic.show(NEW.key)


async def begun(clinic: Clinic) -> None:
    answer = await clinic.post(f"{NEW.key}/rollout", PLAN)
    assert answer.status_code == 200, answer.text
    clinic.clock.advance(minutes=1)


async def test_a_roll_out_goes_up_when_requests_fare_well(clinic: Clinic):
    await begun(clinic)
    await requests(clinic, "well", on=SAMPLE, off=SAMPLE)
    flag = await pass_minutes(clinic, 5)
    assert flag["basis_points"] == 2_500, "not held long enough"
    flag = await pass_minutes(clinic, 5)
    assert (flag["basis_points"], flag["rollout"]["status"], flag["rollout"]["step"]) == (10_000, "running", 1)
    clinic.clock.advance(minutes=1)
    await requests(clinic, "well", on=SAMPLE, off=0)
    flag = await pass_minutes(clinic, 10)
    assert (flag["basis_points"], flag["rollout"]["status"]) == (10_000, "completed")
    assert (await clinic.http.get("/v1/flags/stale")).status_code == 200


async def test_too_few_requests_lead_nowhere(clinic: Clinic):
    await begun(clinic)
    await requests(clinic, "well", on=SAMPLE - 1, off=0)
    flag = await pass_minutes(clinic, 60)
    assert (flag["basis_points"], flag["version"]) == (2_500, 2)


async def test_a_roll_out_steps_back_by_itself_and_says_why(clinic: Clinic):
    await begun(clinic)
    await requests(clinic, "well", on=SAMPLE, off=0)
    assert (await pass_minutes(clinic, 10))["basis_points"] == 10_000
    clinic.clock.advance(minutes=1)
    await requests(clinic, "badly", on=SAMPLE, off=0)
    flag = await pass_minutes(clinic, 0)
    assert (flag["basis_points"], flag["rollout"]["status"]) == (2_500, "stepped-back")
    last = (await clinic.http.get(f"/v1/flags/{NEW.key}/history")).json()["items"][-1]
    assert (last["type"], last["role"], last["door"]) == ("rollout-stepped-back", "system", "worker")
    assert last["event"]["numbers"] == {"on": SAMPLE, "on_errors": SAMPLE, "off": 0, "off_errors": 0}

    flag = await pass_minutes(clinic, 1)
    assert flag["basis_points"] == 2_500, "what failed at the step above is not held against this one"
    await requests(clinic, "badly", on=SAMPLE, off=SAMPLE)
    flag = await pass_minutes(clinic, 0)
    assert (flag["basis_points"], flag["rollout"]["step"]) == (0, -1)
    assert await clinic.value(NEW.key) is False
    assert (await pass_minutes(clinic, 600))["version"] == flag["version"], "nobody but a person begins again"


async def test_what_fails_for_all_is_not_blamed_on_the_flag(clinic: Clinic):
    await begun(clinic)
    tally = clinic.node.kernel.tally
    for seen in ("on", "off"):
        tally.add(clinic.tenant, OUTCOMES, NEW.key, seen, "error", amount=SAMPLE)
        tally.add(clinic.tenant, OUTCOMES, NEW.key, seen, "ok", amount=SAMPLE)
    flag = await pass_minutes(clinic, 60)
    assert (flag["basis_points"], flag["rollout"]["status"]) == (2_500, "running")


async def test_what_another_flag_saw_does_not_count(clinic: Clinic):
    await begun(clinic)
    clinic.node.kernel.tally.add(clinic.tenant, OUTCOMES, OLD.key, "on", "error", amount=500)
    assert (await pass_minutes(clinic, 0))["version"] == 2


async def test_two_workers_move_a_roll_out_once(clinic: Clinic):
    await begun(clinic)
    await requests(clinic, "well", on=SAMPLE, off=0)
    assert await clinic.node.kernel.tally.flush()
    clinic.clock.advance(minutes=10)
    await jobs.steer_rollouts(clinic.node.flags)
    await jobs.steer_rollouts(clinic.node.flags)
    assert [item["type"] for item in (await clinic.http.get(f"/v1/flags/{NEW.key}/history")).json()["items"]] == [
        "set",
        "rollout-started",
        "rollout-advanced",
    ]


async def test_a_request_counts_once_for_each_flag_it_saw(clinic: Clinic):
    headers = clinic.acting("somebody")
    for how in ("well", "badly"):
        assert (await clinic.http.get(f"/v1/attempts/{how}", headers=headers)).status_code == 204
    assert (await clinic.http.get("/v1/flags")).status_code == 200
    assert await clinic.node.kernel.tally.flush()
    query = "SELECT labels, amount FROM tally WHERE tenant_id = $1 AND name = 'flag-outcomes'"
    found = {tuple(row["labels"]): row["amount"] for row in await clinic.everything.fetch(query, clinic.tenant)}
    assert found == {(NEW.key, "off", "ok"): 2}


async def test_old_outcomes_go(clinic: Clinic):
    clinic.node.kernel.tally.add(clinic.tenant, OUTCOMES, NEW.key, "on", "ok")
    assert await clinic.node.kernel.tally.flush()
    clinic.clock.advance(days=3)
    async with clinic.node.kernel.database.connection() as connection:
        assert await purge(connection, OUTCOMES, clinic.clock.now(), 1_000) >= 1

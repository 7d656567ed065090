"""That a program opened or closed is told once, whoever looks and however often; moved to another time, it is told again."""

import asyncio
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains import programs
from keepwell.domains.programs import Period, ProgramService
from keepwell.domains.programs.models import ChangeProgram, Changes, CreateProgram, ProgramClosed, ProgramOpened, TellProgram
from keepwell.domains.tenants import operator
from keepwell.kernel import Origin
from keepwell.kernel.journal import fold
from keepwell.kit.ids import new_id
from tests.support.clinic import Clinic
from tests.support.desk import Desk
from tests.support.enrolling import program

ORIGIN = Origin("test", "telling")
AGGREGATE = programs.AGGREGATES[0]


async def told(clinic: Clinic) -> list[str]:
    """What two who look at once tell."""
    looks = [ProgramService(clinic.kernel).tell(operator(clinic.tenant), ORIGIN) for _ in range(2)]
    return [name for happened in await asyncio.gather(*looks) for names in happened.values() for name in names]


async def test_each_instant_is_told_once(clinic: Clinic):
    await program(clinic, opens="2026-03-02", closes="2026-03-03", time_zone="UTC")
    assert await told(clinic) == []
    clinic.clock.advance(hours=12)  # midnight
    assert await told(clinic) == ["opened"]
    assert await told(clinic) == []
    clinic.clock.advance(days=2)
    assert await told(clinic) == ["closed"]
    assert await told(clinic) == []


async def test_what_was_not_looked_at_in_time_is_told_later(clinic: Clinic):
    id_ = await program(clinic, opens="2026-03-02", closes="2026-03-03", time_zone="UTC")
    clinic.clock.advance(days=30)
    assert await told(clinic) == ["opened", "closed"]
    version = (await clinic.http.get(f"/v1/programs/{id_}")).headers["etag"]
    moved = await clinic.http.patch(f"/v1/programs/{id_}", json={"closes": "2026-04-30"}, headers={"if-match": version})
    assert moved.status_code == 200, moved.text
    assert await told(clinic) == []
    clinic.clock.advance(days=31)
    assert await told(clinic) == ["closed"]


DAYS = st.sampled_from(["2026-03-02", "2026-03-05", "2026-03-29", "2026-04-11"])
STEPS = st.lists(st.tuples(DAYS, DAYS, st.integers(0, 20)), max_size=8)


@given(STEPS)
def test_no_instant_is_told_twice_or_before_it_comes(steps: list[tuple[str, str, int]]):
    desk, id_ = Desk(AGGREGATE), new_id()
    assert desk.do(CreateProgram(id_, "Spring", Period("2026-03-02", "2026-03-29", "Asia/Tokyo"))) is None
    for opens, closes, days in steps:
        desk.do(ChangeProgram(id_, Changes(opens=opens, closes=closes)))
        desk.now += timedelta(days=days)
        before = len(desk.events)
        desk.do(TellProgram(id_))
        assert all(event.at <= desk.now for event in desk.events[before:])
        desk.do(TellProgram(id_))
    assert fold(AGGREGATE, desk.events) == desk.state
    instants = [event.at for event in desk.events if isinstance(event, ProgramOpened | ProgramClosed)]
    assert instants == sorted(set(instants))

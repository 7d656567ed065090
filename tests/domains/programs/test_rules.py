"""When a program takes people: to the last second of the last day, by the program's clocks or by each person's own."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains import programs
from keepwell.domains.programs import Period, Program, standing
from keepwell.domains.programs.models import ChangeProgram, Changes, CreateProgram, ProgramSet, RecomputeProgram
from keepwell.domains.programs.rules import evolve
from keepwell.kernel.journal import fold
from keepwell.kit import zones
from keepwell.kit.ids import new_id
from tests.support.desk import Desk

AGGREGATE = programs.AGGREGATES[0]
SECOND = timedelta(seconds=1)
DAYS = st.sampled_from(["2026-03-01", "2026-03-29T02:30", "2026-05-31", "1999-01-01", "tomorrow"])
CHANGES = st.builds(
    Changes,
    name=st.sampled_from(["Spring", "Summer", ""]),
    time_zone=st.sampled_from(["Asia/Tokyo", "Pacific/Kiritimati", "Mars/Olympus"]),
    opens=DAYS,
    closes=DAYS,
    window=st.sampled_from(["program", "participant"]),
)


@pytest.mark.parametrize(
    ("zone", "opens", "closed"),
    [
        ("Asia/Tokyo", datetime(2026, 2, 28, 15, tzinfo=UTC), datetime(2026, 3, 31, 15, tzinfo=UTC)),
        ("Pacific/Kiritimati", datetime(2026, 2, 28, 10, tzinfo=UTC), datetime(2026, 3, 31, 10, tzinfo=UTC)),
        ("America/Los_Angeles", datetime(2026, 3, 1, 8, tzinfo=UTC), datetime(2026, 4, 1, 7, tzinfo=UTC)),
    ],
)
def test_people_can_enroll_from_the_first_local_second_to_the_last(zone: str, opens: datetime, closed: datetime):
    own = Period("2026-03-01", "2026-03-31", "Europe/Berlin", "participant")
    for period, asked in ((Period("2026-03-01", "2026-03-31", zone), None), (own, zone)):
        seen = [standing(period, at, asked) for at in (opens - SECOND, opens, closed - SECOND, closed)]
        assert seen == ["not-open-yet", "open", "open", "closed"]


def test_who_has_no_zone_is_where_the_program_is_and_a_zone_counts_only_where_it_is_meant_to():
    at = datetime(2026, 3, 31, 21, 30, tzinfo=UTC)  # in Berlin the last half hour, in Tokyo the day after
    assert standing(Period("2026-03-01", "2026-03-31", "Europe/Berlin", "participant"), at) == "open"
    assert standing(Period("2026-03-01", "2026-03-31", "Europe/Berlin", "participant"), at, "Asia/Tokyo") == "closed"
    assert standing(Period("2026-03-01", "2026-03-31", "Europe/Berlin"), at, "Asia/Tokyo") == "open"


@given(st.lists(CHANGES, max_size=6))
def test_the_fold_of_the_journal_is_the_stored_state(changes: list[Changes]):
    desk, id_ = Desk(AGGREGATE), new_id()
    assert desk.do(CreateProgram(id_, "Spring", Period("2026-03-01", "2026-05-31", "Europe/Berlin"))) is None
    for each in changes:
        desk.do(ChangeProgram(id_, each))
    state: Program = desk.state
    assert state.opens_at < state.closes_at
    decoder = msgspec.msgpack.Decoder[Any](AGGREGATE.event)
    assert fold(AGGREGATE, (decoder.decode(msgspec.msgpack.encode(event)) for event in desk.events)) == state


def test_another_zone_database_moves_what_it_moves_and_says_so():
    desk, id_ = Desk(AGGREGATE), new_id()
    assert desk.do(CreateProgram(id_, "Spring", Period("2026-03-01", "2026-05-31", "Europe/Berlin"))) is None
    assert desk.do(RecomputeProgram(id_)) is None
    assert len(desk.events) == 1
    created: ProgramSet = desk.state and desk.events[0]
    stale = msgspec.structs.replace(created, zones="2019a", opens_at=created.opens_at - timedelta(hours=1))
    desk.events[0], desk.state = stale, evolve(None, stale)
    assert desk.do(RecomputeProgram(id_)) is None
    assert (desk.events[-1].moved, desk.state.opens_at, desk.state.zones) == (True, created.opens_at, zones.database_version())

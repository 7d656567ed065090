"""The journal against what the load was told: what must be found."""

from uuid import UUID

import pytest

from bench.proof import compare
from bench.wrk import LoadFailedError, Report

ONE, TWO = UUID(int=1), UUID(int=2)


def report(acknowledged: int, versions: dict[UUID, int]) -> Report:
    return Report({"acknowledged": acknowledged, "refused": 0, "broken": 0}, {}, versions)


def test_a_whole_journal_passes_and_the_changes_in_flight_at_the_end_are_counted() -> None:
    stored = {ONE: (5, 5, 6), TWO: (4, 4, 5)}
    assert compare({ONE: 1, TWO: 1}, {ONE: 6, TWO: 5}, stored, report(8, {ONE: 5, TWO: 5}), 2) == 1


@pytest.mark.parametrize(
    ("stored", "after", "told"),
    [
        pytest.param({ONE: (4, 4, 6)}, 6, report(5, {ONE: 6}), id="an entry is missing"),
        pytest.param({ONE: (5, 4, 6)}, 6, report(5, {ONE: 6}), id="a version is there twice"),
        pytest.param({ONE: (5, 5, 6)}, 7, report(5, {ONE: 6}), id="the state is ahead of the journal"),
        pytest.param({ONE: (4, 4, 5)}, 5, report(5, {ONE: 6}), id="an acknowledged change is missing"),
        pytest.param({ONE: (4, 4, 5)}, 5, report(5, {ONE: 5}), id="fewer changes than were acknowledged"),
        pytest.param({ONE: (9, 9, 10)}, 10, report(5, {ONE: 6}), id="more changes than were sent"),
        pytest.param({}, 1, report(5, {ONE: 1}), id="nothing was stored"),
    ],
)
def test_anything_lost_doubled_or_invented_is_found(stored: dict[UUID, tuple[int, int, int]], after: int, told: Report) -> None:
    with pytest.raises(LoadFailedError):
        compare({ONE: 1}, {ONE: after}, stored, told, 2)

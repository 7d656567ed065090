"""Whatever comes at once, a series is the same afterwards; and what becomes of alarms."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from keepwell.domains.anomalies.models import Anomaly, Measure, Sense
from keepwell.domains.anomalies.rules.detecting import begin
from keepwell.domains.anomalies.rules.feeding import WIDTH, Series, kept, remembered, told, values_of, zone_of
from keepwell.domains.checks import Stretch
from keepwell.domains.monitors import Monitor
from keepwell.domains.monitors.models import Heartbeat, Maintenance, Recurring
from keepwell.kit.ids import NIL
from keepwell.kit.zones import local_time
from tests.support.watching import configuration

MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)
NIGHTLY = Recurring("0 2 * * *", "Asia/Tokyo", duration_s=3_600)
ALWAYS = Recurring("0 0 * * *", "Europe/Berlin", until="00:00")
QUICK = Sense(learning=20, settling=10)
Values = list[tuple[datetime, float]]


def monitor(**said: Any) -> Monitor:
    named = configuration(**{"anomalies": "incident"} | said)
    fields: dict[str, Any] = {name: getattr(named, name) for name in named.__struct_fields__}
    return Monitor(id=NIL, created_at=MONDAY, created_by=NIL, **fields)


def flat(values: Sequence[float], since: datetime = MONDAY) -> Values:
    return [(since + place * WIDTH, value) for place, value in enumerate(values)]


def fed(
    batches: Sequence[Values], watched: Monitor, until: datetime, measure: Measure = "latency"
) -> tuple[Series, list[Anomaly]]:
    """What is known after batches that were each stored and taken up again, and each anomaly as it was last."""
    ids = (UUID(int=number) for number in count(1))
    series, anomalies = Series(begin(QUICK)), dict[UUID, Anomaly]()
    learned: bytes | None = None
    for batch, following in pairwise([*batches, []]):
        end = following[0][0] if following else until
        series, changed = told(series, measure, batch, end, watched, ids.__next__)
        anomalies |= {each.id: each for each in changed}
        new, course = kept(series)
        learned = new or learned
        series = remembered(learned, course) if learned is not None else series
    return series, list(anomalies.values())


@given(
    st.lists(st.one_of(st.floats(9, 11), st.floats(0, 100), st.none()), min_size=30, max_size=200),
    st.lists(st.integers(1, 40), min_size=1, max_size=10),
)
@settings(max_examples=60, deadline=None)
def test_batches_of_any_size_make_the_same_series_and_anomalies_as_one_value_after_the_other(
    drawn: list[float | None], sizes: list[int]
):
    values: Values = [(MONDAY + place * WIDTH, value) for place, value in enumerate(drawn) if value is not None]
    batches: list[Values] = []
    rest = values
    for place in range(len(values)):
        if not rest:
            break
        size = sizes[place % len(sizes)]
        batches, rest = [*batches, rest[:size]], rest[size:]
    until = MONDAY + len(drawn) * WIDTH
    singly, found = fed([[each] for each in values], monitor(), until)
    together, as_found = fed(batches, monitor(), until)
    assert (together.detector, together.course, as_found) == (singly.detector, singly.course, found)


USUAL = [10.0, 11, 10, 9, 10, 11, 9] * 30


def test_another_rise_soon_after_an_incident_opens_no_other():
    values = flat([*USUAL, *([60.0] * 20), *USUAL[:8], *([90.0] * 6), *USUAL[:8]])
    _, found = fed([values], monitor(), values[-1][0])
    assert sum(each.incident for each in found) == 1
    assert all(each.ended_at is not None for each in found if each.incident)


def test_what_becomes_the_usual_is_over_a_day_after_its_last_alarm():
    values = flat([*USUAL, *([60.0] * 20)])
    _, lasting = fed([values], monitor(), values[-1][0])
    assert [each.ended_at for each in lasting if each.incident] == [None]
    _, ended = fed([values], monitor(), values[-1][0] + timedelta(days=2))
    [over] = [each for each in ended if each.incident]
    assert over.ended_at is not None
    assert timedelta(days=1) <= over.ended_at - over.at <= timedelta(days=1, hours=2)


def test_less_than_usual_opens_no_incident():
    values = flat([*USUAL, *([1.0] * 12)])
    _, found = fed([values], monitor(), values[-1][0])
    assert found
    assert not any(each.incident for each in found)


def test_hours_are_those_of_the_clinics_clock():
    watched = monitor(service_hours=(ALWAYS,))
    values = flat([*USUAL, 60.0])
    _, [found] = fed([values], watched, values[-1][0])
    assert found.explanation.endswith(f"{local_time(values[-1][0], 'Europe/Berlin'):%H:00}")


def test_the_zone_is_that_of_the_service_hours_else_of_windows_else_of_beats():
    beating, once = Heartbeat(cron="0 3 * * *", time_zone="America/Lima"), Maintenance(MONDAY, MONDAY + WIDTH)
    windows = (once, Maintenance(recurring=NIGHTLY))
    assert zone_of(monitor()) == zone_of(monitor(maintenance=(once,))) == "UTC"
    assert zone_of(monitor(heartbeat=beating)) == "America/Lima"
    assert zone_of(monitor(heartbeat=beating, maintenance=windows)) == "Asia/Tokyo"
    assert zone_of(monitor(heartbeat=beating, maintenance=windows, service_hours=(ALWAYS,))) == "Europe/Berlin"


def test_what_cannot_be_read_any_more_is_learned_again():
    series, _ = fed([flat(USUAL)], monitor(), MONDAY)
    learned, course = kept(replace(series, untaught=((MONDAY, 1.0),) * 12))
    assert learned is not None
    assert remembered(learned, course).detector == series.detector
    for broken in ((b"\x81\xa1a\x01", course), (learned, b"\xc1")):
        assert remembered(*broken) == Series(begin())


def test_errors_are_attempts_that_failed_but_for_a_single_one_and_latency_is_that_of_what_was_up():
    stretch = Stretch(MONDAY, 5, 1, 20.0)
    several = [stretch, replace(stretch, failed=2), replace(stretch, failed=5, average_ms=None)]
    assert [value for _, value in values_of(several, "errors")] == [0.0, 0.4, 1.0]
    assert [value for _, value in values_of(several, "latency")] == [20.0, 20.0]

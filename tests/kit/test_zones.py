"""Local time, against an independent computation with the standard library's zoneinfo over the same database."""

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import islice, pairwise
from pathlib import Path

import pytest
import tzdata
from hypothesis import given
from hypothesis import strategies as st

from keepwell.kit import zones

ZONES = sorted(zones.names())
WALLS = st.datetimes(datetime(2020, 1, 1), datetime(2034, 12, 30))  # noqa: DTZ001 - what wall clocks show
FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
DATE_LINE = (
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),  # Samoa skipped a whole day
    ("Pacific/Kiritimati", datetime(1994, 12, 31, 10, tzinfo=UTC)),
    ("Pacific/Kwajalein", datetime(1993, 8, 21, 12, tzinfo=UTC)),
    ("America/St_Johns", datetime(2010, 11, 7, 2, 31, tzinfo=UTC)),  # back over midnight at 00:01
)
MOMENT = timedelta(microseconds=1)


@cache
def place(zone: str) -> zoneinfo.ZoneInfo:
    with (Path(tzdata.__file__).parent / "zoneinfo" / zone).open("rb") as compiled:
        return zoneinfo.ZoneInfo.from_file(compiled, zone)


def shown(instant: datetime, zone: str) -> datetime:
    return instant.astimezone(place(zone)).replace(tzinfo=None)


def offset(instant: datetime, zone: str) -> timedelta:
    return shown(instant, zone) - instant.replace(tzinfo=None)


@cache
def changes(zone: str) -> tuple[datetime, ...]:
    days = [FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)]
    return tuple(_bisected(a, b, zone) for a, b in pairwise(days) if offset(a, zone) != offset(b, zone))


def _bisected(before: datetime, after: datetime, zone: str) -> datetime:
    while after - before > timedelta(seconds=1):
        middle = (before + (after - before) / 2).replace(microsecond=0)
        before, after = (middle, after) if offset(middle, zone) == offset(before, zone) else (before, middle)
    return after


def spans(change: datetime, zone: str) -> list[tuple[datetime, datetime, timedelta]]:
    """The stretches before and after a change, five days each way, with their offsets."""
    far = timedelta(days=5)
    return [(change - far, change, offset(change - MOMENT, zone)), (change, change + far, offset(change, zone))]


def first_shown(wall: datetime, change: datetime, zone: str) -> datetime:
    """By trying both stretches: the first instant at which the clock shows this or later."""
    for begins, ends, shift in spans(change, zone):
        reached = max(begins, (wall - shift).replace(tzinfo=UTC))
        if reached < ends:
            return reached
    raise AssertionError(wall)


def last_before(wall: datetime, change: datetime, zone: str) -> datetime:
    """By trying both stretches from the end: the first instant from which on the clock always shows this or later."""
    (_, _, before), (_, _, after) = spans(change, zone)
    if (late := (wall - after).replace(tzinfo=UTC)) >= change:
        return late
    return min(change, (wall - before).replace(tzinfo=UTC))


def walls(change: datetime, zone: str) -> Iterator[datetime]:
    for minutes in (-1500, -61, -30, -1, 0, 1, 29, 30, 59, 60, 90, 1500):
        yield shown(change, zone) + timedelta(minutes=minutes)


@pytest.mark.parametrize("group", range(8))
def test_every_change_of_every_zone_opens_and_closes_at_the_right_instant(group: int):
    seen = 0
    for zone in ZONES[group::8]:
        for change in changes(zone):
            seen += 1
            check(zone, change)
    assert seen > 500


@pytest.mark.parametrize(("zone", "change"), DATE_LINE)
def test_the_date_line_and_changes_over_midnight(zone: str, change: datetime):
    exact = _bisected(change - timedelta(days=1), change + timedelta(days=1), zone)
    assert offset(exact, zone) != offset(exact - MOMENT, zone)
    check(zone, exact)


def check(zone: str, change: datetime) -> None:
    for wall in walls(change, zone):
        assert zones.opening_instant(wall, zone) == first_shown(wall, change, zone), (zone, wall)
        assert zones.closing_instant(wall, zone) == last_before(wall, change, zone), (zone, wall)
    for days in (-2, -1, 0, 1, 2):
        day = shown(change, zone).date() + timedelta(days=days)
        assert zones.opening_instant(day, zone) == first_shown(datetime.combine(day, time.min), change, zone), (zone, day)
        closing = zones.closing_instant(day, zone)
        assert shown(closing, zone).date() > day, (zone, day)
        assert shown(closing - MOMENT, zone).date() <= day, (zone, day)
        for ahead in (timedelta(minutes=1), timedelta(hours=1), timedelta(hours=3)):
            assert shown(closing + ahead, zone).date() > day, (zone, day)


@given(st.sampled_from(ZONES), WALLS)
def test_a_day_ends_where_the_next_begins_or_later(zone: str, wall: datetime):
    day = wall.date()
    assert zones.opening_instant(day, zone) < zones.closing_instant(day, zone)
    assert zones.closing_instant(day, zone) >= zones.opening_instant(day + timedelta(days=1), zone)
    assert zones.local_time(zones.opening_instant(wall, zone), zone) >= wall


def test_people_may_come_until_their_own_last_second():
    ends = {
        zone: zones.closing_instant(date(2026, 3, 31), zone)
        for zone in ("Pacific/Kiritimati", "Asia/Tokyo", "America/Los_Angeles")
    }
    assert [ends[zone].isoformat() for zone in ends] == [
        "2026-03-31T10:00:00+00:00",
        "2026-03-31T15:00:00+00:00",
        "2026-04-01T07:00:00+00:00",
    ]


def test_a_day_that_was_skipped_is_over_when_it_would_begin():
    assert zones.opening_instant(date(2011, 12, 30), "Pacific/Apia") == zones.closing_instant(date(2011, 12, 30), "Pacific/Apia")


@pytest.mark.parametrize("group", range(4))
def test_what_runs_at_a_set_time_runs_once_a_day_whatever_the_clock_does(group: int):
    for zone in ZONES[group::4]:
        for change in changes(zone)[:6]:
            wall = max(shown(change, zone), shown(change - MOMENT, zone)) - timedelta(minutes=20)
            found = list(islice(zones.occurrences(f"{wall.minute} {wall.hour} * * *", zone, change - timedelta(days=3)), 6))
            expected = [
                datetime.combine(shown(change, zone).date() + timedelta(days=n), wall.time().replace(second=0, microsecond=0))
                for n in range(-5, 7)
            ]
            instants = sorted(
                {first_shown(each, change, zone) for each in expected if abs(each - shown(change, zone)) < timedelta(days=4.5)}
            )
            assert found == [each for each in instants if each > change - timedelta(days=3)][:6], (zone, change)


@pytest.mark.parametrize(
    "zone", ["Australia/Lord_Howe", "Europe/Berlin", "America/St_Johns", "Africa/Casablanca", "Pacific/Apia"]
)
def test_what_repeats_follows_the_clock_minute_by_minute(zone: str):
    for change in changes(zone)[:6] or (FIRST + timedelta(days=90),):
        begin = change - timedelta(hours=5)
        minutes = [begin + timedelta(minutes=number) for number in range(1, 600)]
        true = [each for each in minutes if shown(each, zone).minute % 15 == 0 and shown(each, zone).hour in {1, 2, 3}]
        assert list(islice(zones.occurrences("*/15 1-3 * * *", zone, begin), len(true))) == true


def test_half_past_two_in_a_gap_and_in_a_fold_happens_once():
    runs = list(islice(zones.occurrences("30 2 * * *", "Europe/Berlin", datetime(2026, 3, 28, 12, tzinfo=UTC)), 2))
    assert [each.isoformat() for each in runs] == ["2026-03-29T01:00:00+00:00", "2026-03-30T00:30:00+00:00"]
    runs = list(islice(zones.occurrences("30 2 * * *", "Europe/Berlin", datetime(2026, 10, 24, 12, tzinfo=UTC)), 2))
    assert [each.isoformat() for each in runs] == ["2026-10-25T00:30:00+00:00", "2026-10-26T01:30:00+00:00"]


@given(
    st.sampled_from(ZONES),
    WALLS,
    st.sampled_from(["30 2 * * *", "*/20 * * * *", "0 0 1 * *"]),
)
def test_occurrences_only_go_forward_and_start_after(zone: str, wall: datetime, expression: str):
    after = wall.replace(tzinfo=UTC)
    found = [after, *islice(zones.occurrences(expression, zone, after), 20)]
    assert found == sorted(set(found))


@pytest.mark.parametrize("text", ["", "* * * *", "61 * * * *", "0 0 30 2 *", "* * * * * *", "a b c d e"])
def test_what_is_no_cron_expression_is_said_so(text: str):
    with pytest.raises(zones.InvalidCronError):
        zones.check_cron(text)


def test_a_zone_that_is_none_is_said_so():
    assert not zones.is_zone("Mars/Olympus")
    with pytest.raises(ValueError, match="no zone"):
        zones.opening_instant(date(2026, 1, 1), "Mars/Olympus")

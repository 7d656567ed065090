"""When nothing is held against a target, also on the days on which the clocks of its zone change."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains.monitors import is_late, late_at, suspended
from keepwell.domains.monitors.models import Heartbeat, Maintenance, Recurring
from keepwell.domains.monitors.rules.windows import maintained, within
from keepwell.kit import zones
from tests.domains.monitors.support import MADE, monitor

ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "UTC"]
CHANGES = [
    datetime(2026, 3, 29, 1, tzinfo=UTC),  # Berlin springs forward
    datetime(2026, 10, 25, 1, tzinfo=UTC),  # and falls back
    datetime(2026, 3, 8, 7, tzinfo=UTC),  # New York
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),  # Lord Howe, by half an hour
    datetime(2011, 12, 30, 10, tzinfo=UTC),  # Apia leaves a day out
]


@st.composite
def near(draw: st.DrawFn) -> datetime:
    return draw(st.sampled_from(CHANGES)) + timedelta(minutes=draw(st.integers(-2_000, 2_000)))


@st.composite
def crons(draw: st.DrawFn) -> str:
    minute, hour = draw(st.sampled_from([0, 30])), draw(st.integers(0, 23))
    return f"{minute} {hour} * * {draw(st.sampled_from(['*', '1-5', '0']))}"


@given(near(), st.sampled_from(ZONES), crons(), st.integers(1, 2_000))
def test_a_stretch_lasts_as_long_as_it_says_whatever_the_clocks_do(at: datetime, zone: str, cron: str, minutes: int):
    stretch = Recurring(cron, zone, duration_s=minutes * 60)
    begun = [each for each in _occurrences(cron, zone, at) if each <= at < each + timedelta(minutes=minutes)]
    assert within(stretch, at) == bool(begun)


@given(near(), st.sampled_from(ZONES), crons(), st.integers(0, 23))
def test_a_stretch_until_a_time_of_day_ends_when_the_clocks_show_it(at: datetime, zone: str, cron: str, hour: int):
    stretch = Recurring(cron, zone, until=f"{hour:02}:00")
    begun = [each for each in _occurrences(cron, zone, at) if each <= at]
    if not begun:
        assert not within(stretch, at)
        return
    shown = zones.local_time(begun[-1], zone)
    days = (datetime.combine(shown.date() + timedelta(days=more), datetime.min.time()) for more in range(-1, 4))
    ends = min(end for day in days if (end := zones.closing_instant(day + timedelta(hours=hour), zone)) > begun[-1])
    assert within(stretch, at) == (at < ends)


def _occurrences(cron: str, zone: str, at: datetime) -> list[datetime]:
    found: list[datetime] = []
    for each in zones.occurrences(cron, zone, at - timedelta(days=12)):
        if each > at:
            break
        found.append(each)
    return found


def test_service_hours_over_midnight_keep_to_the_clock_when_it_changes():
    nights = Recurring("0 22 * * *", "Europe/Berlin", until="06:00")
    watched = monitor(service_hours=(nights,))
    assert suspended(watched, datetime(2026, 3, 28, 20, 59, tzinfo=UTC)) == "outside-service-hours"
    assert suspended(watched, datetime(2026, 3, 28, 21, tzinfo=UTC)) is None
    assert suspended(watched, datetime(2026, 3, 29, 3, 59, tzinfo=UTC)) is None
    assert suspended(watched, datetime(2026, 3, 29, 4, tzinfo=UTC)) == "outside-service-hours"
    assert suspended(watched, datetime(2026, 10, 25, 4, 59, tzinfo=UTC)) is None
    assert suspended(watched, datetime(2026, 10, 25, 5, tzinfo=UTC)) == "outside-service-hours"


def test_weekly_maintenance_in_the_gap_begins_at_the_change_and_in_the_fold_once():
    weekly = Maintenance(recurring=Recurring("30 2 * * 0", "Europe/Berlin", duration_s=1_800))
    spring, autumn = datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    for begins in (spring, autumn):
        assert not maintained(weekly, begins - timedelta(seconds=1))
        assert maintained(weekly, begins)
        assert maintained(weekly, begins + timedelta(seconds=1_799))
        assert not maintained(weekly, begins + timedelta(seconds=1_800))
    assert not maintained(weekly, autumn + timedelta(hours=1))


@given(st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2026, 1, 3), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_window_holds_its_beginning_and_not_its_end(at: datetime):
    begins, ends = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    once = Maintenance(begins, ends)
    assert maintained(once, at) == (begins <= at < ends)
    bounded = Maintenance(begins, ends, Recurring("* * * * *", "UTC", duration_s=60))
    assert maintained(bounded, at) == (begins <= at < ends)


def test_what_is_deleted_or_paused_is_told_before_windows_are():
    always = Maintenance(recurring=Recurring("* * * * *", "UTC", duration_s=60))
    watched = monitor(maintenance=(always,))
    assert suspended(watched, MADE) == "maintenance"
    assert suspended(monitor(), MADE) is None


def test_a_beat_is_late_after_its_time_and_its_grace():
    nightly = Heartbeat(cron="30 2 * * *", time_zone="Europe/Berlin", grace_s=600)
    assert late_at(nightly, datetime(2026, 3, 28, 3, tzinfo=UTC)) == datetime(2026, 3, 29, 1, 10, tzinfo=UTC)
    assert late_at(nightly, datetime(2026, 10, 25, 0, 31, tzinfo=UTC)) == datetime(2026, 10, 26, 1, 40, tzinfo=UTC)
    often = monitor(kind="heartbeat", target="", heartbeat=Heartbeat(period_s=60, grace_s=5))
    last = MADE + timedelta(hours=1)
    assert not is_late(often, last, last + timedelta(seconds=64))
    assert is_late(often, last, last + timedelta(seconds=65))
    assert is_late(often, None, MADE + timedelta(seconds=65))
    assert not is_late(monitor(), None, last)

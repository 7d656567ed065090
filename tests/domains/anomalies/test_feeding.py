"""What came of checks is told to detectors, each five minutes once, and what is not as usual opens and resolves one incident."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from keepwell.domains.anomalies import AnomalyService, Habit, begin
from keepwell.domains.anomalies.models import Anomaly
from keepwell.domains.anomalies.rules.feeding import WIDTH, remembered
from keepwell.domains.anomalies.service.feeding import PATIENCE
from keepwell.domains.anomalies.store import Saved
from keepwell.domains.incidents import ResolveIncident
from keepwell.domains.monitors.models import ChangeMonitor, Changes, DeleteMonitor, Recurring
from keepwell.kit import zones
from keepwell.kit.ids import new_id
from tests.support.series import BERLIN, FIVE, Row, anomalies_of, daily, each_five, idle, learned, stored
from tests.support.watching import Watch

IN_BERLIN = (Recurring("0 0 * * *", BERLIN, until="00:00"),)
_FOUND = "SELECT measure, at, ended_at, ratio, explanation, incident FROM anomaly ORDER BY id"
_TOLD_UP_TO = "SELECT min(told_up_to) FROM anomaly_series"
_SERIES = "SELECT measure, told_up_to, learned, course FROM anomaly_series ORDER BY measure"
_RISE = 3.4


async def watched(watch: Watch, **said: Any) -> UUID:
    monitor = await watch.add(service_hours=IN_BERLIN, **said)
    await idle(watch, monitor)
    return monitor


async def five_minutes(watch: Watch, service: AnomalyService, monitor: UUID, times: float, count: int) -> datetime:
    """So many checks whose latency is a multiple of the usual, each told when its five minutes are over; the first's instant."""
    since = watch.clock.now()
    for _ in range(count):
        at = watch.clock.now()
        await stored(watch, monitor, [(at, "up", 1, daily(at) * times)])
        watch.clock.advance(minutes=5)
        await service.feeder.feed()
    return since


async def test_a_rise_after_weeks_of_usual_days_opens_one_incident_that_ends_when_it_is_over(watch: Watch):
    monitor = await watched(watch, anomalies="incident", name="Portal", tags=("portal",))
    service = anomalies_of(watch)
    await learned(watch, service, monitor, 15)
    assert await watch.rows(_FOUND) == []
    began = await five_minutes(watch, service, monitor, _RISE, 12)
    [(measure, at, ended_at, ratio, explanation, incident)] = await watch.rows(_FOUND)
    assert (measure, at, ended_at, incident) == ("latency", began, None, True)
    assert ratio == pytest.approx(_RISE, rel=0.2)
    assert explanation.endswith(f"times the usual for {zones.local_time(began, BERLIN):%A %H:00}")
    subject = f"monitor/{monitor}/latency"
    assert await watch.rows("SELECT subject, severity, status FROM incident") == [(subject, "warning", "open")]
    await five_minutes(watch, service, monitor, 1, 36)
    assert await watch.rows("SELECT subject, status FROM incident") == [(subject, "resolved")]
    [(_, _, ended_at, _, _, _)] = await watch.rows(_FOUND)
    assert ended_at > began + 12 * FIVE


async def test_who_resolves_an_incident_by_hand_is_not_told_again_while_it_lasts(watch: Watch):
    monitor = await watched(watch, anomalies="incident")
    service = anomalies_of(watch)
    await learned(watch, service, monitor, 8)
    await five_minutes(watch, service, monitor, _RISE, 6)
    await watch.do(ResolveIncident(await watch.value("SELECT id FROM incident")))
    await five_minutes(watch, service, monitor, 2 * _RISE, 6)
    assert await watch.incidents() == [("resolved", 1)]


async def test_a_single_value_far_off_is_recorded_and_opens_no_incident(watch: Watch):
    monitor = await watched(watch, anomalies="incident")
    service = anomalies_of(watch)
    await learned(watch, service, monitor, 8)
    await five_minutes(watch, service, monitor, _RISE, 1)
    await five_minutes(watch, service, monitor, 1, 12)
    [(_, _, ended_at, _, _, incident)] = await watch.rows(_FOUND)
    assert ended_at is not None
    assert not incident
    assert await watch.incidents() == []


async def test_attempts_that_fail_before_it_is_down_are_errors(watch: Watch):
    monitor = await watched(watch, anomalies="incident")
    service = anomalies_of(watch)
    await learned(watch, service, monitor, 8)
    for _ in range(12):
        at = watch.clock.now()
        await stored(watch, monitor, [(at, "up", 3, daily(at))])
        watch.clock.advance(minutes=5)
        await service.feeder.feed()
    assert await watch.rows("SELECT subject, status FROM incident") == [(f"monitor/{monitor}/errors", "open")]


async def test_without_a_word_what_is_not_as_usual_is_recorded_only(watch: Watch):
    monitor = await watched(watch)
    service = anomalies_of(watch)
    await learned(watch, service, monitor, 8)
    await five_minutes(watch, service, monitor, _RISE, 6)
    assert [row[-1] for row in await watch.rows(_FOUND)] == [False]
    assert await watch.incidents() == []


async def test_what_is_off_is_not_learned_and_what_was_known_is_forgotten(watch: Watch):
    monitor = await watched(watch, anomalies="incident")
    service = anomalies_of(watch)
    await learned(watch, service, monitor, 8)
    await five_minutes(watch, service, monitor, _RISE, 6)
    await watch.do(ChangeMonitor(monitor, Changes(anomalies="off"), private=True))
    await watch.service.store.follow()
    await idle(watch, monitor)
    await five_minutes(watch, service, monitor, _RISE, 1)
    assert await watch.rows("SELECT DISTINCT learned, course FROM anomaly_series") == [(None, None)]
    assert [row[2] is None for row in await watch.rows(_FOUND)] == [False]
    assert await watch.incidents() == [("resolved", 1)]


async def test_a_deleted_monitor_takes_its_series_along_and_ends_its_incident(watch: Watch):
    monitor = await watched(watch, anomalies="incident")
    service = anomalies_of(watch)
    await learned(watch, service, monitor, 8)
    await five_minutes(watch, service, monitor, _RISE, 6)
    assert await watch.incidents() == [("open", 1)]
    await watch.do(DeleteMonitor(monitor))
    await service.feeder.feed()
    assert await watch.value("SELECT count(*) FROM anomaly_series") == 0
    assert await watch.incidents() == [("resolved", 1)]


async def test_two_at_once_tell_each_value_once_and_miss_none(watch: Watch):
    monitors = [await watched(watch) for _ in range(6)]
    services = [anomalies_of(watch) for _ in range(2)]
    await services[0].feeder.feed()
    since, until = watch.clock.now(), watch.clock.advance(hours=30)
    for monitor in monitors:
        await stored(watch, monitor, each_five(since, until))
    await asyncio.gather(*(service.feeder.feed(monitors=1, stretches=7) for service in services for _ in range(2)))
    watch.clock.advance(minutes=1)  # what somebody gave up is free again
    await services[0].feeder.feed()
    rows = await watch.rows("SELECT DISTINCT told_up_to, count(*) FROM anomaly_series GROUP BY 1")
    assert rows == [(until, 2 * len(monitors))]
    alone, usual = begin(), [(zones.local_time(at, BERLIN), value) for at, _, _, value in each_five(since, until) if value]
    for local, value in usual:
        alone.observe(local, value)
    query = "SELECT learned, course FROM anomaly_series WHERE measure = 'latency'"
    assert [remembered(*row).detector == alone for row in await watch.rows(query)] == [True] * len(monitors)


async def test_who_was_slower_changes_nothing(watch: Watch):
    monitor = await watched(watch)
    service, other = anomalies_of(watch), anomalies_of(watch)
    await service.feeder.feed()
    at = watch.clock.now()
    await stored(watch, monitor, [(at, "up", 1, 20.0)])
    watch.clock.advance(minutes=5)
    claimed = await other.store.claim(10, 30.0)
    assert len(claimed) == 2
    await service.feeder.feed()
    assert await watch.value(_TOLD_UP_TO) == at  # somebody else has them, and hangs
    watch.clock.advance(seconds=31)
    await service.feeder.feed()
    assert await watch.value(_TOLD_UP_TO) == at + FIVE
    before = await watch.rows(_SERIES)
    late = Anomaly(new_id(), "latency", at, None, 9.0, Habit.RANGE, 3.0, 1.0, 3.0, "3.0 times the usual for any hour")
    assert not await other.store.save([Saved(each, at + FIVE, None, b"", 1, [late]) for each in claimed])
    assert await watch.rows(_SERIES) == before
    assert await watch.rows(_FOUND) == []


async def test_five_minutes_are_told_once_all_their_checks_are_made_or_are_too_old(watch: Watch):
    monitor = await watch.add(interval_s=60)
    service = anomalies_of(watch)
    await service.feeder.feed()
    began = await watch.value(_TOLD_UP_TO)
    for _ in range(6):
        await watch.tick(minutes=1)
    await service.feeder.feed()
    assert await watch.value(_TOLD_UP_TO) == began
    async with watch.working():
        await watch.settled()
    watch.clock.advance(seconds=31)
    await service.feeder.feed()
    assert await watch.value(_TOLD_UP_TO) == began + FIVE
    await watch.tick(minutes=4)  # no worker takes these
    watch.clock.advance(minutes=20)
    await service.feeder.feed()
    assert await watch.value(_TOLD_UP_TO) >= began + 2 * FIVE
    assert monitor


async def test_what_comes_late_is_told_to_nobody(watch: Watch):
    monitor = await watched(watch)
    service = anomalies_of(watch)
    await service.feeder.feed()
    at = watch.clock.now()
    await stored(watch, monitor, [(at, "up", 1, 20.0)])
    watch.clock.advance(minutes=5)
    await service.feeder.feed()
    before = await watch.rows(_SERIES)
    await stored(watch, monitor, [(at + FIVE / 2, "up", 1, 20_000.0)])
    await service.feeder.feed()
    assert await watch.rows(_SERIES) == before


async def test_while_it_is_down_or_not_judged_nothing_is_told(watch: Watch):
    monitor = await watched(watch)
    since = watch.clock.now()
    rows: list[Row] = [(since, "up", 3, 20.0), (since + 3 * FIVE, "down", 3, None), (since + 4 * FIVE, "up", 1, 20.0)]
    await stored(watch, monitor, [*rows, (since + 5 * FIVE, "up", 1, 21.0)])
    query = (
        "INSERT INTO monitor_transition (tenant_id, id, monitor_id, at, before, after, flapping)"
        " VALUES ($1, gen_random_uuid(), $2, $3, $4, $5, false)"
    )
    await watch.everything.execute(query, watch.tenant, monitor, since + FIVE, "up", "down")
    await watch.everything.execute(query, watch.tenant, monitor, since + 4 * FIVE, "down", "up")
    watch.clock.advance(minutes=30)
    key = (watch.tenant, monitor)
    found = (await watch.service.settled({key: since}, WIDTH, PATIENCE, 100))[key]
    assert found.until == since + 6 * FIVE
    assert [(each.at, each.attempts, each.failed, each.average_ms) for each in found.stretches] == [
        (since, 3, 2, 20.0),
        (since + 5 * FIVE, 1, 0, 21.0),
    ]

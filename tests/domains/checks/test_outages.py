"""Each outage opens one incident and ends it, whoever works, in whatever order results come in, whatever dies in between."""

import asyncio
import random
from uuid import UUID

from msgspec.structs import replace

from keepwell.domains.checks.models import Result, Run
from keepwell.domains.checks.service.examining import Finding
from keepwell.domains.checks.service.working import CheckWorker
from keepwell.domains.incidents import ResolveIncident
from keepwell.domains.monitors import Monitor
from keepwell.domains.monitors.models import DeleteMonitor
from keepwell.kit.ids import new_id
from tests.support.watching import QUICK, Watch, service_over


async def test_a_target_that_goes_down_and_up_has_one_incident_each_time(watch: Watch):
    monitor = await watch.add()
    watch.slow = 0.02
    async with watch.working(4):
        for _ in range(5):
            for state in ("up", "down"):
                watch.down = {monitor} if state == "down" else set()
                for _ in range(3):
                    await watch.tick(minutes=1)
                await watch.settled()
        watch.down = set()
        await watch.tick(minutes=1)
        await watch.settled()
    assert await watch.story(monitor) == ["up", *["down", "up"] * 5]
    assert await watch.incidents() == [("resolved", 5)]


async def test_results_that_four_workers_store_in_any_order_make_the_outages_of_the_ordered_ones(watch: Watch):
    monitor = await watch.add()
    states = ["up", *(["down", "down", "up"] * 30)]
    for _ in states:
        await watch.tick(minutes=1)
    workers = [(service_over(watch.database, watch.clock), new_id()) for _ in range(4)]
    shares = [await service.store.claim("default", len(states), lease, 60.0) for service, lease in workers[:1]]
    assert len(shares[0]) == len(states)
    by_instant = dict(zip(sorted(run.scheduled_at for run in shares[0]), states, strict=True))
    await workers[0][0].store.give_back(workers[0][1])

    async def work(number: int) -> None:
        service, lease = workers[number]
        while runs := await service.store.claim("default", 7, lease, 60.0):
            random.shuffle(runs)
            for run in runs:
                await asyncio.sleep(random.random() / 100)  # noqa: S311 - no secret
                standings = await service.store.store(lease, [(run, _result(run, by_instant[run.scheduled_at]))])
                if await service.judge.judge(standings):
                    await service.teller.tell()

    await asyncio.gather(*(work(number) for number in range(4)))
    await watch.service.scheduler.judge()
    assert await watch.story(monitor) == ["up", *["down", "up"] * 30]
    assert await watch.incidents() == [("resolved", 30)]
    assert await watch.value("SELECT count(*) FROM check_result") == len(states)


def _result(run: Run, status: str) -> Result:
    return Result(run.scheduled_at, run.region, status, None if status == "up" else "refused")  # pyright: ignore[reportArgumentType]


async def test_a_result_that_comes_again_is_stored_once_and_counts_once(watch: Watch):
    await watch.add()
    await watch.tick(minutes=1)
    store, lease = watch.service.store, new_id()
    [run] = await store.claim("default", 10, lease, 60.0)
    assert await store.store(lease, [(run, _result(run, "up"))])
    assert not await store.store(lease, [(run, _result(run, "down"))])
    assert await watch.rows("SELECT status FROM check_result") == [("up",)]
    assert await watch.rows("SELECT width, checks FROM check_rollup ORDER BY width") == [("day", 1), ("hour", 1)]


async def test_what_a_worker_stores_after_its_lease_is_worth_nothing(watch: Watch):
    await watch.add()
    await watch.tick(minutes=1)
    store, late, other = watch.service.store, new_id(), new_id()
    [run] = await store.claim("default", 10, late, 5.0)
    watch.clock.advance(seconds=6)
    [again] = await store.claim("default", 10, other, 5.0)
    assert again.scheduled_at == run.scheduled_at
    assert not await store.store(late, [(run, _result(run, "down"))])
    assert await store.store(other, [(again, _result(again, "up"))])
    assert await watch.rows("SELECT status FROM check_result") == [("up",)]


async def test_what_was_stored_and_not_judged_is_judged_later(watch: Watch):
    monitor = await watch.add()
    await watch.tick(minutes=1)
    store, lease = watch.service.store, new_id()
    [run] = await store.claim("default", 10, lease, 60.0)
    await store.store(lease, [(run, _result(run, "down"))])
    assert await watch.story(monitor) == []
    await watch.service.scheduler.judge()
    assert await watch.story(monitor) == ["down"]
    assert await watch.incidents() == [("open", 1)]


async def test_telling_again_and_by_many_at_once_changes_nothing(watch: Watch):
    monitor = await watch.add()
    async with watch.working():
        for state in (set[UUID](), {monitor}, set[UUID]()):
            watch.down = state
            await watch.tick(minutes=1)
            await watch.settled()
    await watch.everything.execute("UPDATE monitor_transition SET told_at = NULL WHERE 'down' IN (before, after)")
    tellers = [service_over(watch.database, watch.clock).teller for _ in range(4)]
    await asyncio.gather(*(teller.tell() for teller in tellers))
    assert await watch.incidents() == [("resolved", 1)]
    assert await watch.value("SELECT count(*) FROM monitor_transition WHERE told_at IS NULL") == 0


async def test_an_incident_that_somebody_resolved_is_not_opened_again_for_the_same_outage(watch: Watch):
    monitor = await watch.add()
    watch.down = {monitor}
    async with watch.working():
        await watch.tick(minutes=1)
        await watch.settled()
        incident = await watch.value("SELECT id FROM incident")
        await watch.do(ResolveIncident(incident, "by hand"))
        for _ in range(3):
            await watch.tick(minutes=1)
            await watch.settled()
        watch.down = set()
        await watch.tick(minutes=1)
        await watch.settled()
    assert await watch.incidents() == [("resolved", 1)]


async def test_a_failure_is_confirmed_by_further_attempts_before_it_counts(watch: Watch):
    monitor = await watch.add(retries=2, retry_interval_s=5)
    watch.down = {monitor}
    async with watch.working():
        await watch.tick(minutes=1)
        for attempts, later in ((1, 5), (2, 10)):
            await watch.looked(attempts)
            assert await watch.story(monitor) == []
            watch.clock.advance(seconds=later)
        await watch.settled()
    assert await watch.story(monitor) == ["down"]
    assert await watch.rows("SELECT status, attempts FROM check_result") == [("down", 3)]


async def test_a_failure_that_passes_is_no_outage(watch: Watch):
    monitor = await watch.add(retries=2, retry_interval_s=5)
    watch.down = {monitor}
    async with watch.working():
        await watch.tick(minutes=1)
        await watch.looked(1)
        watch.down = set()
        watch.clock.advance(seconds=5)
        await watch.settled()
    assert await watch.story(monitor) == ["up"]
    assert await watch.rows("SELECT status, attempts FROM check_result") == [("up", 2)]


async def test_while_our_own_network_is_away_nothing_is_blamed_on_anybody(watch: Watch):
    monitors = [await watch.add() for _ in range(3)]
    async with watch.working(2):
        for network in (True, False, False, True):
            watch.network = network
            await watch.tick(minutes=1)
            await watch.settled()
    assert [await watch.story(monitor) for monitor in monitors] == [["up", "own-outage", "up"]] * 3
    assert await watch.incidents() == []
    query = "SELECT status, count(*) FROM check_result GROUP BY status ORDER BY status"
    assert await watch.rows(query) == [("suspended", 6), ("up", 6)]


async def test_a_look_that_began_while_our_network_was_away_blames_nobody_when_it_is_back(watch: Watch):
    first, second = await watch.add(), await watch.add()
    begun, seen = asyncio.Event(), asyncio.Event()

    async def examine(_tenant: UUID, monitor: Monitor) -> Finding:
        if monitor.id == second:  # it ends only when the network is back
            begun.set()
            await seen.wait()
        await begun.wait()
        return Finding(up=False, reason="timed-out")

    async def egress(_since: float) -> bool:
        back = seen.is_set()
        seen.set()
        return back

    worker = asyncio.create_task(CheckWorker(watch.service, examine, egress, QUICK).run())
    await watch.tick(minutes=1)
    await watch.settled()
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    assert [await watch.story(monitor) for monitor in (first, second)] == [["own-outage"]] * 2
    assert await watch.incidents() == []


async def test_regions_have_to_agree(watch: Watch):
    monitor = await watch.add(regions=("east", "west"), quorum=2)
    away = {"east"}

    async def examine(region: str) -> Finding:
        return Finding(region not in away, None if region not in away else "refused")

    workers = [
        asyncio.create_task(
            CheckWorker(
                service_over(watch.database, watch.clock),
                lambda _tenant, _monitor, r=region: examine(r),
                watch.egress,
                replace(QUICK, region=region),
            ).run()
        )
        for region in ("east", "west")
    ]
    for now_away in ({"east"}, {"east", "west"}, {"west"}):
        away.clear()
        away.update(now_away)
        await watch.tick(minutes=1)
        await watch.settled()
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert await watch.story(monitor) == ["up", "down", "up"]
    assert await watch.value("SELECT count(*) FROM check_result") == 6


async def test_a_worker_of_no_region_makes_the_checks_of_all(watch: Watch):
    monitor = await watch.add(regions=("east", "west"), quorum=2)
    async with watch.working():
        for down in (set[UUID](), {monitor}):
            watch.down = down
            await watch.tick(minutes=1)
            await watch.settled()
    assert await watch.story(monitor) == ["up", "down"]
    query = "SELECT region, count(*) FROM check_result GROUP BY region ORDER BY region"
    assert await watch.rows(query) == [("east", 2), ("west", 2)]


async def test_what_hangs_on_a_parent_that_is_down_opens_no_incident_of_its_own(watch: Watch):
    parent = await watch.add()
    child = await watch.add(parent=parent)
    async with watch.working():
        await watch.tick(minutes=1)
        await watch.settled()
        watch.down = {parent}
        await watch.tick(minutes=1)
        await watch.settled()
        watch.down = {parent, child}
        await watch.tick(minutes=1)
        await watch.settled()
        watch.down = set()
        await watch.tick(minutes=1)
        await watch.settled()
    assert await watch.story(child) == ["up", "parent-down", "up"]
    assert await watch.incidents() == [("resolved", 1)]


async def test_a_monitor_that_is_deleted_during_its_outage_leaves_no_open_incident(watch: Watch):
    monitor = await watch.add()
    watch.down = {monitor}
    async with watch.working():
        await watch.tick(minutes=1)
        await watch.settled()
    assert await watch.incidents() == [("open", 1)]
    await watch.do(DeleteMonitor(monitor))
    await watch.tick(minutes=1)
    await watch.service.scheduler.judge()
    assert await watch.incidents() == [("resolved", 1)]
    assert await watch.value("SELECT count(*) FROM check_schedule WHERE next_at IS NOT NULL") == 0


async def test_a_monitor_that_changes_often_marks_its_incidents(watch: Watch):
    monitor = await watch.add()
    async with watch.working():
        for number in range(16):
            watch.down = {monitor} if number % 2 else set()
            await watch.tick(minutes=1)
            await watch.settled()
    assert await watch.value("SELECT flapping FROM monitor_state")
    assert await watch.incidents() == [("open", 1), ("resolved", 7)]
    tags = [row[0] for row in await watch.rows("SELECT tags FROM incident ORDER BY opened_at, id")]
    assert tags[0] == ""
    assert tags[-1] != ""

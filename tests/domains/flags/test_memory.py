"""What a process knows of flags: told at once by the others, or within seconds without, and never failing with the database."""

import asyncio
import time
from typing import Any

import pytest

from keepwell.domains.flags import Asked, Freshness
from keepwell.kit.ids import NIL, new_id
from tests.domains.flags.conftest import ORIGIN, Clinic, Node, clinic_of, opened
from tests.support.clock import ManualClock
from tests.support.cluster import Cluster, DatabaseUrls
from tests.support.flags import COLOUR, OLD
from tests.support.proxy import Proxy
from tests.support.waiting import eventually_async

PATIENT = Freshness(lasts=600.0)
"""Asks again only when told."""
KILL, RESTORE = f"{OLD.key}/kill", f"{OLD.key}/restore"
REASON = {"reason": "a test"}


def asked(clinic: Clinic) -> Asked:
    return Asked(clinic.tenant, "somebody")


async def is_on(node: Node, clinic: Clinic) -> bool:
    return (await node.flags.evaluator.evaluate(OLD.key, asked(clinic))).value


async def until(node: Node, clinic: Clinic, *, on: bool) -> float:
    """Waits until the flag is so on a node; how many seconds that took."""
    started = time.monotonic()

    async def so() -> bool:
        return await is_on(node, clinic) is on

    await eventually_async(so)
    return time.monotonic() - started


async def test_a_kill_takes_effect_on_another_process_at_once(
    node: Node, clinic: Clinic, database_urls: DatabaseUrls, valkey_url: str, manual_clock: ManualClock
):
    async with opened(database_urls.app, valkey_url, manual_clock, PATIENT) as other:
        await eventually_async(other.hears)
        assert await is_on(other, clinic)
        assert (await clinic.post(KILL, REASON)).status_code == 200
        assert not await is_on(node, clinic), "where it was done it counts for the very next evaluation"
        await until(other, clinic, on=False)
        assert (await clinic.post(RESTORE, REASON)).status_code == 200
        await until(other, clinic, on=True)


async def test_without_valkey_a_kill_takes_effect_within_seconds(
    cluster: Cluster, clinic: Clinic, database_urls: DatabaseUrls, valkey_url: str, manual_clock: ManualClock
):
    with Proxy.to_valkey(cluster.servers.valkey_url) as proxy:
        async with opened(database_urls.app, proxy.valkey_url(valkey_url), manual_clock) as other:
            await eventually_async(other.hears)
            assert await is_on(other, clinic)
            proxy.cut()
            assert (await clinic.post(KILL, REASON)).status_code == 200
            assert await until(other, clinic, on=False) < 5


async def test_what_was_missed_is_asked_for_when_valkey_is_back(
    cluster: Cluster, clinic: Clinic, database_urls: DatabaseUrls, valkey_url: str, manual_clock: ManualClock
):
    with Proxy.to_valkey(cluster.servers.valkey_url) as proxy:
        async with opened(database_urls.app, proxy.valkey_url(valkey_url), manual_clock, PATIENT) as other:
            await eventually_async(other.hears)
            assert await is_on(other, clinic)
            proxy.cut()

            async def deaf() -> bool:
                return not other.bus.well

            await eventually_async(deaf)
            assert (await clinic.post(KILL, REASON)).status_code == 200
            assert await is_on(other, clinic), "nobody told it"
            proxy.resume()
            await until(other, clinic, on=False)


async def test_a_database_that_goes_away_leaves_what_was_known(
    clinic: Clinic, database_urls: DatabaseUrls, valkey_url: str, manual_clock: ManualClock
):
    assert (await clinic.post(KILL, REASON)).status_code == 200
    with Proxy.to_postgres(database_urls.app) as proxy:
        url = proxy.postgres_url(database_urls.app)
        async with opened(url, valkey_url, manual_clock, Freshness(lasts=0.0, patience=0.2, rest=0.2)) as other:
            assert not await is_on(other, clinic)
            for trouble in (proxy.cut, proxy.hang):
                trouble()
                started = time.monotonic()
                for _ in range(50):
                    assert not await is_on(other, clinic)
                assert time.monotonic() - started < 2, "one waits, then nobody for a while"
                proxy.resume()
            assert (await clinic.post(RESTORE, REASON)).status_code == 200
            await until(other, clinic, on=True)


@pytest.mark.parametrize("trouble", ["cut", "hang"])
async def test_a_database_that_was_never_there_leaves_what_is_declared(
    clinic: Clinic, database_urls: DatabaseUrls, valkey_url: str, manual_clock: ManualClock, trouble: str
):
    assert (await clinic.post(KILL, REASON)).status_code == 200
    with Proxy.to_postgres(database_urls.app) as proxy:
        {"cut": proxy.cut, "hang": proxy.hang}[trouble]()
        url = proxy.postgres_url(database_urls.app)
        async with opened(url, valkey_url, manual_clock, Freshness(patience=0.1, rest=0.2)) as other:
            found = await other.flags.evaluator.evaluate(OLD.key, asked(clinic))
            assert (found.value, found.reason, found.error_code) == (True, "ERROR", "PROVIDER_NOT_READY")
            proxy.resume()
            await until(other, clinic, on=False)


async def test_of_a_clinic_that_is_none_everything_is_as_declared(node: Node):
    for tenant in (NIL, new_id()):
        found = await node.flags.evaluator.evaluate(COLOUR.key, Asked(tenant, "somebody"))
        assert (found.value, found.reason, found.error_code) == ("grey", "ERROR", "PROVIDER_NOT_READY")


async def test_evaluating_asks_the_database_seldom_and_records_only_what_is_loaded(
    node: Node, manual_clock: ManualClock, database_urls: DatabaseUrls
):
    async with clinic_of(node, manual_clock, database_urls) as clinic:

        async def records() -> list[Any]:
            return await clinic.everything.fetch(
                "SELECT action, door FROM access_record WHERE tenant_id = $1 AND role = 'system' AND kind = 'flag'", clinic.tenant
            )

        for _ in range(1_000):
            assert await is_on(node, clinic)
        assert await records() == []
        await clinic.post(KILL, REASON)
        for _ in range(1_000):
            assert not await is_on(node, clinic)
        assert [tuple(row) for row in await records()] == [("load", "system")]


async def test_those_who_ask_at_the_same_time_share_the_answer(node: Node, clinic: Clinic):
    assert await asyncio.gather(*(is_on(node, clinic) for _ in range(50))) == [True] * 50


async def test_evaluations_are_counted(node: Node, clinic: Clinic):
    for _ in range(3):
        await is_on(node, clinic)
    assert await node.kernel.tally.flush()
    query = "SELECT labels, amount FROM tally WHERE tenant_id = $1 AND name = 'flag-uses'"
    assert [(row["labels"], row["amount"]) for row in await clinic.everything.fetch(query, clinic.tenant)] == [([OLD.key], 3)]


async def test_a_flag_that_nobody_declared_is_a_fault_of_the_program(node: Node, clinic: Clinic):
    with pytest.raises(KeyError):
        await node.flags.is_on("no-such-flag", clinic.names["admin"])


async def test_the_operator_can_turn_a_flag_off_everywhere(node: Node, clinic: Clinic):
    other = await node.tenants.create(f"{clinic.slug}-2", "Another", ORIGIN)
    everywhere = await node.tenants.everywhere(ORIGIN)
    assert {clinic.tenant, other.id} <= {each.id for each in everywhere}

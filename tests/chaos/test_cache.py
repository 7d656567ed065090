"""Valkey down from the start, going down midway, hanging: everything stays correct, and nothing waits for it."""

from collections.abc import Callable

import pytest

from tests.chaos.conftest import Surrounded
from tests.support.chaos import prove, reckon
from tests.support.load import Client, Ledger, Load, client_of, simple_questionnaire

CLIENTS = 8
QUICK = 5.0
"""Nobody waits longer than this, in seconds, because of the cache; it is the busy machine that is allowed for."""


async def work(surrounded: Surrounded, happens: Callable[[], None], ends: Callable[[], None]) -> Ledger:
    """Load, during which something happens to the cache and ends again; with the reckoning."""
    async with client_of(surrounded.server.base) as http:
        ledger = Ledger(await simple_questionnaire(http))
        shared = await Client(http, ledger).create(large=True)
        load = Load(http, ledger, shared)
        load.start(CLIENTS)
        try:
            await ledger.after(100)
            happens()
            await ledger.after(300)
            ends()
            await ledger.after(100)
            await load.stop()
        finally:
            await load.abandon()
        await reckon(surrounded.server, http, ledger)
    return ledger


async def test_a_cache_that_is_down_from_the_start_changes_nothing(proxied: Surrounded):
    if proxied.server.started:
        proxied.server.stop()
    proxied.valkey.cut()
    proxied.server.start(failing=["cache"])
    ledger = await work(proxied, lambda: None, lambda: None)
    assert proxied.server.failing() == ["cache"]
    assert ledger.slowest < QUICK
    assert ledger.refused == 0
    await prove(proxied.server)
    proxied.heal()
    proxied.server.await_ready()


@pytest.mark.parametrize("trouble", ["cut", "hang", "reset"])
async def test_a_cache_in_trouble_midway_changes_nothing(surrounded: Surrounded, trouble: str):
    troubles = {"cut": surrounded.valkey.cut, "hang": surrounded.valkey.hang, "reset": surrounded.valkey.reset}
    ledger = await work(surrounded, troubles[trouble], surrounded.valkey.resume)
    assert ledger.slowest < QUICK
    assert ledger.refused == 0
    assert ledger.unanswered == 0

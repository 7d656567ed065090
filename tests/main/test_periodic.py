"""What processes do beside answering: one duty that fails is begun again."""

import asyncio

from keepwell.main.parts import Parts
from keepwell.main.periodic import kept


async def test_a_duty_that_fails_is_begun_again_until_it_is_cancelled(parts: Parts):
    begun = 0
    third = asyncio.Event()

    async def duty(_: Parts) -> None:
        nonlocal begun
        begun += 1
        if begun < 3:
            raise RuntimeError("something unforeseen")
        third.set()
        await asyncio.Event().wait()

    keeping = asyncio.create_task(kept(duty, parts, pause=0.01))
    await asyncio.wait_for(third.wait(), 20)
    keeping.cancel()
    [outcome] = await asyncio.gather(keeping, return_exceptions=True)
    assert isinstance(outcome, asyncio.CancelledError)
    assert begun == 3

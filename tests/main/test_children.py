"""Children of a serve that cannot even be started."""

import asyncio
import sys
from pathlib import Path

import pytest

from keepwell.main.children import Child


async def test_a_process_that_cannot_be_started_is_stood_in_for_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    asked = 0
    twice = asyncio.Event()

    async def stand_in() -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            twice.set()

    child = Child("1", 0, tmp_path, stand_in)
    running = asyncio.create_task(child.run())
    async with asyncio.timeout(10):
        await asyncio.wait({running, asyncio.create_task(twice.wait())}, return_when=asyncio.FIRST_COMPLETED)
        assert not running.done()
        child.let_go()
        await running

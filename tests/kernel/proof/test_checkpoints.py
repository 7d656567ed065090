"""Checkpoints grow with the logs: nothing is left out, nothing taken in too early, and no two are made at once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from keepwell.kernel.proof import checkpoints
from keepwell.kernel.proof.checkpoints import ACCESS, JOURNAL, BrokenCheckpointError
from keepwell.kernel.proof.merkle import Tree
from keepwell.kernel.proof.notes import Signer
from keepwell.kernel.proof.verify import verify
from keepwell.kit.ids import new_id
from keepwell.kit.time import SystemClock
from tests.support.chains import Journalist
from tests.support.cluster import DatabaseUrls
from tests.support.spine import Spine, all_complete, connected

SEED = bytes(range(32))
TENANT = UUID(int=1)


@pytest.fixture
async def spine(clean_database: DatabaseUrls) -> AsyncIterator[Spine]:
    async with connected(clean_database) as spine:
        yield spine


async def append(spine: Spine, log: str = JOURNAL, *, wait: bool = True) -> Any:
    if wait:
        await all_complete(spine)
    return await checkpoints.append(spine.auditor, log, SEED, SystemClock())


def fresh(kind: str = "note") -> tuple[UUID, str, UUID]:
    return TENANT, kind, new_id()


async def test_without_anything_new_there_is_no_new_checkpoint(spine: Spine):
    assert await append(spine) is None
    await Journalist(spine.app).write(fresh())
    first = await append(spine)
    assert (first.size, await append(spine), await append(spine, ACCESS)) == (1, None, None)
    assert await spine.owner.fetchval("SELECT count(*) FROM checkpoint") == 1


async def test_growing_by_steps_gives_the_root_of_the_whole(spine: Spine):
    journalist = Journalist(spine.app)
    sizes: list[int] = []
    for count in (3, 1, 7, 2):
        await journalist.write(*(fresh("kind" if n % 2 else "Kind") for n in range(count)))
        sizes.append((await append(spine)).size)
    tree = Tree()
    async with spine.auditor.transaction():
        async for leaf in checkpoints.leaves(spine.auditor, JOURNAL, 0, None):
            tree.append(leaf.data)
    newest = (await checkpoints.stored(spine.auditor, JOURNAL, 12, 5))[0]
    assert (sizes, newest.root, newest.frontier) == ([3, 4, 11, 13], tree.root(), tree.frontier)


async def test_what_an_open_transaction_wrote_comes_in_after_it_ended(spine: Spine):
    slow, quick = Journalist(spine.owner), Journalist(spine.app)
    transaction = spine.owner.transaction()
    await transaction.start()
    await slow.write(fresh())
    await quick.write(fresh())
    # The quick one is committed, but a slower, earlier transaction could still write before it.
    assert await append(spine, wait=False) is None
    await transaction.commit()
    assert (await append(spine)).size == 2
    assert (await verify(spine.auditor, Signer(SEED).verifier)).sound


async def test_writers_of_the_same_log_take_turns(spine: Spine, clean_database: DatabaseUrls):
    await Journalist(spine.app).write(*(fresh() for _ in range(20)))
    async with connected(clean_database) as other:
        made = await asyncio.gather(*(append(each) for each in (spine, other)))
    assert sorted(one is None for one in made) == [False, True]


async def test_checkpoints_made_under_concurrent_writers_hold(spine: Spine, clean_database: DatabaseUrls):
    writing = True

    async def write(journalist: Journalist) -> None:
        own = fresh()
        for _ in range(40):
            await journalist.write(own, fresh(), reads=1)

    async def keep_appending() -> None:
        while writing:
            await append(spine, wait=False)
            await append(spine, ACCESS, wait=False)

    async with connected(clean_database) as one, connected(clean_database) as two:
        keeping = asyncio.create_task(keep_appending())
        await asyncio.gather(*(write(Journalist(connection)) for connection in (spine.app, one.app, two.app)))
        writing = False
        await keeping
    await append(spine)
    await append(spine, ACCESS)
    report = await verify(spine.auditor, Signer(SEED).verifier, await checkpoints.exported(spine.auditor))
    assert report.findings == ()
    assert (report.entries, report.records, report.logs[JOURNAL].uncovered) == (240, 120, 0)
    assert report.logs[JOURNAL].checkpoints > 1


async def test_a_counter_behind_the_last_checkpoint_is_refused(spine: Spine):
    """As after restoring a dump into a new server, whose transaction ids start again."""
    await Journalist(spine.app).write(fresh())
    checkpoint = await append(spine)
    signer = Signer(SEED)
    ahead = type(checkpoint)(JOURNAL, checkpoint.size, checkpoint.root, checkpoint.below + 10**9, checkpoint.at)
    await spine.owner.execute("UPDATE checkpoint SET below = $1, note = $2", ahead.below, signer.sign(ahead))
    with pytest.raises(BrokenCheckpointError, match="behind the journal checkpoint"):
        await append(spine)


async def test_another_key_does_not_build_on_a_checkpoint(spine: Spine):
    await Journalist(spine.app).write(fresh())
    await append(spine)
    with pytest.raises(BrokenCheckpointError, match="not signed by this key"):
        await checkpoints.append(spine.auditor, JOURNAL, bytes(32), SystemClock())


async def test_the_newest_checkpoint_of_each_log_is_exported(spine: Spine):
    journalist = Journalist(spine.app)
    for _ in range(2):
        await journalist.write(fresh(), reads=1)
        await append(spine)
        await append(spine, ACCESS)
    opened = [Signer(SEED).verifier.open(note) for note in await checkpoints.exported(spine.auditor)]
    assert sorted((each.log, each.size) for each in opened) == [(ACCESS, 2), (JOURNAL, 2)]

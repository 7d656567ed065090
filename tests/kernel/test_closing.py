"""The last command of a batch: made of what came of the others, stored with them or not at all. And pieces of large content."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from keepwell.kernel import Catalog, Closing, Envelope, Kernel, Outcome
from keepwell.kit.ids import new_id
from keepwell.platform.crypto import UnreadableError
from tests.support.notes import NOTES, OTHER_TENANT, SESSIONS, TENANT, TITLE_TAKEN, KeepNote, WriteNote, envelope, written

MakeKernel = Callable[..., Kernel]
_COMMANDS = tuple(msgspec.structs.replace(each, guarded=each.type is not KeepNote and each.guarded) for each in NOTES.commands)
CATALOG = Catalog((msgspec.structs.replace(NOTES, commands=_COMMANDS), SESSIONS))


@pytest.fixture
def kernel(make_kernel: MakeKernel) -> Kernel:
    return make_kernel(catalog=CATALOG)


def closing(id_: UUID, *, refused: bool = False) -> Closing:
    """Keeps a note of how many of the others were carried out."""

    def make(pairs: Sequence[tuple[Envelope, Outcome]]) -> Envelope:
        done = sum(1 for _, outcome in pairs if outcome.refusal is None)
        return envelope(WriteNote(id_, "x") if refused else KeepNote(id_, f"{done} of {len(pairs)}"))

    return Closing("note", id_, make)


async def entries(owner: Any, id_: UUID) -> list[str]:
    rows = await owner.fetch("SELECT event FROM journal_entry WHERE id = $1 ORDER BY version", id_)
    return [row["event"] for row in rows]


async def writers(owner: Any) -> list[int]:
    """How many entries each transaction made."""
    return [row["n"] for row in await owner.fetch("SELECT count(*) AS n FROM journal_entry GROUP BY xid ORDER BY xid")]


async def test_it_is_stored_in_the_transaction_of_the_others(kernel: Kernel, owner: Any):
    id_, notes = new_id(), [written() for _ in range(200)]
    outcomes = await kernel.execute([envelope(note) for note in notes], closing=closing(id_))
    assert {outcome.happened for outcome in outcomes} == {("written",)}
    assert await entries(owner, id_) == ["written"]
    assert await writers(owner) == [201]


async def test_of_a_dry_run_it_alone_is_stored(kernel: Kernel, owner: Any):
    id_ = new_id()
    outcomes = await kernel.execute([envelope(written()) for _ in range(100)], dry_run=True, closing=closing(id_))
    assert all(outcome.refusal is None for outcome in outcomes)
    assert await writers(owner) == [1]
    assert await entries(owner, id_) == ["written"]


async def test_when_it_is_refused_nothing_is_stored(kernel: Kernel, owner: Any):
    taken = written()
    await kernel.execute([envelope(taken)])
    outcomes = await kernel.execute([envelope(written()) for _ in range(3)], closing=closing(taken.id, refused=True))
    assert {outcome.refusal.code for outcome in outcomes if outcome.refusal} == {"conflict"}
    assert await writers(owner) == [1]


async def test_it_follows_each_of_those_that_could_not_be_stored_together(kernel: Kernel, owner: Any):
    id_, one = new_id(), written()
    await kernel.execute([envelope(one)])
    twin = WriteNote(new_id(), one.title)
    outcomes = await kernel.execute([envelope(written()), envelope(twin), envelope(written())], closing=closing(id_))
    assert [outcome.refusal and outcome.refusal.type for outcome in outcomes] == [None, TITLE_TAKEN, None]
    assert await entries(owner, id_) == ["written", "changed", "changed"]


async def test_a_piece_is_read_as_it_was_written_and_only_in_its_place(kernel: Kernel, owner: Any):
    id_ = new_id()
    await kernel.pieces.put(TENANT, "note", id_, 0, b"a piece of somebody's file")
    assert await kernel.pieces.get(TENANT, "note", id_, 0) == b"a piece of somebody's file"
    assert await kernel.pieces.get(TENANT, "note", id_, 1) is None
    assert await kernel.pieces.get(OTHER_TENANT, "note", id_, 0) is None
    with pytest.raises(asyncpg.UniqueViolationError):
        await kernel.pieces.put(TENANT, "note", id_, 0, b"another")
    stored = await owner.fetchval("SELECT content FROM piece")
    assert b"somebody" not in stored
    await owner.execute("UPDATE piece SET number = 1")
    with pytest.raises(UnreadableError):
        await kernel.pieces.get(TENANT, "note", id_, 1)
    await kernel.pieces.drop(TENANT, "note", id_)
    assert await owner.fetchval("SELECT count(*) FROM piece") == 0

"""Following an aggregate: every reader who may see what happened is recorded and shown it, and nobody else is."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from keepwell.kernel import Actor, Follow, Followed, Kernel, Permission, Read, Refused, Wanted
from keepwell.kernel.follow import MOST_ENTRIES
from keepwell.kit.ids import new_id
from tests.kernel.conftest import MakeKernel
from tests.support.clock import ManualClock
from tests.support.notes import OTHER_TENANT, TENANT, Begin, ChangeNote, End, actor, envelope, origin, written

READ = Permission("Note", "r")
RECORDS = "SELECT actor, outcome, version FROM access_record WHERE entity = $1 ORDER BY actor, outcome"


async def changed_note(kernel: Kernel, times: int = 2, **fields: Any) -> UUID:
    """A note that was changed so many times after it was written; its id."""
    command = written(**fields)
    await kernel.execute([envelope(command)])
    for version in range(1, times + 1):
        [outcome] = await kernel.execute([envelope(ChangeNote(command.id, {"n": str(version)}), if_match=version)])
        assert outcome.refusal is None
    return command.id


def read(id_: UUID, who: Actor | None = None) -> Read:
    return Read("note", id_, who or actor(), origin(), READ)


def events(followed: Followed) -> list[tuple[int, Any]]:
    assert followed.entries is not None
    return [(entry.version, entry.event.fields) for entry in followed.entries]


async def test_every_reader_is_shown_what_came_after_the_version_and_recorded(kernel: Kernel, owner: Any):
    id_ = await changed_note(kernel)
    readers = [actor(id=UUID(int=number)) for number in (1, 2, 3)]
    followed = await kernel.follow(Follow(tuple(read(id_, who) for who in readers), since=1))
    assert followed.version == 3
    assert events(followed) == [(2, {"n": "1"}), (3, {"n": "2"})]
    assert followed.refusals == [None, None, None]
    found = [tuple(row) for row in await owner.fetch(RECORDS, id_)]
    assert found == [(who.id, "ok", 3) for who in readers]


async def test_who_is_up_to_date_is_shown_nothing(kernel: Kernel):
    id_ = await changed_note(kernel)
    assert await kernel.follow(Follow((read(id_),), since=3)) == Followed(3, [], [None])


async def test_who_is_ahead_or_too_far_behind_has_no_way_from_there(kernel: Kernel, owner: Any):
    id_ = await changed_note(kernel, times=1)
    assert (await kernel.follow(Follow((read(id_),), since=7))).entries is None
    await owner.execute("UPDATE aggregate SET version = $2 WHERE id = $1", id_, MOST_ENTRIES + 2)
    followed = await kernel.follow(Follow((read(id_),), since=1))
    assert followed == Followed(MOST_ENTRIES + 2, None, [None])


async def test_a_reader_whose_session_ended_is_refused_and_the_others_are_not(
    kernel: Kernel, manual_clock: ManualClock, owner: Any
):
    id_, session = await changed_note(kernel), new_id()
    await kernel.execute([envelope(Begin(session, manual_clock.now() + timedelta(hours=1)))])
    holder = actor(id=UUID(int=1), credential=session)
    both = Follow((read(id_, holder), read(id_, actor(id=UUID(int=2)))), since=2)
    assert (await kernel.follow(both)).refusals == [None, None]
    await kernel.execute([envelope(End(session))])
    followed = await kernel.follow(both)
    assert [refusal and refusal.code for refusal in followed.refusals] == ["unauthenticated", None]
    outcomes = {(row["actor"].int, row["outcome"]) for row in await owner.fetch(RECORDS, id_)}
    assert (1, "unauthenticated") in outcomes


async def test_who_is_held_to_another_person_sees_nothing(kernel: Kernel):
    id_ = await changed_note(kernel, subject="Patient/1")
    own = actor(scopes=("patient/Note.r",), subject="Patient/1")
    other = actor(scopes=("patient/Note.r",), subject="Patient/2")
    alone = await kernel.follow(Follow((read(id_, other),), since=1))
    assert [refusal and refusal.code for refusal in alone.refusals] == ["forbidden"]
    assert alone.entries == []
    both = await kernel.follow(Follow((read(id_, other), read(id_, own)), since=1))
    assert [refusal and refusal.code for refusal in both.refusals] == ["forbidden", None]
    assert len(both.entries or ()) == 2


async def test_another_clinics_note_is_not_there(kernel: Kernel):
    id_ = await changed_note(kernel)
    followed = await kernel.follow(Follow((read(id_, actor(OTHER_TENANT)),), since=1))
    assert [refusal and refusal.code for refusal in followed.refusals] == ["not-found"]
    assert followed.entries == []


async def test_without_the_permission_nothing_is_even_looked_up(kernel: Kernel, owner: Any):
    id_ = await changed_note(kernel)
    with pytest.raises(Refused) as refused:
        await kernel.follow(Follow((read(id_, actor(scopes=("user/Note.u",))),), since=1))
    assert refused.value.refusal.code == "forbidden"
    assert [row["outcome"] for row in await owner.fetch(RECORDS, id_)] == ["forbidden"]


async def test_follows_of_several_clinics_share_a_batch(kernel: Kernel):
    first = await changed_note(kernel)
    command = written()
    await kernel.execute([envelope(command, who=actor(OTHER_TENANT))])
    follows = [Follow((read(first),), since=1), Follow((read(command.id, actor(OTHER_TENANT)),), since=0)] * 20
    found = await asyncio.gather(*map(kernel.follow, follows))
    assert [followed.version for followed in found] == [3, 1] * 20
    assert [len(followed.entries or ()) for followed in found] == [2, 1] * 20


async def test_versions_and_live_sessions_are_told_without_a_record(kernel: Kernel, manual_clock: ManualClock, owner: Any):
    id_, live, ended = await changed_note(kernel), new_id(), new_id()
    for session in (live, ended):
        await kernel.execute([envelope(Begin(session, manual_clock.now() + timedelta(hours=1)))])
    await kernel.execute([envelope(End(ended))])
    strange = new_id()
    wanted = Wanted({("note", id_), ("note", strange)}, set(), {live, ended, strange})
    found = await kernel.versions({TENANT: wanted, OTHER_TENANT: Wanted({("note", id_)}, set(), {live})})
    assert found.aggregates == {(TENANT, "note", id_): 3}
    assert found.credentials == {(TENANT, live)}
    assert not await owner.fetch("SELECT 1 FROM access_record")
    manual_clock.advance(hours=2)
    assert (await kernel.versions({TENANT: wanted})).credentials == set()


async def test_a_database_that_is_away_is_said_to_be(make_kernel: MakeKernel):
    kernel = make_kernel()
    await kernel.database.close()
    for attempt in (kernel.follow(Follow((read(new_id()),), since=1)), kernel.versions({TENANT: Wanted(set(), set(), set())})):
        with pytest.raises(Refused) as refused:
            await attempt
        assert refused.value.refusal.code == "temporarily-unavailable"

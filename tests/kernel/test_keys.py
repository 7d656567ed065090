"""Keys in processes: what is derived, learned, changed and destroyed, and that nothing is unreadable meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from keepwell.kernel import Follow, Kernel, Limits, Permission, Read, Refused
from keepwell.kernel.keys import ROOT, SIGNING, KeyRing
from keepwell.kernel.rotation import SETTLE_SECONDS, Rotation, resealed
from keepwell.kit.ids import NIL
from keepwell.platform import crypto
from keepwell.platform.crypto import UnreadableError
from keepwell.platform.postgres import Database, PoolSettings
from tests.support.clock import ManualClock
from tests.support.cluster import Cluster, DatabaseUrls
from tests.support.notes import CATALOG, OTHER_TENANT, TENANT, ChangeNote, actor, envelope, origin, written

OLD, NEW = bytes(range(32)), bytes(range(100, 132))
Node = Callable[..., Awaitable[Kernel]]
LABEL = "some purpose"


@pytest.fixture
async def node(clean_database: DatabaseUrls, owner: Any, manual_clock: ManualClock, cluster: Cluster) -> AsyncIterator[Node]:
    """Makes kernels as processes of one installation have them, started with these master keys."""
    del owner
    async with AsyncExitStack() as stack:

        async def made(master: bytes = OLD, *previous: bytes) -> Kernel:
            database = Database(PoolSettings(clean_database.app))
            await database.open()
            stack.push_async_callback(database.close)
            return Kernel(database, CATALOG, KeyRing(master, manual_clock, previous), manual_clock, Limits())

        yield made
    cluster.empty(clean_database)  # other tests have another master key


async def wrote(kernel: Kernel, tenant: UUID = TENANT) -> UUID:
    [outcome] = await kernel.execute([envelope(written(), who=actor(tenant))])
    assert outcome.refusal is None
    return outcome.id


def reading(id_: UUID, tenant: UUID = TENANT) -> Read:
    return Read("note", id_, actor(tenant), origin(), Permission("Note", "r"))


async def changed(kernel: Kernel, id_: UUID, version: int, tenant: UUID = TENANT) -> str:
    """What came of a change of version `version`."""
    [outcome] = await kernel.execute([envelope(ChangeNote(id_, {"a": str(version)}), who=actor(tenant), if_match=version)])
    return outcome.refusal.code if outcome.refusal else "ok"


async def sealed_under(owner: Any, id_: UUID) -> int:
    return crypto.key_version(await owner.fetchval("SELECT state FROM aggregate WHERE id = $1", id_))


async def refused(kernel: Kernel, id_: UUID, tenant: UUID = TENANT) -> str:
    with pytest.raises(Refused) as caught:
        await kernel.read(reading(id_, tenant))
    return caught.value.refusal.code


async def renewed(kernel: Kernel, tenant: UUID = TENANT) -> None:
    """Gives a tenant a new data key; no process has looked since."""
    rotation = Rotation(kernel)
    await rotation.begin(tenant)
    await rotation.activate(tenant)


class TestDerived:
    async def test_nothing_is_derived_before_the_database_was_reached(self, manual_clock: ManualClock):
        with pytest.raises(Refused, match="temporarily-unavailable"):
            KeyRing(OLD, manual_clock).derive(LABEL)

    async def test_a_new_installation_derives_from_something_of_its_own_the_same_in_every_process(self, node: Node):
        one, other = await node(), await node()
        await one.key_watch.look()
        await other.key_watch.look()
        assert one.ring.derive(LABEL) == other.ring.derive(LABEL)
        assert one.ring.derive(LABEL) != crypto.derive(OLD, LABEL)

    async def test_an_older_installation_goes_on_deriving_what_it_did(self, node: Node, owner: Any):
        await wrote(await node())
        await owner.execute("DELETE FROM installation_key")
        later = await node()
        await later.key_watch.look()
        assert later.ring.derive(LABEL) == crypto.derive(OLD, LABEL)
        assert later.ring.generations(SIGNING)[0].key == crypto.derive(OLD, "keepwell access token signing v1")

    async def test_it_does_so_too_when_its_master_key_is_rotated_at_the_same_start(self, node: Node, owner: Any):
        await wrote(await node(), NIL)
        await owner.execute("DELETE FROM installation_key")
        later = await node(NEW, OLD)
        await later.key_watch.look()
        assert later.ring.derive(LABEL) == crypto.derive(OLD, LABEL)


class TestMasterKey:
    async def test_every_process_opens_everything_before_while_and_after_it_is_rotated(self, node: Node):
        before, meanwhile = await node(OLD, NEW), await node(NEW, OLD)
        first, second = await wrote(before), await wrote(meanwhile, OTHER_TENANT)
        derived = before.ring.derive(LABEL)
        rotation = Rotation(meanwhile)
        assert await rotation.rewrap(TENANT) == 2
        for kernel in (before, meanwhile, await node(OLD, NEW)):
            await kernel.read(reading(first))
            await kernel.read(reading(second, OTHER_TENANT))
        assert await rotation.rewrap_installation() == 2
        after = await node(NEW)
        await after.read(reading(first))
        await after.read(reading(second, OTHER_TENANT))
        assert after.ring.derive(LABEL) == derived

    async def test_doing_it_again_does_nothing(self, node: Node):
        await wrote(await node())
        rotation = Rotation(await node(NEW, OLD))
        assert (await rotation.rewrap(TENANT), await rotation.rewrap(TENANT)) == (2, 0)
        assert (await rotation.rewrap_installation(), await rotation.rewrap_installation()) == (2, 0)

    async def test_what_was_not_reached_yet_shows(self, node: Node):
        await wrote(await node())
        await wrote(await node(), OTHER_TENANT)
        rotation = Rotation(await node(NEW, OLD))
        await rotation.rewrap(TENANT)
        assert [(await rotation.standing(tenant)).outdated for tenant in (TENANT, OTHER_TENANT)] == [0, 2]
        assert await rotation.outdated_installation() == 2

    async def test_the_old_key_alone_opens_nothing_any_more(self, node: Node):
        first = await wrote(await node())
        rotation = Rotation(await node(NEW, OLD))
        await rotation.rewrap(TENANT)
        await rotation.rewrap_installation()
        with pytest.raises(UnreadableError):
            await (await node(OLD)).key_watch.look()
        assert await refused(await node(OLD), first) == "internal-error"

    async def test_a_key_that_fits_neither_is_told(self, node: Node):
        await wrote(await node())
        with pytest.raises(UnreadableError):
            await Rotation(await node(NEW)).rewrap(TENANT)


class TestDataKey:
    async def test_a_version_that_is_only_known_seals_nothing(self, node: Node, owner: Any):
        kernel = await node()
        await Rotation(kernel).begin(TENANT)
        await kernel.key_watch.look()
        assert await sealed_under(owner, await wrote(kernel)) == 1
        await Rotation(kernel).begin(TENANT)
        assert (await Rotation(kernel).standing(TENANT)).coming == 2, "what was begun is not begun again"

    async def test_once_active_every_process_seals_under_it(self, node: Node, owner: Any):
        one, other = await node(), await node()
        for kernel in (one, other):
            await wrote(kernel)
        await renewed(one)
        for kernel in (one, other):
            await kernel.key_watch.look()
            assert await sealed_under(owner, await wrote(kernel)) == 2

    async def test_a_process_that_has_not_heard_of_it_reads_and_changes_what_is_sealed_under_it(self, node: Node, owner: Any):
        quick, slow = await node(), await node()
        id_ = await wrote(slow)
        await quick.read(reading(id_))
        await renewed(quick)
        await quick.key_watch.look()
        assert await changed(quick, id_, 1) == "ok"
        assert await sealed_under(owner, id_) == 2
        assert (await slow.read(reading(id_))).version == 2
        assert await changed(slow, id_, 2) == "ok"

    @pytest.mark.parametrize("way", ["change", "history", "follow"])
    async def test_neither_does_any_other_way_in_fail(self, node: Node, way: str):
        quick, slow = await node(), await node()
        id_ = await wrote(slow)
        await wrote(quick)
        await renewed(quick)
        await quick.key_watch.look()
        assert await changed(quick, id_, 1) == "ok"
        if way == "change":
            assert await changed(slow, id_, 2) == "ok"
        elif way == "history":
            assert [entry.version for entry in await slow.history(reading(id_))] == [1, 2]
        else:
            followed = await slow.follow(Follow((reading(id_),), 0))
            assert [entry.version for entry in followed.entries or ()] == [1, 2]

    async def test_states_are_sealed_anew_and_nothing_else_of_them_changes(self, node: Node, owner: Any):
        kernel = await node()
        ids = [await wrote(kernel) for _ in range(5)]
        before = await owner.fetch("SELECT id, version, head, updated_at FROM aggregate ORDER BY id")
        await renewed(kernel)
        await kernel.key_watch.look()
        said: list[int] = []
        assert (await resealed(Rotation(kernel), TENANT, said.append)).done == 5
        assert said == [5]
        assert {await sealed_under(owner, id_) for id_ in ids} == {2}
        assert await owner.fetch("SELECT id, version, head, updated_at FROM aggregate ORDER BY id") == before
        assert (await Rotation(kernel).standing(TENANT)).behind == 0
        other = await node()
        assert {(await other.read(reading(id_))).version for id_ in ids} == {1}

    async def test_a_row_that_somebody_holds_is_not_waited_for(self, node: Node, owner: Any):
        kernel = await node()
        held, free = await wrote(kernel), await wrote(kernel)
        await renewed(kernel)
        await kernel.key_watch.look()
        async with owner.transaction():
            await owner.execute("SELECT 1 FROM aggregate WHERE id = $1 FOR UPDATE", held)
            page, _ = await Rotation(kernel).reseal(TENANT, ("", NIL))
            assert (page.done, page.busy) == (1, 1)
        assert [await sealed_under(owner, id_) for id_ in (held, free)] == [1, 2]

    async def test_a_state_that_does_not_open_is_told_and_left_alone(self, node: Node, owner: Any):
        kernel = await node()
        id_ = await wrote(kernel)
        await owner.execute("UPDATE aggregate SET state = set_byte(state, 40, 255 - get_byte(state, 40)) WHERE id = $1", id_)
        await renewed(kernel)
        await kernel.key_watch.look()
        found = await resealed(Rotation(kernel), TENANT, lambda _: None)
        assert (found.done, found.unreadable) == (0, 1)


class TestSigningKeys:
    async def test_the_one_before_is_accepted_until_its_tokens_have_expired(self, node: Node, manual_clock: ManualClock):
        kernel = await node()
        await kernel.key_watch.look()
        number = await Rotation(kernel).sign_anew(timedelta(seconds=600), revoke=False)
        await kernel.key_watch.look()
        before, now = kernel.ring.generations(SIGNING)
        assert (number, now.number, now.until) == (2, 2, None)
        assert before.until is not None
        assert timedelta(seconds=600) < before.until - manual_clock.now() < timedelta(seconds=630)

    async def test_revoked_it_is_accepted_no_more(self, node: Node, manual_clock: ManualClock):
        kernel = await node()
        await kernel.key_watch.look()
        await Rotation(kernel).sign_anew(timedelta(seconds=600), revoke=True)
        await kernel.key_watch.look()
        assert kernel.ring.generations(SIGNING)[0].until == manual_clock.now()

    async def test_those_that_have_run_out_are_deleted_by_the_next_rotation(self, node: Node, manual_clock: ManualClock):
        kernel = await node()
        await kernel.key_watch.look()
        for _ in range(3):
            await Rotation(kernel).sign_anew(timedelta(seconds=600), revoke=False)
            manual_clock.advance(hours=1)
        await kernel.key_watch.look()
        assert [each.number for each in kernel.ring.generations(SIGNING)] == [3, 4]
        assert len(kernel.ring.generations(ROOT)) == 1


class TestDestruction:
    async def test_nothing_of_the_clinic_opens_in_any_process(self, node: Node, owner: Any):
        one, other = await node(), await node()
        id_ = await wrote(one)
        await other.read(reading(id_))
        await Rotation(one).destroy(TENANT, [])
        for kernel in (one, other):
            await kernel.key_watch.look()
            assert await refused(kernel, id_) == "tenant-destroyed"
            assert await changed(kernel, id_, 1) == "tenant-destroyed"
            assert kernel.ring.cached(TENANT) is None
            with pytest.raises(Refused, match="tenant-destroyed"):
                await kernel.history(reading(id_))
            with pytest.raises(Refused, match="tenant-destroyed"):
                await kernel.follow(Follow((reading(id_),), 0))
        assert await owner.fetchval("SELECT bool_and(wrapped = '') FROM tenant_key WHERE tenant_id = $1", TENANT)

    async def test_a_process_that_nobody_told_finds_out_by_itself(self, node: Node, monkeypatch: pytest.MonkeyPatch):
        one, other = await node(), await node()
        id_ = await wrote(other)
        await Rotation(one).destroy(TENANT, [])
        monkeypatch.setattr(other.ring, "seen_at", other.ring.seen_at - SETTLE_SECONDS)
        assert await refused(other, id_) == "tenant-destroyed"

    async def test_no_new_keys_are_made_in_the_place_of_destroyed_ones(self, node: Node):
        id_ = await wrote(await node())
        await Rotation(await node()).destroy(TENANT, [])
        later = await node()
        assert await refused(later, id_) == "tenant-destroyed"
        await Rotation(later).begin(TENANT)
        await Rotation(later).activate(TENANT)
        await later.key_watch.look()
        assert await refused(later, id_) == "tenant-destroyed"

    async def test_other_clinics_in_the_same_batch_do_not_notice(self, node: Node):
        kernel = await node()
        gone, there = await wrote(kernel), await wrote(kernel, OTHER_TENANT)
        await Rotation(kernel).destroy(TENANT, [])
        await kernel.key_watch.look()
        reads = await asyncio.gather(
            *(kernel.read(each) for each in (reading(gone), reading(there, OTHER_TENANT))), return_exceptions=True
        )
        assert [type(each).__name__ for each in reads] == ["TenantDestroyedError", "Snapshot"] or isinstance(reads[0], Refused)
        assert not isinstance(reads[1], BaseException)
        assert await asyncio.gather(changed(kernel, gone, 1), changed(kernel, there, 1, OTHER_TENANT)) == [
            "tenant-destroyed",
            "ok",
        ]

    async def test_keyed_indexes_are_blanked_and_credentials_end(self, node: Node, owner: Any):
        kernel = await node()
        id_ = await wrote(kernel)
        before = await owner.fetchval("SELECT title_index FROM note WHERE id = $1", id_)
        lookup = CATALOG.kinds["note"].lookup
        assert lookup is not None
        await Rotation(kernel).destroy(TENANT, [lookup])
        assert await owner.fetchval("SELECT title_index FROM note WHERE id = $1", id_) != before
        assert await owner.fetchval("SELECT count(*) FROM aggregate WHERE valid_until IS NOT NULL") == 0


async def test_many_who_want_to_know_of_keys_share_one_look(node: Node):
    kernel = await node()
    await kernel.key_watch.look()
    looks: list[float] = []
    refresh = kernel.ring.refresh

    async def counted(connection: Any) -> None:
        looks.append(0)
        await refresh(connection)

    kernel.ring.refresh = counted  # type: ignore[method-assign]
    await asyncio.gather(*(kernel.key_watch.look() for _ in range(50)))
    assert 1 <= len(looks) <= 2

"""Finding by conditions: all of them, any alternative of each, in pages, in one tenant and one compartment."""

from typing import Any
from uuid import UUID

import pytest

from keepwell.kernel import Comparison, Condition, Finder, Found, Kernel, Operator, Permission, Refused, Search, Selection
from tests.support.clock import ManualClock
from tests.support.notes import OTHER_TENANT, TENANT, ChangeNote, CloseNote, actor, envelope, origin, written

FINDER = Finder(
    "note",
    "note",
    {
        "title": "t.title_index",
        "closed": "t.closed",
        "written": "EXISTS (SELECT FROM note n WHERE n.id = t.id AND n.title_index = {})",
    },
)
SEARCH = Permission("Note", "s")


def search(who: Any = None) -> Search:
    return Search("note", who or actor(), origin(), SEARCH)


def is_(column: str, *values: Any) -> Condition:
    return tuple((Comparison(column, "=", value),) for value in values)


async def notes(kernel: Kernel, count: int, **fields: Any) -> list[UUID]:
    commands = [written(None if count == 1 else f"title {number}", **fields) for number in range(count)]
    await kernel.execute([envelope(command) for command in commands])
    return [command.id for command in commands]


async def find(kernel: Kernel, *conditions: Condition, who: Any = None, **options: Any) -> list[UUID]:
    return [one.id for one in await kernel.find(search(who), FINDER, Selection(conditions, **options))]


async def test_every_condition_must_hold_and_any_alternative_of_each(kernel: Kernel):
    first, second, third = await notes(kernel, 3)
    await kernel.execute([envelope(CloseNote(second))])
    blind = await kernel.blinding(TENANT)
    titles = is_("title", blind("title 0"), blind("title 1"))
    assert await find(kernel) == [third, second, first]
    assert await find(kernel, titles) == [second, first]
    assert await find(kernel, titles, is_("closed", True)) == [second]
    assert await find(kernel, is_("written", blind("title 2"))) == [third]
    assert await find(kernel, ()) == []
    closed = is_("closed", True)[0]
    both = ((Comparison("title", "=", blind("title 0")), *closed), (Comparison("id", "=", third),))
    assert await find(kernel, both) == [third]


async def test_pages_go_on_where_the_last_one_ended_in_either_order(kernel: Kernel, manual_clock: ManualClock):
    ids: list[UUID] = []
    for _ in range(5):
        ids += await notes(kernel, 1)
        manual_clock.advance(seconds=1)
    await kernel.execute([envelope(ChangeNote(ids[1], {"a": "b"}), if_match=1)])
    for by, expected in (("id", ids), ("updated_at", [ids[0], *ids[2:], ids[1]])):
        for descending in (True, False):
            seen: list[UUID] = []
            after: Found | None = None
            while page := await kernel.find(search(), FINDER, Selection((), by, descending, after, 2)):  # type: ignore[arg-type]
                seen += [one.id for one in page]
                after = page[-1]
            assert seen == (expected[::-1] if descending else expected)


async def test_as_many_are_counted_as_are_found(kernel: Kernel):
    ids = await notes(kernel, 4)
    await kernel.execute([envelope(CloseNote(ids[0]))])
    assert await kernel.count(search(), FINDER, ()) == 4
    assert await kernel.count(search(), FINDER, (is_("closed", False),)) == 3


async def test_nothing_of_another_tenant_or_person_is_found(kernel: Kernel):
    own = await notes(kernel, 1, subject="Patient/1")
    stranger = actor(OTHER_TENANT)
    patient = actor(scopes=("patient/Note.s",), subject="Patient/1")
    other = actor(scopes=("patient/Note.s",), subject="Patient/2")
    assert await find(kernel, who=patient) == own
    assert await find(kernel, who=other) == await find(kernel, who=stranger) == []
    assert await kernel.count(search(other), FINDER, ()) == 0


async def test_finding_needs_the_permission_and_leaves_a_record(kernel: Kernel, owner: Any):
    await notes(kernel, 1)
    with pytest.raises(Refused) as refused:
        await find(kernel, who=actor(scopes=("user/Note.r",)))
    assert refused.value.refusal.code == "forbidden"
    await find(kernel)
    rows = await owner.fetch("SELECT action, outcome FROM access_record ORDER BY id")
    assert [tuple(row) for row in rows] == [("search", "forbidden"), ("search", "ok")]


async def test_what_is_sealed_opens_in_its_tenant_and_for_its_purpose_only(kernel: Kernel):
    sealed = await kernel.seal(TENANT, b"position", "test")
    assert await kernel.unseal(TENANT, sealed, "test") == b"position"
    assert await kernel.unseal(TENANT, sealed, "other") is None
    assert await kernel.unseal(OTHER_TENANT, sealed, "test") is None
    assert "position" not in sealed
    for nonsense in ("", "x", "=", "é", sealed[:-4], sealed[:-1] + ("A" if sealed[-1] != "A" else "B"), "\0"):
        assert await kernel.unseal(TENANT, nonsense, "test") in (None, b"position")
    assert await kernel.unseal(TENANT, sealed[:-6], "test") is None


async def test_what_changed_since_is_found_by_its_last_change(kernel: Kernel, manual_clock: ManualClock):
    one, two, three = await notes(kernel, 3)
    early = manual_clock.now()
    late = manual_clock.advance(days=40)
    await kernel.execute([envelope(ChangeNote(two, {"a": "b"}), if_match=1)])

    async def when(operator: Operator, value: Any) -> list[UUID]:
        return await find(kernel, ((Comparison("updated_at", operator, value),),))

    assert await when(">=", late) == [two]
    assert await when(">", early) == [two]
    assert await when(">", late) == []
    assert await when(">=", early) == [three, two, one]
    assert await when("<", late) == await when("<=", early) == await when("=", early) == [three, one]
    either = ((Comparison("updated_at", ">=", late),), (Comparison("id", "=", one),))
    assert await find(kernel, either) == [two, one]

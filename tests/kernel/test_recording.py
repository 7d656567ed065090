"""One record may stand for many that say the same: none of them goes missing, and who came slowly is recorded by itself."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from keepwell.kernel import Actor, Kernel, Origin, Refusal, Refused, several
from keepwell.kernel.journal import StoredAccess, expected_access_hash
from keepwell.kernel.problems import TENANT_DESTROYED, UNAVAILABLE
from keepwell.kernel.recording import EACH, Noted, Recorder
from keepwell.kit.ids import NIL
from tests.support.clock import ManualClock

NOBODY = Actor(NIL, NIL, "anonymous", ())
ORIGIN = Origin("test", "recording-test")


def noted(entity: int = 0, outcome: str = "wrong-password") -> Noted:
    return Noted(NOBODY, "test", "login.password", "user", UUID(int=entity), outcome)


class Written:
    """What was made durable; `away` is why nothing can be now."""

    def __init__(self) -> None:
        self.records: list[StoredAccess] = []
        self.away: Refusal | None = None

    async def write(self, tenant: UUID, record: StoredAccess) -> None:
        assert tenant == record.tenant
        if self.away is not None:
            raise Refused(self.away)
        self.records.append(record)

    @property
    def tries(self) -> int:
        return sum(several(each.action).count for each in self.records)


async def test_who_comes_slowly_is_recorded_one_by_one(manual_clock: ManualClock):
    written = Written()
    recorder = Recorder(written.write, manual_clock)
    for _ in range(3 * EACH.burst):
        await recorder.often(noted(), ORIGIN)
        manual_clock.advance(microseconds=EACH.interval)
    assert [each.action for each in written.records] == ["login.password"] * 3 * EACH.burst
    await recorder.close()


async def test_what_comes_faster_is_counted_from_the_first_to_the_last(manual_clock: ManualClock):
    written = Written()
    recorder = Recorder(written.write, manual_clock)
    for number in range(EACH.burst + 5):
        manual_clock.advance(milliseconds=10 if number >= EACH.burst else 0)
        await recorder.often(noted(), Origin("test", f"request-{number}"))
    await recorder.close()
    *_, last = written.records
    assert len(written.records) == EACH.burst + 1
    told = several(last.action)
    assert (told.action, told.count, told.span) == ("login.password", 5, timedelta(milliseconds=40))
    assert (last.at, last.request_id) == (manual_clock.now(), f"request-{EACH.burst + 4}")
    assert last.hash == expected_access_hash(last)


async def test_what_says_something_else_is_recorded_apart(manual_clock: ManualClock):
    written = Written()
    recorder = Recorder(written.write, manual_clock)
    for _ in range(EACH.burst + 2):
        await recorder.often(noted(1), ORIGIN)
        await recorder.often(noted(2), ORIGIN)
    await recorder.often(noted(1, "user-disabled"), ORIGIN)
    await recorder.close()
    found = {(each.entity.int, each.outcome): 0 for each in written.records}
    for each in written.records:
        found[each.entity.int, each.outcome] += several(each.action).count
    assert found == {
        (1, "wrong-password"): EACH.burst + 2,
        (2, "wrong-password"): EACH.burst + 2,
        (1, "user-disabled"): 1,
    }


async def test_what_cannot_be_written_is_counted_on_until_it_can(manual_clock: ManualClock):
    written = Written()
    recorder = Recorder(written.write, manual_clock)
    for _ in range(EACH.burst):
        await recorder.often(noted(), ORIGIN)
    written.away = Refusal(UNAVAILABLE)
    for _ in range(3):
        await recorder.often(noted(), ORIGIN)
    await recorder.close()
    assert written.tries == EACH.burst
    written.away = None
    await recorder.often(noted(), ORIGIN)
    await recorder.close()
    assert written.tries == EACH.burst + 4
    assert several(written.records[-1].action).count == 4


async def test_what_can_never_be_written_is_let_go(manual_clock: ManualClock):
    written = Written()
    recorder = Recorder(written.write, manual_clock)
    for _ in range(EACH.burst):
        await recorder.often(noted(), ORIGIN)
    written.away = Refusal(TENANT_DESTROYED)
    await recorder.often(noted(), ORIGIN)
    await recorder.close()
    written.away = None
    await recorder.close()
    assert written.tries == EACH.burst


@given(action=st.from_regex(r"[a-z.-]{1,40}", fullmatch=True), count=st.integers(2, 10**8), span=st.integers(0, 10**9))
def test_what_an_action_says_is_read_as_it_was_written(action: str, count: int, span: int):
    told = several(f"{action}.{count}-in-{span}ms")
    assert (told.action, told.count, told.span) == (action, count, timedelta(milliseconds=span))
    assert several(action).count == 1


async def test_a_kernel_that_closes_writes_what_it_counted(kernel: Kernel, owner: Any):
    for _ in range(EACH.burst + 7):
        await kernel.record_often(NOBODY, ORIGIN, "login.password", "user", NIL, "wrong-password")
    await kernel.close()
    rows = await owner.fetch("SELECT action FROM access_record WHERE role = 'anonymous'")
    assert sum(several(row["action"]).count for row in rows) == EACH.burst + 7
    assert len(rows) == EACH.burst + 1

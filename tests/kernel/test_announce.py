"""Who watches a kind is told of its commits: those of this process, and through the bus those of the others."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest

from keepwell.kernel import Kernel
from keepwell.kernel.announce import Announcer, Change
from keepwell.platform.bus import Bus
from keepwell.platform.valkey import Valkey, ValkeySettings
from tests.kernel.conftest import MakeKernel
from tests.support.notes import CATALOG, TENANT, ChangeNote, envelope, written
from tests.support.waiting import eventually_async


@dataclass
class Node:
    """A process as others see it."""

    bus: Bus
    announcer: Announcer
    kernel: Kernel
    told: list[Change] = field(default_factory=list[Change])
    missed: int = 0

    def changed(self, changes: Sequence[Change]) -> None:
        self.told += changes

    def may_have_missed(self) -> None:
        self.missed += 1

    async def has_been_told(self, count: int) -> bool:
        return len(self.told) >= count

    async def hears(self) -> bool:
        return self.bus.well


@pytest.fixture
async def nodes(make_kernel: MakeKernel, valkey_url: str) -> AsyncIterator[list[Node]]:
    async with AsyncExitStack() as stack:
        found: list[Node] = []
        for _ in range(2):
            cache = Valkey(ValkeySettings(valkey_url, timeout=1.0))
            await cache.open()
            stack.push_async_callback(cache.close)
            bus = Bus(cache)
            announcer = Announcer(CATALOG, bus)
            node = Node(bus, announcer, make_kernel(announcer=announcer))
            announcer.watch(["note"], node.changed, node.may_have_missed)
            await bus.open()
            stack.push_async_callback(bus.close)
            await eventually_async(node.hears)
            found.append(node)
        yield found


async def test_every_process_is_told_of_a_change_once(nodes: list[Node]):
    here, there = nodes
    command = written()
    await here.kernel.execute([envelope(command)])
    await here.kernel.execute([envelope(ChangeNote(command.id, {"a": "b"}), if_match=1)])
    expected = [Change(TENANT, "note", command.id, version) for version in (1, 2)]
    assert here.told == expected
    await eventually_async(lambda: there.has_been_told(2))
    assert there.told == expected
    assert here.told == expected, "a process does not hear itself"


async def test_what_was_refused_or_rehearsed_is_not_told(nodes: list[Node]):
    here, _ = nodes
    command = written()
    await here.kernel.execute([envelope(command)], dry_run=True)
    await here.kernel.execute([envelope(ChangeNote(command.id, {}), if_match=1)])
    assert here.told == []


async def test_garbage_on_the_channel_counts_as_something_missed(nodes: list[Node]):
    here, there = nodes
    before = there.missed
    here.bus.publish("keepwell:changes", b"garbage")

    async def noticed() -> bool:
        return there.missed > before

    await eventually_async(noticed)
    assert there.told == []


def test_only_what_is_announced_can_be_watched():
    with pytest.raises(ValueError, match="session"):
        Announcer(CATALOG).watch(["session"], lambda _: None, lambda: None)

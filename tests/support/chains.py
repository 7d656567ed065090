"""Writes true journal entries and access records, the way the kernel stores them, for tests that damage them afterwards."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from keepwell.kernel import journal, store
from keepwell.kernel.journal import GENESIS, StoredAccess, StoredEntry
from keepwell.kernel.store import StateRow
from keepwell.kit.ids import new_id

START = datetime(2026, 1, 31, 23, 59, 59, 999_000, tzinfo=UTC)


@dataclass
class Journalist:
    """Stores batches through `kernel_write`, as keepwell_app, remembering each aggregate's head."""

    connection: Any
    at: datetime = START
    heads: dict[tuple[UUID, str, UUID], tuple[int, bytes]] = field(
        default_factory=dict[tuple[UUID, str, UUID], tuple[int, bytes]]
    )

    async def write(self, *targets: tuple[UUID, str, UUID], reads: int = 0) -> None:
        """One transaction: one entry for each target, and `reads` access records of the first one."""
        before = dict(self.heads)
        entries: list[StoredEntry] = []
        for target in targets:
            self.at += timedelta(milliseconds=1)
            entries.append(self.entry(target))
        states = [self._state(target, before.get(target, (0, b""))[0]) for target in dict.fromkeys(targets)]
        records = [self.record(targets[0]) for _ in range(reads)]
        await store.write(self.connection, states, entries, [], records)

    def entry(self, target: tuple[UUID, str, UUID]) -> StoredEntry:
        version, previous = self.heads.get(target, (0, GENESIS))
        names, agent = ("noted", "things.note"), (UUID(int=7), "clinician", "rest", "request-1", "TREAT")
        payload = f"sealed {version + 1}".encode()
        hash_ = journal.entry_hash(previous, *target, version + 1, self.at, *names, *agent, payload)
        self.heads[target] = (version + 1, hash_)
        return StoredEntry(*target, version + 1, self.at, *names, *agent, payload, previous, hash_)

    def record(self, target: tuple[UUID, str, UUID]) -> StoredAccess:
        tenant, kind, entity = target
        self.at += timedelta(milliseconds=1)
        id_, agent = new_id(), (UUID(int=7), "clinician", "rest", "request-2", "TREAT")
        digest = journal.access_digest(tenant, entity, self.at, id_, kind, "read", *agent)
        return StoredAccess(tenant, entity, self.at, id_, kind, 1, "read", "ok", *agent, journal.access_hash(digest, 1, "ok"))

    def _state(self, target: tuple[UUID, str, UUID], expected: int) -> StateRow:
        version, head = self.heads[target]
        return StateRow(*target, expected, version, None, None, START, self.at, head, b"sealed state")

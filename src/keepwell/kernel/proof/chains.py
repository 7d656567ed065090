"""Walks the journal's chains, one aggregate after another, and says what breaks them. Pure: rows in, findings out."""

from collections.abc import Callable
from uuid import UUID

import msgspec

from keepwell.kernel import journal
from keepwell.kernel.journal import GENESIS, StoredEntry
from keepwell.kernel.proof.findings import Damage, Finding

TABLE = "journal_entry"


class Stored(msgspec.Struct, frozen=True):
    """What the aggregate's own row says: its version and the hash of its newest entry."""

    version: int
    head: bytes


class Horizon(msgspec.Struct, frozen=True):
    """Where rows can be in the order of transactions: those from `covered` are in no checkpoint yet, none is from `end` on."""

    covered: int
    end: int


class ChainWalker:
    """Takes every entry, aggregates contiguous and versions ascending, then `finish`. Reports the first break of each kind.

    A link is accepted when it names the previous entry's stored hash or the hash that entry should have: one altered entry is
    one finding, and its innocent successor is none.
    """

    def __init__(self, report: Callable[[Finding], None], horizon: Horizon) -> None:
        self._report = report
        self._horizon = horizon
        self._last: StoredEntry | None = None
        self._links: tuple[bytes, ...] = ()
        self._xid = 0
        self._stored: Stored | None = None
        self.entries = 0
        self.aggregates = 0

    def take(self, entry: StoredEntry, xid: int, written_by: int, stored: Stored | None) -> None:
        """`written_by` is the low 32 bits of the transaction that wrote the row; `stored` the aggregate's row, if any."""
        self.entries += 1
        last = self._last
        if last is None or (last.tenant, last.kind, last.id) != (entry.tenant, entry.kind, entry.id):
            self.finish()
            self.aggregates += 1
            last = None
            self._links, self._xid = (GENESIS,), 0
        self._sequence(entry, last)
        recomputed = journal.expected_hash(entry)
        if recomputed != entry.hash:
            self._find(Damage.ALTERED, entry, "its hash is not the hash of its columns")
        elif entry.previous not in self._links:
            self._find(Damage.UNLINKED, entry, "it does not continue the entry before it")
        self._order(entry, last, xid, written_by)
        self._last, self._links, self._xid, self._stored = entry, (entry.hash, recomputed), xid, stored

    def finish(self) -> None:
        """Compares the aggregate that just ended with its own row."""
        last, stored = self._last, self._stored
        self._last = None
        if last is None:
            return
        if stored is None:
            self._find(Damage.STATELESS, last, "there are entries but no aggregate")
        elif stored.version > last.version:
            first, newest = last.version + 1, stored.version
            self._report(
                Finding(
                    Damage.MISSING, TABLE, f"the aggregate is at version {newest}, the journal ends before", *_name(last), first
                )
            )
        elif stored.version < last.version or stored.head not in self._links:
            self._find(Damage.HEAD, last, f"the aggregate, at version {stored.version}, does not point to its last entry")

    def _sequence(self, entry: StoredEntry, last: StoredEntry | None) -> None:
        wanted = 1 if last is None else last.version + 1
        if entry.version == wanted:
            return
        if entry.version < wanted:
            self._find(Damage.DOUBLED, entry, "this version is there twice, or is none")
            return
        detail = f"the journal goes on with version {entry.version}"
        self._report(Finding(Damage.MISSING, TABLE, detail, *_name(entry), wanted))
        # The link over the gap is broken too, which is the same damage.
        self._links = (entry.previous,)

    def _order(self, entry: StoredEntry, last: StoredEntry | None, xid: int, written_by: int) -> None:
        if last is not None and entry.at < last.at:
            self._find(Damage.DISORDERED, entry, "its instant lies before the entry before it")
        if xid < self._xid or xid >= self._horizon.end:
            self._find(Damage.DISORDERED, entry, f"its transaction {xid} is out of order")
        elif xid >= self._horizon.covered and written_by != xid & 0xFFFFFFFF:
            self._find(Damage.REWRITTEN, entry, f"it was written after transaction {xid}, which it names")

    def _find(self, damage: Damage, entry: StoredEntry, detail: str) -> None:
        self._report(Finding(damage, TABLE, detail, *_name(entry), entry.version))


def _name(entry: StoredEntry) -> tuple[UUID, str, UUID]:
    return entry.tenant, entry.kind, entry.id

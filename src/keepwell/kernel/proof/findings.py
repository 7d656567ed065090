"""What proof and rebuild report: where the damage is and of which kind, never what the damaged thing said."""

from collections import Counter
from enum import StrEnum
from uuid import UUID

import msgspec

_KEPT = 25


class Damage(StrEnum):
    """The kinds of damage. The value is the stable word that reports and exit messages use."""

    ALTERED = "altered"
    """The row's hash is not the hash of its columns."""
    MISSING = "missing"
    """Versions start above 1, leave a gap, or end below the aggregate's."""
    DOUBLED = "doubled"
    """Two entries claim one version."""
    UNLINKED = "unlinked"
    """An entry does not continue the one before it."""
    DISORDERED = "disordered"
    """An entry's instant or transaction lies before its predecessor's, or its transaction has not begun yet."""
    REWRITTEN = "rewritten"
    """The row was not written by the transaction it names (looked at only beyond the last checkpoint)."""
    HEAD = "head"
    """The aggregate's version or head is not the last entry's."""
    UNJOURNALED = "unjournaled"
    """An aggregate, or a look-up row, that the journal knows nothing of."""
    STATELESS = "stateless"
    """Entries, but no aggregate."""
    CHECKPOINT = "checkpoint"
    """A checkpoint's row was altered or its signature does not hold."""
    ROOT = "root"
    """The rows of a checkpoint are not the ones that were signed: altered, removed, added or reordered."""
    TRUNCATED = "truncated"
    """The log is shorter than a checkpoint kept elsewhere."""
    UNREADABLE = "unreadable"
    """A sealed value does not open or decode: its key is gone, or it was altered or moved."""
    COLUMN = "column"
    """A stored column is not what the journal says."""
    ABSENT = "absent"
    """A row the journal says must exist does not."""


class Finding(msgspec.Struct, frozen=True):
    """One damaged place. `id` is the aggregate's, or an access record's own; `detail` holds names and numbers only."""

    damage: Damage
    table: str
    detail: str
    tenant: UUID | None = None
    kind: str = ""
    id: UUID | None = None
    version: int = 0
    column: str = ""

    def __str__(self) -> str:
        place = f" tenant {self.tenant}" if self.tenant else ""
        if self.id:
            place += f" {self.kind}/{self.id}"
        if self.version:
            place += f" version {self.version}"
        table = f"{self.table}.{self.column}" if self.column else self.table
        return f"{self.damage} {table}{place}: {self.detail}"


class Findings:
    """Gathers findings in bounded memory: the first ones of each kind of damage, and the count of all."""

    def __init__(self) -> None:
        self._kept: list[Finding] = []
        self.counts: Counter[Damage] = Counter()

    def add(self, finding: Finding) -> None:
        self.counts[finding.damage] += 1
        if self.counts[finding.damage] <= _KEPT:
            self._kept.append(finding)

    def kept(self) -> tuple[Finding, ...]:
        return tuple(self._kept)

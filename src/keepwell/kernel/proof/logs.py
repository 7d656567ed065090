"""Recomputes a log's Merkle tree along its checkpoints, stored and exported, in one pass over the rows.

Two trees grow: the whole one, from the first row on, which exported checkpoints are held against; and the one of the ranges,
which starts again from what was signed after each range that does not fit, so that later ranges are judged by themselves.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from keepwell.kernel.proof import checkpoints
from keepwell.kernel.proof.checkpoints import Leaf, StoredCheckpoint
from keepwell.kernel.proof.findings import Damage, Finding
from keepwell.kernel.proof.merkle import Tree
from keepwell.kernel.proof.notes import Checkpoint, Verifier

_PAGE = 100


class LogTotals(msgspec.Struct, frozen=True):
    """How much of a log there is: leaves in all, leaves that no stored checkpoint covers yet, and checkpoints looked at."""

    size: int
    uncovered: int
    checkpoints: int
    exported: int


class LogProof:
    """One verification of one log. `covered` is, after `run`, the first transaction that no stored checkpoint covers."""

    def __init__(self, log: str, verifier: Verifier, report: Callable[[Finding], None], exported: Sequence[Checkpoint]) -> None:
        self._log = log
        self._verifier = verifier
        self._report = report
        self._exported = sorted(exported, key=lambda checkpoint: checkpoint.size)
        self._held = 0
        self._held_size = 0
        self._whole = Tree()
        self._ranged = self._whole
        self._reached = 0
        self._first: Leaf | None = None
        self.covered = 0
        self._checkpoints = 0

    async def run(self, connection: Any) -> LogTotals:
        """Reads the whole log in the caller's snapshot and reports what does not fit."""
        self._hold()
        above = -1
        while page := await checkpoints.stored(connection, self._log, above, _PAGE):
            above = page[-1].size
            await self._cover(connection, [each for each in page if self._usable(each)])
        covered = self._whole.size
        async for leaf in checkpoints.leaves(connection, self._log, self.covered, None):
            self._append(leaf)
        for checkpoint in self._exported[self._held :]:
            self._find(Damage.TRUNCATED, f"it has {self._whole.size} rows, an exported checkpoint has {checkpoint.size}")
        return LogTotals(self._whole.size, self._whole.size - covered, self._checkpoints, len(self._exported))

    def _usable(self, stored: StoredCheckpoint) -> bool:
        """Whether a stored checkpoint says something to hold the rows against; reports what is wrong with it."""
        self._checkpoints += 1
        fault = stored.fault(self._verifier)
        if fault is None and (stored.below < self._reached or stored.size <= 0):
            fault = "it goes back behind the checkpoint before it"
        if fault is not None:
            self._find(Damage.CHECKPOINT, f"the stored checkpoint of size {stored.size}: {fault}", table="checkpoint")
            return False
        self._reached = stored.below
        return True

    async def _cover(self, connection: Any, marks: Sequence[StoredCheckpoint]) -> None:
        if not marks:
            return
        waiting = iter(marks)
        mark = next(waiting)
        async for leaf in checkpoints.leaves(connection, self._log, self.covered, marks[-1].below):
            while leaf.xid >= mark.below:
                self._close(mark)
                mark = next(waiting)
            self._first = self._first or leaf
            self._append(leaf)
        self._close(mark)
        for mark in waiting:
            self._close(mark)

    def _append(self, leaf: Leaf) -> None:
        self._whole.append(leaf.data)
        if self._ranged is not self._whole:
            self._ranged.append(leaf.data)
        self._hold()

    def _close(self, mark: StoredCheckpoint) -> None:
        """Holds the range that ends here against what was signed; goes on from what was signed."""
        if (self._ranged.size, self._ranged.root()) != (mark.size, mark.root):
            start = f"transactions {self.covered} to {mark.below - 1}"
            sizes = f"{mark.size} rows were signed up to here, {self._ranged.size} are there"
            self._find(
                Damage.ROOT, f"{start} are not what the checkpoint of {mark.at:%Y-%m-%dT%H:%M:%SZ} signed; {sizes}", self._first
            )
            self._ranged = mark.tree()
        self.covered = mark.below
        self._first = None

    def _hold(self) -> None:
        """Holds the whole tree against the exported checkpoints of just its size."""
        while self._held < len(self._exported) and self._exported[self._held].size == self._whole.size:
            checkpoint = self._exported[self._held]
            if checkpoint.root == self._whole.root():
                self._held_size = checkpoint.size
            else:
                rows = f"rows {self._held_size + 1} to {checkpoint.size}"
                self._find(Damage.ROOT, f"{rows} are not what the exported checkpoint of size {checkpoint.size} signed")
            self._held += 1

    def _find(self, damage: Damage, detail: str, leaf: Leaf | None = None, table: str = "") -> None:
        table = table or checkpoints.TABLES[self._log]
        if leaf is None:
            self._report(Finding(damage, table, f"{self._log}: {detail}"))
        else:
            detail = f"{self._log}: {detail}; the first row there is"
            self._report(Finding(damage, table, detail, leaf.tenant, leaf.kind, leaf.id, leaf.version))

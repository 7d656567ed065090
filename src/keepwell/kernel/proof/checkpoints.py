"""Signed Merkle roots over the whole journal and over all access records.

A leaf is the row's transaction id (8 bytes) and its hash (32 bytes). Leaves stand in the order of their transactions; only
transactions below a snapshot's xmin are taken in, because nothing can be added below it any more. The row order within a
transaction is the primary key's, kinds compared byte by byte whatever the database's collation.
"""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import msgspec

from keepwell.kernel.proof.merkle import Tree
from keepwell.kernel.proof.notes import BadNote, Checkpoint, Signer, Verifier
from keepwell.kit.time import Clock

SIGNING_KEY = "keepwell checkpoint signing v1"
"""The label under which the key ring derives the seed of the signing key."""

JOURNAL = "journal"
ACCESS = "access"
LOGS = (JOURNAL, ACCESS)
TABLES = {JOURNAL: "journal_entry", ACCESS: "access_record"}

PATIENCE = 24 * 3600.0
"""Seconds a statement of a whole-table walk may take: the pool's own bound is for requests."""

_PREFETCH = 2000


class BrokenCheckpointError(Exception):
    """The newest checkpoint cannot be built upon: it was altered, or the server's transaction counter is behind it."""


class Leaf(NamedTuple):
    """A row as a leaf of its log, with what names it. `id` is the aggregate's, or the access record's own."""

    xid: int
    hash: bytes
    tenant: Any
    kind: str
    id: Any
    version: int

    @property
    def data(self) -> bytes:
        return self.xid.to_bytes(8, "big") + self.hash


class StoredCheckpoint(msgspec.Struct, frozen=True):
    """One row of `checkpoint` as stored."""

    log: str
    size: int
    below: int
    root: bytes
    frontier: tuple[bytes, ...]
    at: Any
    note: str

    def fault(self, verifier: Verifier) -> str | None:
        """What is wrong with the row by itself, in words; None when note, columns and frontier agree."""
        try:
            signed = verifier.open(self.note)
        except BadNote as error:
            return str(error)
        if signed != Checkpoint(self.log, self.size, self.root, self.below, self.at):
            return "its columns differ from what was signed"
        try:
            tree = self.tree()
        except ValueError as error:
            return str(error)
        return None if tree.root() == self.root else "its frontier has another root"

    def tree(self) -> Tree:
        """The tree this checkpoint was made from.

        Raises:
            ValueError: the frontier cannot belong to a tree of this size.
        """
        return Tree(self.size, self.frontier)


async def unhurried(connection: Any) -> None:
    """Lifts the time limits of requests for the current transaction, which walks whole tables."""
    await connection.execute(
        "SELECT set_config('statement_timeout', '0', true), set_config('transaction_timeout', '0', true), "
        "set_config('idle_in_transaction_session_timeout', '60s', true), set_config('lock_timeout', '60s', true)"
    )


async def append(connection: Any, log: str, seed: bytes, clock: Clock) -> Checkpoint | None:
    """Signs and stores a checkpoint over all complete transactions; None when nothing came since the last one.

    `connection` acts as keepwell_auditor and is outside a transaction. Writers of one log wait for each other.

    Raises:
        BrokenCheckpointError: the newest checkpoint must not be built upon. Nothing was stored.
    """
    signer = Signer(seed)
    # Read committed: each statement after the lock must see what the last holder of the lock stored.
    async with connection.transaction(isolation="read_committed"):
        await unhurried(connection)
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", f"keepwell.checkpoint.{log}", timeout=PATIENCE)
        tree, start = await _newest(connection, log, signer.verifier)
        below = await connection.fetchval("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        if below < start:
            raise BrokenCheckpointError(f"the server's transaction counter ({below}) is behind the {log} checkpoint ({start})")
        size = tree.size
        async for leaf in leaves(connection, log, start, below):
            tree.append(leaf.data)
        if tree.size == size:
            return None
        checkpoint = Checkpoint(log, tree.size, tree.root(), below, clock.now())
        note = signer.sign(checkpoint)
        await connection.execute(_INSERT, log, tree.size, below, checkpoint.root, list(tree.frontier), checkpoint.at, note)
    return checkpoint


async def exported(connection: Any) -> list[str]:
    """The newest checkpoint of each log as text, to be kept where this server's administrators cannot reach."""
    rows = await connection.fetch("SELECT DISTINCT ON (log) note FROM checkpoint ORDER BY log, size DESC")
    return [row["note"] for row in rows]


async def leaves(connection: Any, log: str, start: int, below: int | None) -> AsyncIterator[Leaf]:
    """The log's leaves of transactions from `start` up to but without `below`, in order, in bounded memory."""
    condition = "xid >= $1" if below is None else "xid >= $1 AND xid < $2"
    arguments = (start,) if below is None else (start, below)
    async for row in connection.cursor(_LEAVES[log].format(condition), *arguments, prefetch=_PREFETCH, timeout=PATIENCE):
        yield Leaf._make(row)


async def stored(connection: Any, log: str, above: int, most: int) -> list[StoredCheckpoint]:
    """Up to `most` checkpoint rows of a log with a size above `above`, smallest first."""
    rows = await connection.fetch(_PAGE, log, above, most)
    return [_stored(row) for row in rows]


async def _newest(connection: Any, log: str, verifier: Verifier) -> tuple[Tree, int]:
    row = await connection.fetchrow(_NEWEST, log)
    if row is None:
        return Tree(), 0
    newest = _stored(row)
    fault = newest.fault(verifier)
    if fault:
        raise BrokenCheckpointError(f"the newest {log} checkpoint, of size {newest.size}, was altered: {fault}")
    return newest.tree(), newest.below


def _stored(row: Any) -> StoredCheckpoint:
    log, size, below, root, frontier, at, note = row
    nodes = tuple(node if isinstance(node, bytes) else b"" for node in frontier)
    return StoredCheckpoint(log, size, below, root, nodes, at, note)


# An instant that Python cannot hold was written by nobody; held to Python's range it differs from what was signed.
_COLUMNS = (
    "SELECT log, size, below, root, frontier, "
    "least(greatest(at, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59.999999+00'), note FROM checkpoint"
)
_NEWEST = f"{_COLUMNS} WHERE log = $1 ORDER BY size DESC LIMIT 1"
_PAGE = f"{_COLUMNS} WHERE log = $1 AND size > $2 ORDER BY size LIMIT $3"
_INSERT = "INSERT INTO checkpoint (log, size, below, root, frontier, at, note) VALUES ($1, $2, $3, $4, $5, $6, $7)"
_LEAVES = {
    JOURNAL: "SELECT xid, hash, tenant_id, kind, id, version FROM journal_entry WHERE {} "
    'ORDER BY xid, tenant_id, kind COLLATE "C", id, version, at',
    ACCESS: "SELECT xid, hash, tenant_id, kind, id, version FROM access_record WHERE {} ORDER BY xid, tenant_id, entity, at, id",
}

"""The journal's arithmetic: what an entry is, what its hash covers, and how entries fold back into state.

Every hash is SHA-256 over length-prefixed fields, so that no two different entries have the same bytes. An entry's hash
covers the hash of the previous entry of the same aggregate; the first one's `previous` is 32 zero bytes.
"""

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from keepwell.kernel.aggregate import Aggregate
from keepwell.kit.ids import new_id
from keepwell.kit.time import microseconds

GENESIS = bytes(32)


class StoredEntry(msgspec.Struct, frozen=True):
    """One row of `journal_entry` as stored: `payload` is ciphertext, so a chain can be verified without any key."""

    tenant: UUID
    kind: str
    id: UUID
    version: int
    at: datetime
    event: str
    command: str
    actor: UUID
    role: str
    door: str
    request_id: str
    purpose: str
    payload: bytes
    previous: bytes
    hash: bytes


class StoredAccess(msgspec.Struct, frozen=True):
    """One row of `access_record` as stored."""

    tenant: UUID
    entity: UUID
    at: datetime
    id: UUID
    kind: str
    version: int
    action: str
    outcome: str
    actor: UUID
    role: str
    door: str
    request_id: str
    purpose: str
    hash: bytes


class Entry(msgspec.Struct, frozen=True):
    """A journal entry as its readers see it, the event decrypted and decoded."""

    version: int
    at: datetime
    event: Any
    command: str
    actor: UUID
    role: str
    door: str
    request_id: str
    purpose: str


def _framed(*fields: bytes) -> bytes:
    return b"".join([b"%d:%b" % (len(field), field) for field in fields])


def entry_hash(  # noqa: PLR0913 - an entry has this many fields, and the hash covers each
    previous: bytes,
    tenant: UUID,
    kind: str,
    id: UUID,
    version: int,
    at: datetime,
    event: str,
    command: str,
    actor: UUID,
    role: str,
    door: str,
    request_id: str,
    purpose: str,
    payload: bytes,
) -> bytes:
    """The 32-byte hash of one entry, chained to the one before it."""
    texts = f"{kind}\0{version}\0{microseconds(at)}\0{event}\0{command}\0{role}\0{door}\0{request_id}\0{purpose}"
    return sha256(_framed(previous, tenant.bytes, id.bytes, actor.bytes, texts.encode(), payload)).digest()


def expected_hash(entry: StoredEntry) -> bytes:
    """The hash that a stored entry should carry, computed from its columns."""
    return entry_hash(
        entry.previous,
        entry.tenant,
        entry.kind,
        entry.id,
        entry.version,
        entry.at,
        entry.event,
        entry.command,
        entry.actor,
        entry.role,
        entry.door,
        entry.request_id,
        entry.purpose,
        entry.payload,
    )


def access_digest(  # noqa: PLR0913 - as above
    tenant: UUID,
    entity: UUID,
    at: datetime,
    id: UUID,
    kind: str,
    action: str,
    actor: UUID,
    role: str,
    door: str,
    request_id: str,
    purpose: str,
) -> bytes:
    """What a reader knows of an access record before the database has answered; `access_hash` completes it."""
    texts = f"{kind}\0{microseconds(at)}\0{action}\0{role}\0{door}\0{request_id}\0{purpose}"
    return sha256(_framed(tenant.bytes, entity.bytes, id.bytes, actor.bytes, texts.encode())).digest()


def access_hash(digest: bytes, version: int, outcome: str) -> bytes:
    """The hash of an access record. The same expression stands in SQL, in `kernel_read`."""
    return sha256(digest + version.to_bytes(4, "big") + outcome.encode()).digest()


def expected_access_hash(record: StoredAccess) -> bytes:
    """The hash that a stored access record should carry, computed from its columns."""
    digest = access_digest(
        record.tenant,
        record.entity,
        record.at,
        record.id,
        record.kind,
        record.action,
        record.actor,
        record.role,
        record.door,
        record.request_id,
        record.purpose,
    )
    return access_hash(digest, record.version, record.outcome)


def access_record(who: Any, kind: str, entity: UUID, at: datetime, action: str, outcome: str, version: int = 0) -> StoredAccess:
    """An access record of what `who` (anything with an actor and an origin) did or was refused."""
    actor, origin, id_ = who.actor, who.origin, new_id()
    agent = (actor.id, actor.role, origin.door, origin.request_id, actor.purpose or origin.purpose)
    digest = access_digest(actor.tenant, entity, at, id_, kind, action, *agent)
    hash_ = access_hash(digest, version, outcome)
    return StoredAccess(actor.tenant, entity, at, id_, kind, version, action, outcome, *agent, hash_)


def fold(aggregate: Aggregate, events: Iterable[Any]) -> Any:
    """The state after `events`, oldest first; None after none."""
    state: Any = None
    for event in events:
        state = aggregate.evolve(state, event)
    return state


def event_name(event: Any) -> str:
    """The stable name an event is stored under: its msgspec tag."""
    tag = event.__struct_config__.tag
    if not isinstance(tag, str):
        raise TypeError("events are tagged structs")
    return tag

"""States, events and outcomes as stored bytes: MessagePack of tagged structs, sealed under the tenant's key."""

from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from keepwell.kernel.aggregate import Aggregate, Catalog
from keepwell.kernel.envelope import Outcome, Snapshot
from keepwell.kernel.journal import Entry
from keepwell.kernel.keys import TenantKeys
from keepwell.kernel.problems import Refusal

_text = lru_cache(maxsize=4096)(str)
"""An id as text. One command needs it several times, and making it is dearer than finding it."""

_pack = msgspec.msgpack.Encoder().encode
encode_json = msgspec.json.Encoder().encode


class StoredOutcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """An outcome as kept for replays."""

    kind: str
    id: UUID
    version: int = 0
    body: bytes = b""
    refusal: Refusal | None = None
    told: dict[str, Any] = {}


class Codec:
    """Encodes and decodes for every kind of the catalog. Decoders are built once."""

    def __init__(self, catalog: Catalog) -> None:
        self._states = {kind: msgspec.msgpack.Decoder(aggregate.state) for kind, aggregate in catalog.kinds.items()}
        self._events = {kind: msgspec.msgpack.Decoder(aggregate.event) for kind, aggregate in catalog.kinds.items()}
        self._outcome = msgspec.msgpack.Decoder(StoredOutcome)

    def seal_state(self, keys: TenantKeys, kind: str, id: UUID, version: int, state: Any) -> bytes:
        return keys.seal(_pack(state), "aggregate", "state", f"{kind}/{_text(id)}/{version}")

    def open_state(self, keys: TenantKeys, kind: str, id: UUID, version: int, envelope: bytes) -> Any:
        """The state.

        Raises:
            UnreadableError: the envelope does not open.
            msgspec.ValidationError: the bytes are no state of this kind.
        """
        return self._states[kind].decode(keys.open(envelope, "aggregate", "state", f"{kind}/{_text(id)}/{version}"))

    def pack_state(self, state: Any) -> bytes:
        """A state as bytes, not sealed: for this process's memory only."""
        return _pack(state)

    def unpack_state(self, kind: str, packed: bytes) -> Any:
        """The state that `pack_state` was given."""
        return self._states[kind].decode(packed)

    def seal_event(self, keys: TenantKeys, kind: str, id: UUID, version: int, event: Any) -> bytes:
        return keys.seal(_pack(event), "journal_entry", "payload", f"{kind}/{_text(id)}/{version}")

    def open_event(self, keys: TenantKeys, kind: str, id: UUID, version: int, envelope: bytes) -> Any:
        """The event. Raises as `open_state` does."""
        return self._events[kind].decode(keys.open(envelope, "journal_entry", "payload", f"{kind}/{_text(id)}/{version}"))

    def seal_outcome(self, keys: TenantKeys, key: bytes, outcome: Outcome) -> bytes:
        stored = StoredOutcome(outcome.kind, outcome.id, outcome.version, outcome.body, outcome.refusal, dict(outcome.told))
        return keys.seal(_pack(stored), "idempotency", "outcome", key.hex())

    def open_outcome(self, keys: TenantKeys, key: bytes, envelope: bytes) -> Outcome:
        """The first outcome, marked as replayed. Raises as `open_state` does."""
        stored = self._outcome.decode(keys.open(envelope, "idempotency", "outcome", key.hex()))
        told = (stored.kind, stored.id, stored.version, stored.body, stored.refusal)
        return Outcome(*told, replayed=True, told=stored.told)

    def seal_view(self, keys: TenantKeys, kind: str, id: UUID, known: bytes, body: bytes) -> bytes:
        """What a caller sees of one stored state, for the cache. `known` names that state exactly."""
        return keys.seal(body, "aggregate", "view", f"{kind}/{id}/{known.hex()}")

    def open_view(self, keys: TenantKeys, kind: str, id: UUID, known: bytes, envelope: bytes) -> bytes:
        """The body. Raises as `open_state` does."""
        return keys.open(envelope, "aggregate", "view", f"{kind}/{id}/{known.hex()}")

    def snapshot(self, keys: TenantKeys, kind: str, id: UUID, row: Any, envelope: bytes) -> Snapshot:
        """The aggregate in a loaded row, decrypted."""
        version = row["version"]
        state = self.open_state(keys, kind, id, version, envelope)
        return Snapshot(kind, id, version, state, row["created_at"], row["updated_at"], row["head"])


def readable(codec: Codec, keys: TenantKeys, kind: str, id: UUID, row: Any) -> Entry:
    """A row of the journal as its readers see it. Raises as `open_state` does."""
    event = codec.open_event(keys, kind, id, row["version"], row["payload"])
    told = (row[name] for name in ("command", "actor", "role", "door", "request_id", "purpose"))
    return Entry(row["version"], row["at"], event, *told)


def view_json(aggregate: Aggregate, snapshot: Snapshot) -> bytes:
    """What a caller sees of an aggregate, as JSON."""
    return encode_json(aggregate.view(snapshot))

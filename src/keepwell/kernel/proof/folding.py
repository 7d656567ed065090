"""What the journal says an aggregate's rows must hold, and where stored rows say otherwise. Pure.

Only a whole, unbroken chain is believed: state rebuilt from an altered journal would make the alteration look true.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import msgspec

from keepwell.kernel import journal
from keepwell.kernel.aggregate import Aggregate, Lookup
from keepwell.kernel.codec import Codec
from keepwell.kernel.envelope import Snapshot
from keepwell.kernel.journal import GENESIS, StoredEntry
from keepwell.kernel.keys import TenantKeys
from keepwell.kernel.plan import LookupRow, compartment
from keepwell.kernel.proof.findings import Damage, Finding
from keepwell.kernel.store import StateRow
from keepwell.platform.crypto import UnreadableError

AGGREGATE_COLUMNS = ("version", "compartment", "valid_until", "created_at", "updated_at", "head", "state")

_canonical = msgspec.msgpack.Encoder(order="deterministic").encode


class Fault(msgspec.Struct, frozen=True):
    """Why an aggregate's journal cannot be folded, and at which version."""

    damage: Damage
    detail: str
    version: int


class Folding:
    """Folds one aggregate's entries, taken oldest first. After a fault, `fault` says what stopped it and `state` is void."""

    def __init__(
        self, tenant: UUID, kind: str, id: UUID, aggregate: Aggregate | None, codec: Codec, keys: TenantKeys | None
    ) -> None:
        self.tenant, self.kind, self.id = tenant, kind, id
        self.aggregate = aggregate
        self._codec = codec
        self._keys = keys
        self.version = 0
        self.head = GENESIS
        self.created_at = self.updated_at = datetime.min.replace(tzinfo=UTC)
        self.state: Any = None
        self.fault: Fault | None = None

    def take(self, entry: StoredEntry) -> None:
        """Goes one version on."""
        self._link(entry)
        self.created_at = self.created_at if self.version else entry.at
        self.version, self.updated_at, self.head = entry.version, entry.at, entry.hash
        if self.fault is None:
            self._evolve(entry)

    def snapshot(self) -> Snapshot:
        return Snapshot(self.kind, self.id, self.version, self.state, self.created_at, self.updated_at, self.head)

    def _link(self, entry: StoredEntry) -> None:
        if self.fault is not None:
            return
        if entry.version != self.version + 1:
            self.fault = Fault(Damage.MISSING, f"the journal goes on with version {entry.version}", self.version + 1)
        elif entry.previous != self.head or journal.expected_hash(entry) != entry.hash:
            self.fault = Fault(Damage.ALTERED, "the journal's chain is broken here", entry.version)

    def _evolve(self, entry: StoredEntry) -> None:
        if self.aggregate is None:
            self.fault = Fault(Damage.UNREADABLE, "no room of this program keeps this kind", entry.version)
            return
        if self._keys is None:
            self.fault = Fault(Damage.UNREADABLE, "the tenant's keys are gone", entry.version)
            return
        try:
            event = self._codec.open_event(self._keys, self.kind, self.id, entry.version, entry.payload)
            self.state = self.aggregate.evolve(self.state, event)
        except (UnreadableError, msgspec.DecodeError):
            self.fault = Fault(Damage.UNREADABLE, "the payload does not open or decode", entry.version)
        except Exception as error:  # noqa: BLE001 - one event a room cannot take must not hide the rest of the damage
            self.fault = Fault(Damage.UNREADABLE, f"the room could not take the event: {type(error).__name__}", entry.version)

    def state_row(self, keys: TenantKeys, aggregate: Aggregate) -> StateRow:
        """The aggregate's row as it must be, the state sealed afresh."""
        sealed = self._codec.seal_state(keys, self.kind, self.id, self.version, self.state)
        instants = (self.created_at, self.updated_at)
        return StateRow(
            self.tenant,
            self.kind,
            self.id,
            self.version,
            self.version,
            *_derived(aggregate, self.state, keys),
            *instants,
            self.head,
            sealed,
        )

    def lookup_row(self, keys: TenantKeys, lookup: Lookup) -> LookupRow:
        """The look-up row as it must be."""
        return LookupRow(self.kind, self.tenant, self.id, tuple(lookup.row(self.snapshot(), keys.blind)))

    def compare(self, row: Mapping[str, Any] | None, looked_up: Sequence[Any] | None) -> list[Finding]:
        """What the stored rows say otherwise. `looked_up` holds the values of the look-up row, in the order of its columns."""
        found: list[Finding] = []
        if self.fault is not None:
            found.append(Finding(self.fault.damage, "journal_entry", self.fault.detail, *self._name, self.fault.version))
        if row is None:
            found.append(Finding(Damage.ABSENT, "aggregate", "the journal has entries of it", *self._name, self.version))
        else:
            found += [self._column("aggregate", name) for name in self._wrong_columns(row)]
        if self.fault is None and self.aggregate is not None and self.aggregate.lookup is not None and self._keys is not None:
            found += self._wrong_lookup(self.aggregate.lookup, self._keys, looked_up)
        return found

    @property
    def _name(self) -> tuple[UUID, str, UUID]:
        return self.tenant, self.kind, self.id

    def _column(self, table: str, column: str) -> Finding:
        return Finding(Damage.COLUMN, table, "not what the journal says", *self._name, self.version, column)

    def _wrong_columns(self, row: Mapping[str, Any]) -> list[str]:
        wanted: dict[str, Any] = {
            "version": self.version,
            "updated_at": self.updated_at,
            "head": self.head,
        }
        if self.fault is None or self.fault.version > 1:
            wanted["created_at"] = self.created_at
        if self.fault is None and self.aggregate is not None and self._keys is not None:
            wanted["compartment"], wanted["valid_until"] = _derived(self.aggregate, self.state, self._keys)
        wrong = [name for name in AGGREGATE_COLUMNS if name in wanted and row[name] != wanted[name]]
        if self.fault is None and self._keys is not None and not self._same_state(self._keys, row["state"]):
            wrong.append("state")
        return wrong

    def _same_state(self, keys: TenantKeys, envelope: bytes) -> bool:
        # Opened as the version it must be of: an older state put back does not pass for the newest.
        try:
            stored = self._codec.open_state(keys, self.kind, self.id, self.version, envelope)
        except (UnreadableError, msgspec.DecodeError):
            return False
        return _canonical(stored) == _canonical(self.state)

    def _wrong_lookup(self, lookup: Lookup, keys: TenantKeys, stored: Sequence[Any] | None) -> list[Finding]:
        if stored is None:
            return [Finding(Damage.ABSENT, lookup.table, "the journal has entries of it", *self._name, self.version)]
        wanted = self.lookup_row(keys, lookup).values
        pairs = zip(lookup.columns.items(), wanted, stored, strict=True)
        return [
            self._column(lookup.table, name) for (name, type_), one, other in pairs if _plain(type_, one) != _plain(type_, other)
        ]


def _derived(aggregate: Aggregate, state: Any, keys: TenantKeys) -> tuple[bytes | None, datetime | None]:
    return compartment(aggregate, state, keys), None if aggregate.valid_until is None else aggregate.valid_until(state)


def _plain(type_: str, value: Any) -> Any:
    """A value in the one form in which what was written and what is read back are equal."""
    if value is not None and type_ in {"json", "jsonb"}:
        return msgspec.json.decode(value)
    return tuple(cast("Sequence[Any]", value)) if isinstance(value, list | tuple) else value

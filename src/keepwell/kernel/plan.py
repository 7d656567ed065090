"""Deciding a batch, in memory, between the load and the write. No input or output happens here.

A plan starts from what was loaded, decides each command in order on the state the commands before it left, and ends as the
rows to store. Commands of one parcel that must go together are taken back together.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from keepwell.kernel import journal
from keepwell.kernel.admission import Admitted
from keepwell.kernel.aggregate import Aggregate, Merge
from keepwell.kernel.codec import view_json
from keepwell.kernel.envelope import Context, Outcome, Reference, Snapshot
from keepwell.kernel.environment import Environment
from keepwell.kernel.journal import GENESIS, StoredAccess, StoredEntry
from keepwell.kernel.keys import TenantKeys, UnknownVersionError
from keepwell.kernel.permissions import Permission, grant
from keepwell.kernel.preconditions import compartment_kept, existence, mergeable, version_matched
from keepwell.kernel.problems import (
    ABORTED,
    ENDED,
    IDEMPOTENCY_KEY_REUSED,
    INTERNAL,
    STEP_UP_REQUIRED,
    Refusal,
)
from keepwell.kernel.rehearsal import Claims, Decided, Rehearsal
from keepwell.kernel.store import KeyRow, Loaded, StateRow
from keepwell.platform.crypto import UnreadableError

Target = tuple[UUID, str, UUID]


class NeedMoreError(Exception):
    """A decision needs what was not loaded. Load it too and plan again.

    `targets` are aggregates, those `held` under a lock; `events` the first version from which an aggregate's events are wanted;
    `derive` are immutable aggregates of which what is derived is wanted, which may take long.
    """

    def __init__(
        self,
        targets: set[Target],
        events: Mapping[Target, int] | None = None,
        *,
        held: bool = False,
        derive: Mapping[Target, Snapshot] | None = None,
    ) -> None:
        super().__init__("more is needed")
        self.targets = targets
        self.held = set(targets) if held else set[Target]()
        self.events = events or {}
        self.derive = dict(derive or {})


class Past(NamedTuple):
    """The events of an aggregate from version `first` up to the version loaded."""

    first: int
    events: tuple[Any, ...]


class LookupRow(NamedTuple):
    """A row of a room's look-up table to store: the values of `Lookup.columns`, in order."""

    kind: str
    tenant: UUID
    id: UUID
    values: tuple[Any, ...]


class Mark(NamedTuple):
    """How far a plan had come, to go back to."""

    states: dict[Target, Snapshot]
    claimed: dict[tuple[UUID, bytes], tuple[bytes, Outcome]]
    entries: int
    keys: int
    fresh: dict[Target, list[Any]]


class Plan:
    """The decisions over one batch."""

    def __init__(
        self,
        environment: Environment,
        keys: Mapping[UUID, TenantKeys],
        loaded: Loaded,
        known: set[Target],
        held: set[Target],
        pasts: Mapping[Target, Past],
        underived: Collection[Target],
        moment: datetime,
    ) -> None:
        self._environment = environment
        self._keys = keys
        self._loaded = loaded
        self._known = known
        self._held = held
        self._pasts = pasts
        self._underived = underived
        self._moment = moment
        self._before: dict[Target, Snapshot | None] = {}
        self._states: dict[Target, Snapshot] = {}
        self._views: dict[Target, tuple[bytes, bytes]] = {}
        self._claimed: dict[tuple[UUID, bytes], tuple[bytes, Outcome]] = {}
        self._fresh: dict[Target, list[Any]] = {}
        self.entries: list[StoredEntry] = []
        self.key_rows: list[KeyRow] = []
        self.records: list[StoredAccess] = []
        self._needs: list[NeedMoreError] = []
        self._shown = True
        self._rehearsal: Rehearsal | None = None
        self._rehearsed: set[Target] = set()

    def begin(self, *, reversible: bool, shown: bool = True, rehearsal: Rehearsal | None = None) -> Mark | None:
        """Begins a parcel. `reversible`: its commands may have to be taken back. `shown`: callers see what they leave. They see
        themselves what `rehearsal` decided before.
        """
        self._shown, self._rehearsal, self._rehearsed = shown, rehearsal, set()
        return self._mark() if reversible else None

    def decide(self, commands: Sequence[Admitted], *, dry_run: bool) -> list[Outcome]:
        """One outcome for each command, in order. They count when the parcel has ended, and `complete` says so."""
        return [self._one(admitted, dry_run=dry_run) for admitted in commands]

    def end(
        self, mark: Mark | None, parcel: Sequence[Admitted], outcomes: list[Outcome], *, atomic: bool, dry_run: bool
    ) -> list[Outcome]:
        """Ends a parcel: with `atomic`, one refusal takes all back; with `dry_run`, all are taken back, and noted."""
        rehearsal, self._rehearsal = self._rehearsal, None
        refused = atomic and any(outcome.refusal for outcome in outcomes)
        if mark is not None and (dry_run or refused):
            if rehearsal is not None:
                rehearsal.propose(*(({}, {}) if refused else self._noted(mark)))
            self._take_back(mark)
        if not refused:
            return outcomes
        return [outcome if outcome.refusal else self._aborted(each) for each, outcome in zip(parcel, outcomes, strict=True)]

    @property
    def lacks(self) -> bool:
        """Whether a decision did not have what it needed, so that all of this is to be planned again."""
        return bool(self._needs)

    def complete(self) -> None:
        """Makes sure that every decision had what it needed.

        Raises:
            NeedMoreError: something was not loaded. What was decided is worth nothing.
        """
        if self._needs:
            first, *others = self._needs
            first.targets.update(*(other.targets for other in others))
            first.held.update(*(other.held for other in others))
            for other in others:
                first.derive.update(other.derive)
            raise first

    def _noted(self, mark: Mark) -> tuple[dict[Target, Decided], Claims]:
        changed = {(entry.tenant, entry.kind, entry.id) for entry in self.entries[mark.entries :]}
        states = {target: Decided(self._states[target], tuple(self._fresh[target])) for target in changed}
        return states, {key: claim for key, claim in self._claimed.items() if key not in mark.claimed}

    def _aborted(self, admitted: Admitted) -> Outcome:
        """What comes of a command that would have been carried out, were it not for another one of its list."""
        self._record(admitted, ABORTED.code, 0)
        return _refused(admitted, ABORTED)

    def state_rows(self) -> list[StateRow]:
        """The aggregates to store, sealed; each once, however many commands changed it."""
        return [self._state_row(target, snapshot) for target, snapshot in self._states.items()]

    def lookup_rows(self) -> list[LookupRow]:
        """The look-up rows that the changes touch."""
        rows: list[LookupRow] = []
        for (tenant, kind, id_), snapshot in self._states.items():
            lookup = self._environment.catalog.kinds[kind].lookup
            if lookup is None:
                continue
            blind = self._keys[tenant].blind
            before = self._before.get((tenant, kind, id_))
            values = lookup.row(snapshot, blind)
            if before is None or lookup.row(before, blind) != values:
                rows.append(LookupRow(kind, tenant, id_, values))
        return rows

    def view_of(self, target: Target, head: bytes) -> bytes | None:
        """What callers see of the state stored with this head; None when the last view made was of one that was taken back."""
        seen = self._views.get(target)
        return seen[1] if seen is not None and seen[0] == head else None

    def _mark(self) -> Mark:
        return Mark(
            dict(self._states),
            dict(self._claimed),
            len(self.entries),
            len(self.key_rows),
            {target: list(fresh) for target, fresh in self._fresh.items()},
        )

    def _take_back(self, mark: Mark) -> None:
        self._states = mark.states
        self._claimed = mark.claimed
        self._fresh = mark.fresh
        del self.entries[mark.entries :]
        del self.key_rows[mark.keys :]

    def _one(self, admitted: Admitted, *, dry_run: bool) -> Outcome:
        entries = len(self.entries)
        try:
            outcome = self._outcome(admitted)
        except NeedMoreError as need:
            # The others are decided on all the same, to learn what they need too: one more load serves all of them.
            self._needs.append(need)
            return _refused(admitted, Refusal(INTERNAL))
        except UnknownVersionError:  # no fault of the command's: the batch is decided again, with the keys there are by now
            raise
        except Exception as error:  # noqa: BLE001 - one faulty command or unreadable row must not take its neighbours down
            self._environment.report(error, admitted)
            outcome = _refused(admitted, Refusal(INTERNAL))
        refusal = outcome.refusal
        if refusal is not None:
            if refusal.disclosed:
                outcome = self._disclosed(admitted, outcome, refusal)
            self._record(admitted, refusal.code, outcome.version)
        elif admitted.command_type.reads:
            self._record(admitted, "ok", outcome.version)
        elif outcome.replayed or dry_run or len(self.entries) == entries:
            # It shows what is stored, like a read, and left no journal entry to tell of it.
            self._record(admitted, "replayed" if outcome.replayed else "dry-run" if dry_run else "unchanged", outcome.version)
        return outcome

    def _disclosed(self, admitted: Admitted, outcome: Outcome, refusal: Refusal) -> Outcome:
        """A refusal that shows what is stored, to who may read it; that it was shown is recorded as a read."""
        actor = admitted.envelope.actor
        granted = grant(actor.scopes, Permission(admitted.aggregate.resource, "r"))
        seen = self._current((actor.tenant, admitted.aggregate.kind, admitted.envelope.command.id))
        if granted is None or compartment_kept(msgspec.structs.replace(admitted, grant=granted), seen):
            return msgspec.structs.replace(outcome, refusal=msgspec.structs.replace(refusal, disclosed={}))
        self._record(admitted, "ok", outcome.version, action="read")
        return outcome

    def _outcome(self, admitted: Admitted) -> Outcome:
        if admitted.refusal is not None and not admitted.key:
            return _refused(admitted, admitted.refusal)
        actor = admitted.envelope.actor
        if refusal := self._unproven(admitted):
            return _refused(admitted, refusal)
        if not admitted.key:
            return self._decided(admitted)
        earlier = self._earlier(actor.tenant, admitted.key)
        fingerprint = self._keys[actor.tenant].fingerprint(admitted.fingerprint)
        if earlier is not None:
            if earlier[0] != fingerprint:
                return _refused(admitted, Refusal(IDEMPOTENCY_KEY_REUSED))
            return earlier[1]
        outcome = self._decided(admitted)
        if outcome.refusal is None or outcome.refusal.type.kept:
            self._claim(actor.tenant, admitted.key, fingerprint, outcome)
        return outcome

    def _unproven(self, admitted: Admitted) -> Refusal | None:
        """Why the actor's credential does not carry the command; None when it does, or the system itself acts."""
        tenant, credential = admitted.envelope.actor.tenant, admitted.envelope.actor.credential
        if credential is not None and not self._live(tenant, credential):
            return ENDED
        if admitted.proof_of is not None and not self._proven(tenant, admitted.proof_of):
            return Refusal(STEP_UP_REQUIRED)
        return None

    def _live(self, tenant: UUID, credential: UUID) -> bool:
        for kind, valid_until in self._environment.catalog.credentials.items():
            if (snapshot := self._states.get((tenant, kind, credential))) is not None:
                until = valid_until(snapshot.state)
                return until is not None and until > self._moment
        return (tenant, credential) in self._loaded.credentials

    def _proven(self, tenant: UUID, credential: UUID) -> bool:
        """Whether the holder of a credential proved a short while ago who they are."""
        for kind, authenticated_at in self._environment.catalog.proofs.items():
            target = (tenant, kind, credential)
            if target not in self._known and target not in self._states:
                raise NeedMoreError({target})
            snapshot = self._current(target)
            at = None if snapshot is None else authenticated_at(snapshot.state)
            if at is not None:
                return self._moment - at <= self._environment.recency
        return False

    def _earlier(self, tenant: UUID, key: bytes) -> tuple[bytes, Outcome] | None:
        claimed = self._claimed.get((tenant, key))
        if claimed is None and self._rehearsal is not None:
            claimed = self._rehearsal.claims.get((tenant, key))
        if claimed is not None:
            return claimed[0], msgspec.structs.replace(claimed[1], replayed=True)
        row = self._loaded.keys.get((tenant, key))
        if row is None:
            return None
        return row["fingerprint"], self._environment.codec.open_outcome(self._keys[tenant], key, row["body"])

    def _claim(self, tenant: UUID, key: bytes, fingerprint: bytes, outcome: Outcome) -> None:
        sealed = self._environment.codec.seal_outcome(self._keys[tenant], key, outcome)
        expires = self._moment + self._environment.lifetime
        self.key_rows.append(KeyRow(tenant, key, fingerprint, sealed, self._moment, expires))
        self._claimed[tenant, key] = (fingerprint, outcome)

    def _decided(self, admitted: Admitted) -> Outcome:
        envelope, aggregate, command_type = admitted.envelope, admitted.aggregate, admitted.command_type
        target = (envelope.actor.tenant, aggregate.kind, envelope.command.id)
        snapshot = self._current(target)
        if refusal := admitted.refusal or existence(admitted, snapshot) or compartment_kept(admitted, snapshot):
            return _refused(admitted, refusal)
        state = None if snapshot is None else snapshot.state
        context = self._context(admitted, snapshot)
        if command_type.guard is not None and (refusal := command_type.guard(state, envelope.command, context)):
            return _refused(admitted, refusal, snapshot)
        told: Mapping[str, Any] = {}
        if refusal := version_matched(admitted, snapshot):
            merged = self._merged(admitted, snapshot, context) or refusal
            if isinstance(merged, Refusal):
                return _refused(admitted, merged, snapshot)
            events, told = merged
        else:
            events = command_type.decide(state, envelope.command, context)
        if isinstance(events, Refusal):
            return _refused(admitted, events, snapshot)
        after, entries = self._evolve(admitted, snapshot, events, context.now)
        if after is None:
            raise ValueError(f"{command_type.name} produced no event for a new aggregate")
        if snapshot is None and (refusal := compartment_kept(admitted, after)):
            return _refused(admitted, refusal)
        body = view_json(aggregate, after) if self._shown else b""
        if entries:
            self._states[target] = after
            if self._shown:
                self._views[target] = (after.head, body)
            self.entries.extend(entries)
            self._fresh.setdefault(target, []).extend(events)
        happened = tuple(journal.event_name(event) for event in events)
        return Outcome(aggregate.kind, after.id, after.version, body, told=told, happened=happened)

    def _merged(self, admitted: Admitted, snapshot: Snapshot | None, context: Context) -> Merge | Refusal | None:
        """What comes of a change that was made from an older version; None when it cannot be merged."""
        envelope, merge = admitted.envelope, admitted.command_type.merge
        if snapshot is None or merge is None or not mergeable(envelope, snapshot.version):
            return None
        target = (envelope.actor.tenant, admitted.aggregate.kind, envelope.command.id)
        since = self._since(target, snapshot.version, envelope.if_match or 0)
        merged = merge(snapshot.state, envelope.command, context, since)
        if isinstance(merged, Refusal):
            return msgspec.structs.replace(merged, extra={**merged.extra, "current_version": snapshot.version})
        return merged

    def _since(self, target: Target, version: int, seen: int) -> tuple[Any, ...]:
        """The events after version `seen`: the stored ones, and those decided in this batch."""
        fresh = self._fresh.get(target, ())
        stored = version - len(fresh)
        if seen >= stored:
            return tuple(fresh[seen - stored :])
        past = self._pasts.get(target)
        if past is None or past.first > seen + 1:
            raise NeedMoreError(set(), {target: seen + 1})
        return (*past.events[seen + 1 - past.first : stored + 1 - past.first], *fresh)

    def _current(self, target: Target) -> Snapshot | None:
        if self._rehearsal is not None and target not in self._rehearsed:
            self._rehearsed.add(target)
            decided = self._rehearsal.find(target, self._environment.codec)
            if decided is not None:
                self._states[target], self._fresh[target] = decided.snapshot, list(decided.fresh)
        if (snapshot := self._states.get(target)) is not None:
            return snapshot
        if target in self._before:
            return self._before[target]
        row = self._loaded.aggregates.get(target)
        tenant, kind, id_ = target
        snapshot = None
        if row is not None:
            snapshot = self._environment.codec.snapshot(self._keys[tenant], kind, id_, row, row["body"])
        self._before[target] = snapshot
        return snapshot

    def _context(self, admitted: Admitted, snapshot: Snapshot | None) -> Context:
        envelope = admitted.envelope
        # An aggregate's instants never run backwards, even when this machine's clock is behind the one that wrote last.
        now = self._moment if snapshot is None else max(self._moment, snapshot.updated_at)
        references: dict[tuple[str, UUID], Snapshot] = {}
        derived: dict[tuple[str, UUID], Any] = {}
        if admitted.command_type.references is not None:
            state = None if snapshot is None else snapshot.state
            for reference in admitted.command_type.references(state, envelope.command):
                found = self._referenced(envelope.actor.tenant, reference, held=admitted.command_type.holds)
                if found is not None:
                    references[reference.kind, reference.id], derived[reference.kind, reference.id] = found
        return Context(now, envelope.actor, references, derived, admitted.prepared)

    def _referenced(self, tenant: UUID, reference: Reference, *, held: bool) -> tuple[Snapshot, Any] | None:
        target = (tenant, reference.kind, reference.id)
        cache = self._environment.derived
        if not reference.fresh and not held and (cached := cache.get(target)) is not None:
            return cached
        if target not in (self._held if held else self._known) and target not in self._states:
            raise NeedMoreError({target}, held=held)
        snapshot = self._current(target)
        if snapshot is None:
            return None
        aggregate = self._environment.catalog.kinds[reference.kind]
        if aggregate.derive is None:
            return snapshot, None
        immutable = aggregate.immutable is not None and aggregate.immutable(snapshot.state)
        if immutable and (cached := cache.get(target)) is not None:
            return snapshot, cached[1]
        if immutable and target not in self._states and target not in self._underived:
            raise NeedMoreError(set(), derive={target: snapshot})
        return snapshot, aggregate.derive(snapshot.state)

    def _evolve(
        self, admitted: Admitted, snapshot: Snapshot | None, events: tuple[Any, ...], now: datetime
    ) -> tuple[Snapshot | None, list[StoredEntry]]:
        aggregate, envelope = admitted.aggregate, admitted.envelope
        entries: list[StoredEntry] = []
        for event in events:
            state = aggregate.evolve(None if snapshot is None else snapshot.state, event)
            version = 1 if snapshot is None else snapshot.version + 1
            entry = self._entry(admitted, version, GENESIS if snapshot is None else snapshot.head, event, now)
            entries.append(entry)
            created = now if snapshot is None else snapshot.created_at
            snapshot = Snapshot(aggregate.kind, envelope.command.id, version, state, created, now, entry.hash)
        return snapshot, entries

    def _entry(self, admitted: Admitted, version: int, previous: bytes, event: Any, now: datetime) -> StoredEntry:
        actor, origin, kind, id_ = (
            admitted.envelope.actor,
            admitted.envelope.origin,
            admitted.aggregate.kind,
            admitted.envelope.command.id,
        )
        payload = self._environment.codec.seal_event(self._keys[actor.tenant], kind, id_, version, event)
        name, command = journal.event_name(event), admitted.command_type.name
        who = (actor.id, actor.role, origin.door, origin.request_id, actor.purpose or origin.purpose)
        hash_ = journal.entry_hash(previous, actor.tenant, kind, id_, version, now, name, command, *who, payload)
        return StoredEntry(actor.tenant, kind, id_, version, now, name, command, *who, payload, previous, hash_)

    def _record(self, admitted: Admitted, outcome: str, version: int, *, action: str = "") -> None:
        envelope = admitted.envelope
        done = action or ("read" if admitted.command_type.reads else admitted.command_type.name)
        kind, id_ = admitted.aggregate.kind, envelope.command.id
        self.records.append(journal.access_record(envelope, kind, id_, self._moment, done, outcome, version))

    def _state_row(self, target: Target, snapshot: Snapshot) -> StateRow:
        tenant, kind, id_ = target
        aggregate, keys = self._environment.catalog.kinds[kind], self._keys[tenant]
        before = self._before.get(target)
        return StateRow(
            tenant,
            kind,
            id_,
            0 if before is None else before.version,
            snapshot.version,
            compartment(aggregate, snapshot.state, keys),
            None if aggregate.valid_until is None else aggregate.valid_until(snapshot.state),
            snapshot.created_at,
            snapshot.updated_at,
            snapshot.head,
            self._environment.codec.seal_state(keys, kind, id_, snapshot.version, snapshot.state),
        )


def compartment(aggregate: Aggregate, state: Any, keys: TenantKeys) -> bytes | None:
    """The blind index of the person an aggregate is about, as its `compartment` column holds it."""
    subject = None if aggregate.subject is None else aggregate.subject(state)
    return None if subject is None else keys.blind(subject)


def _refused(admitted: Admitted, refusal: Refusal, snapshot: Snapshot | None = None) -> Outcome:
    version = 0 if snapshot is None else snapshot.version
    return Outcome(admitted.aggregate.kind, admitted.envelope.command.id, version, refusal=refusal)


__all__ = [
    "Environment",
    "LookupRow",
    "NeedMoreError",
    "Past",
    "Plan",
    "Target",
    "UnreadableError",
    "compartment",
]

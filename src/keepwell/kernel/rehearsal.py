"""What a dry run has decided so far, so that what comes later in it sees what came before, as in the real run."""

from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from keepwell.kernel.codec import Codec
from keepwell.kernel.envelope import Outcome, Snapshot

_Target = tuple[UUID, str, UUID]
Claims = dict[tuple[UUID, bytes], tuple[bytes, Outcome]]
"""By tenant and idempotency key: the fingerprint of the request, and what came of it."""


class Decided(NamedTuple):
    """An aggregate as a part of the dry run left it, and the events since it was loaded."""

    snapshot: Snapshot
    fresh: tuple[Any, ...]


class Rehearsal:
    """Carries decided states from one part of a dry run to the next. For one caller, who runs the parts one after another.

    States are held packed: they are many, and each is looked at seldom.
    """

    def __init__(self) -> None:
        self._states: dict[_Target, tuple[Snapshot, bytes, tuple[Any, ...]]] = {}
        self._proposed: tuple[dict[_Target, Decided], Claims] = ({}, {})
        self.claims: Claims = {}

    def find(self, target: _Target, codec: Codec) -> Decided | None:
        """What was decided of an aggregate; None when the dry run did not touch it yet."""
        found = self._states.get(target)
        if found is None:
            return None
        snapshot, packed, fresh = found
        state = codec.unpack_state(snapshot.kind, packed)
        return Decided(msgspec.structs.replace(snapshot, state=state), fresh)

    def propose(self, states: dict[_Target, Decided], claims: Claims) -> None:
        """Notes what a part decided, in place of what it noted before: it may have to be decided again."""
        self._proposed = (states, claims)

    def settle(self, codec: Codec) -> None:
        """Takes over what the last part decided."""
        states, claims = self._proposed
        for target, (snapshot, fresh) in states.items():
            bare = msgspec.structs.replace(snapshot, state=None)
            self._states[target] = (bare, codec.pack_state(snapshot.state), fresh)
        self.claims.update(claims)
        self._proposed = ({}, {})

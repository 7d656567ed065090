"""What travels the command path: who asks, through which door, for what; and what came of it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from keepwell.kernel.position import Position
from keepwell.kernel.problems import Refusal


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Asks for one change of one aggregate. `id` names the aggregate; a creating command brings a fresh one."""

    id: UUID


class Actor(msgspec.Struct, frozen=True):
    """Who acts, in which clinic, with which scopes.

    `credential` is the session or key that must still be live when the command or read runs; None only for the system itself.
    `subject` is the FHIR reference of the actor's own compartment, such as `Patient/<id>`.
    `purpose` is what the credential was given for, and counts before what the request is for. `networks`: it may be used from
    addresses in these only; empty: from anywhere.
    """

    tenant: UUID
    id: UUID
    role: str
    scopes: tuple[str, ...]
    credential: UUID | None = None
    subject: str | None = None
    purpose: str = ""
    networks: tuple[str, ...] = ()


class Origin(msgspec.Struct, frozen=True):
    """Where a command came from. But for `position` and `address` it reaches journal and logs, and is no health information.

    `position` is what the caller's session has seen, where replicas may answer it. `address` is the caller's, where it has one:
    it identifies a person by HIPAA, so it is compared, and never written down.
    """

    door: str
    request_id: str
    traceparent: str | None = None
    purpose: str = "TREAT"
    position: Position | None = None
    address: str = ""


class Envelope(msgspec.Struct, frozen=True):
    """One command on its way. The same envelope always gets the same treatment, whatever door made it.

    `merge`: when `if_match` is behind, the change is merged into what happened since, if its command can do that.
    """

    command: Command
    actor: Actor
    origin: Origin
    if_match: int | None = None
    idempotency_key: str | None = None
    merge: bool = False


class Snapshot(msgspec.Struct, frozen=True):
    """An aggregate at one version. `head` is the hash of its newest journal entry."""

    kind: str
    id: UUID
    version: int
    state: Any
    created_at: datetime
    updated_at: datetime
    head: bytes


class Outcome(msgspec.Struct, frozen=True):
    """What came of an envelope: a refusal, or the aggregate's id, version and view.

    `body` is the JSON of the room's view of the aggregate at `version`; a replayed outcome carries the first one's bytes.
    `told` are further members that doors add to `body`: what came of a merge. `happened` names the events that came of it here
    and now; of a replay nothing did.
    """

    kind: str
    id: UUID
    version: int = 0
    body: bytes = b""
    refusal: Refusal | None = None
    replayed: bool = False
    told: Mapping[str, Any] = {}
    happened: tuple[str, ...] = ()

    @property
    def shown(self) -> bytes:
        """What the caller sees: the view, and the further members."""
        return self.body[:-1] + b"," + msgspec.json.encode(self.told)[1:] if self.told else self.body


class Closing(msgspec.Struct, frozen=True):
    """A last command that writes down what came of the others, in the same transaction, even where these are only tried out.

    It speaks for them: nobody is shown what they left, so that their outcomes have no body, and no cache is filled with it.
    `kind` and `id` name its aggregate; `make` may be called again, for a part of the others, when they could not be stored
    together.
    """

    kind: str
    id: UUID
    make: Callable[[Sequence[tuple[Envelope, Outcome]]], Envelope]


class Reference(msgspec.Struct, frozen=True):
    """Another aggregate a decision needs to see. `fresh` asks for its stored state even when a cached one would do."""

    kind: str
    id: UUID
    fresh: bool = False


class Context(msgspec.Struct, frozen=True):
    """What a decision may know besides state and command: instant, actor, referenced aggregates, and what was prepared."""

    now: datetime
    actor: Actor
    references: Mapping[tuple[str, UUID], Snapshot]
    derived: Mapping[tuple[str, UUID], Any]
    prepared: Any = None

"""What happens to an envelope before anything is loaded: permission, preconditions, and its idempotency fingerprint."""

from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from keepwell.kernel.aggregate import Aggregate, Catalog, CommandType
from keepwell.kernel.envelope import Actor, Envelope, Origin
from keepwell.kernel.permissions import Grant, grant, within
from keepwell.kernel.problems import FORBIDDEN, PRECONDITION_REQUIRED, Refusal

_encode = msgspec.json.Encoder(order="deterministic").encode


class Admitted(msgspec.Struct, frozen=True):
    """An envelope that may go on, or its refusal. `key` and `fingerprint` are empty without an idempotency key.
    `prepared` is what its command's `prepare` made of it.

    A refusal together with a key is what the database said of it: decided like any other, so it is kept for a retry.
    """

    envelope: Envelope
    aggregate: Aggregate
    command_type: CommandType
    grant: Grant | None
    refusal: Refusal | None = None
    key: bytes = b""
    fingerprint: bytes = b""
    prepared: Any = None

    @property
    def proof_of(self) -> UUID | None:
        """The credential whose holder must have proved lately who they are; None where nobody has to."""
        sensitive, credential = self.command_type.sensitive, self.envelope.actor.credential
        return credential if sensitive is not None and sensitive(self.envelope.command) else None


ELSEWHERE = Refusal(FORBIDDEN, "The key may not be used from this address.")


def in_place(actor: Actor, origin: Origin) -> bool:
    """Whether an actor may act from where it is."""
    return not actor.networks or within(origin.address, actor.networks)


def admit(catalog: Catalog, envelope: Envelope) -> Admitted:
    """Checks what needs no state. A refusal here is recorded but never kept for replay."""
    aggregate, command_type = catalog.commands[type(envelope.command)]
    granted = grant(envelope.actor.scopes, command_type.permission)
    refusal = None
    if granted is None:
        refusal = Refusal(FORBIDDEN, f"This needs {command_type.permission.resource}.{command_type.permission.action}.")
    elif not in_place(envelope.actor, envelope.origin):
        refusal = ELSEWHERE
    elif command_type.guarded and envelope.if_match is None:
        refusal = Refusal(PRECONDITION_REQUIRED, "Send If-Match with the version you saw.")
    if refusal is not None or envelope.idempotency_key is None:
        return Admitted(envelope, aggregate, command_type, granted, refusal)
    return Admitted(
        envelope,
        aggregate,
        command_type,
        granted,
        key=_key(envelope, command_type),
        fingerprint=_fingerprint(envelope, command_type),
    )


def _key(envelope: Envelope, command_type: CommandType) -> bytes:
    """A key belongs to actor and command (and, by its row, to the tenant); else one client could read another's answer."""
    scope = f"{envelope.actor.id}\0{command_type.name}\0{envelope.idempotency_key}"
    return sha256(scope.encode()).digest()


def _fingerprint(envelope: Envelope, command_type: CommandType) -> bytes:
    """What a retry must have in common with the first: the command, but for an id that the door made for a creation.

    It is never stored like this: few answers are possible to a question, and whoever has the digest could try them all.
    """
    body = msgspec.structs.asdict(envelope.command)
    for field in command_type.volatile:
        del body[field]
    return sha256(_encode(body)).digest()

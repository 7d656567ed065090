"""What a row means: the person it names, or why it can mean nobody; and what came of it, in stable words."""

from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from keepwell.domains.enrollment.models import Batch, RowOutcome
from keepwell.domains.participants import ANOTHER_BIRTH_DATE, CHANGED_SINCE, INVALID_PARTICIPANT, Details
from keepwell.domains.programs import standing
from keepwell.domains.uploads import NormalRow, RowFault
from keepwell.kernel.envelope import Outcome
from keepwell.kernel.problems import (
    IDEMPOTENCY_KEY_IN_USE,
    INTERNAL,
    OUTCOME_UNKNOWN,
    OVERLOADED,
    UNAVAILABLE,
    Refusal,
)

TRANSIENT = {kind.code for kind in (UNAVAILABLE, OVERLOADED, OUTCOME_UNKNOWN, IDEMPOTENCY_KEY_IN_USE)}
"""Refusals that a second try may not meet."""

POISON_ATTEMPTS = 3
"""How often a row that breaks something is tried."""

GOOD = ("enrolled", "unchanged", "updated")
_FIELDS = ("given_name", "family_name", "birth_date", "email", "phone", "time_zone")
_CONFLICTS = {kind.code for kind in (ANOTHER_BIRTH_DATE, CHANGED_SINCE)}
_encode = msgspec.json.Encoder(order="deterministic").encode


class Person(NamedTuple):
    """Whom a row names. `content` is the same for rows that say the same."""

    row: int
    external_id: str
    details: Details
    content: int


def understood(row: NormalRow | RowFault) -> Person | RowOutcome:
    """Whom a row names; or its outcome, when it names nobody."""
    if isinstance(row, RowFault):
        return RowOutcome(row.number, "dead", row.faults[0].code)
    said: dict[str, Any] = {name: value for name in _FIELDS if (value := getattr(row, name)) is not None}
    if row.attributes:
        said["attributes"] = row.attributes
    details = Details(**said)
    digest = blake2b(_encode(details), digest_size=7).digest()
    return Person(row.number, row.external_id, details, int.from_bytes(digest, "big"))


def admitted(batch: Batch, person: Person) -> RowOutcome | None:
    """The outcome of a row whose person the program does not take at the instant the batch was received; None when it does."""
    zone = person.details.time_zone
    try:
        found = standing(batch.period, batch.received_at, zone if isinstance(zone, str) else None)
    except ValueError:  # no such zone: the participants' own rules say so
        return None
    return None if found == "open" else RowOutcome(person.row, "refused", f"enrollment-{found}")


def repeated(person: Person, participant: UUID, content: int) -> RowOutcome:
    """The outcome of a row whose person an earlier row of the batch named: it never changes what that one said."""
    if person.content == content:
        return RowOutcome(person.row, "unchanged", "repeated-row", participant, content)
    return RowOutcome(person.row, "conflict", "repeated-differently", participant, person.content)


def settled(person: Person, outcome: Outcome, attempt: int) -> RowOutcome | None:
    """What came of a row that was run; None when it has to be tried again."""
    refusal, about = outcome.refusal, (person.content, attempt)
    if refusal is None:
        done = {"enrolled": "enrolled", "enrollment-updated": "updated"}
        result: Any = next((done[name] for name in outcome.happened if name in done), "unchanged")
        return RowOutcome(person.row, result, None, outcome.id, *about)
    if refusal.code in TRANSIENT or (refusal.type is INTERNAL and attempt < POISON_ATTEMPTS):
        return None
    if refusal.type in (INVALID_PARTICIPANT, INTERNAL):
        return RowOutcome(person.row, "dead", _reason(refusal), None, *about)
    result = "conflict" if refusal.code in _CONFLICTS else "refused"
    return RowOutcome(person.row, result, refusal.code, outcome.id, *about)


def _reason(refusal: Refusal) -> str:
    """The code of what is wrong, by the field that is."""
    if not refusal.faults:
        return refusal.code
    return f"invalid-{refusal.faults[0].pointer.removeprefix('/').replace('_', '-')}"

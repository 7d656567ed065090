"""What clients say on the WebSocket of a room. `id` is the client's own name for a message: the answer carries it again."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from keepwell.domains.responses import (
    AddRow,
    AmendResponse,
    Answers,
    OnConflict,
    PatchResponse,
    RemoveRow,
    SubmitResponse,
    VoidResponse,
)
from keepwell.kernel import Command

Name = Annotated[str, Meta(max_length=128)] | Annotated[int, Meta(ge=0, lt=2**53)]
Key = Annotated[str, Meta(pattern="^[!-~]{1,255}$")]
IfMatch = Annotated[int, Meta(ge=0, lt=10**18)] | Annotated[str, Meta(pattern='^(W/)?"(0|[1-9][0-9]{0,17})"$')]
"""A version, as a number or as the ETag of it."""
Address = Annotated[str, Meta(min_length=1, max_length=1_000)]
Reason = Annotated[str, Meta(min_length=1, max_length=2_000)]


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", kw_only=True):
    id: Name | None = None


class Auth(_Message, frozen=True, tag="auth", kw_only=True):
    """Who speaks: the first message of a connection without an Authorization header, and later on a fresh token."""

    token: str


class Ping(_Message, frozen=True, tag="ping", kw_only=True):
    """Still here."""


class Typing(_Message, frozen=True, tag="typing", kw_only=True):
    """Types in an item; null: stopped."""

    linkId: Address | None  # noqa: N815 - FHIR's own name


class Focus(_Message, frozen=True, tag="focus", kw_only=True):
    """Goes to an item, for itself alone; null: leaves the one it was at."""

    linkId: Address | None  # noqa: N815 - FHIR's own name


class Change(_Message, frozen=True, kw_only=True):
    """A change of the response, with the fields of the call over HTTP that it stands for."""

    if_match: IfMatch | None = None
    idempotency_key: Key | None = None

    @property
    def version(self) -> int | None:
        """The version named."""
        return int(self.if_match.removeprefix("W/").strip('"')) if isinstance(self.if_match, str) else self.if_match

    def command(self, response: UUID) -> Command:
        """What it asks for."""
        raise NotImplementedError


class Mergeable(Change, frozen=True, kw_only=True):
    """A change that can be merged into what came since the version named. Without `on_conflict` the clinic's flag decides."""

    on_conflict: OnConflict | None = None


class Patch(Mergeable, frozen=True, tag="patch", kw_only=True):
    """PATCH /v1/responses/{id}."""

    answers: Answers

    def command(self, response: UUID) -> Command:
        return PatchResponse(response, self.answers)


class AddARow(Change, frozen=True, tag="add-row", kw_only=True):
    """POST /v1/responses/{id}/rows."""

    group: str
    answers: Answers = msgspec.field(default_factory=dict[str, Any])

    def command(self, response: UUID) -> Command:
        return AddRow(response, self.group, self.answers)


class RemoveARow(Mergeable, frozen=True, tag="remove-row", kw_only=True):
    """DELETE /v1/responses/{id}/rows/{row}."""

    row: UUID

    def command(self, response: UUID) -> Command:
        return RemoveRow(response, self.row)


class Submit(Change, frozen=True, tag="submit", kw_only=True):
    """POST /v1/responses/{id}/submit."""

    def command(self, response: UUID) -> Command:
        return SubmitResponse(response)


class Amend(Change, frozen=True, tag="amend", kw_only=True):
    """POST /v1/responses/{id}/amend."""

    reason: Reason
    answers: Answers

    def command(self, response: UUID) -> Command:
        return AmendResponse(response, self.reason, self.answers)


class Void(Change, frozen=True, tag="void", kw_only=True):
    """POST /v1/responses/{id}/void."""

    reason: Reason

    def command(self, response: UUID) -> Command:
        return VoidResponse(response, self.reason)


Spoken = Auth | Ping | Typing | Focus | Patch | AddARow | RemoveARow | Submit | Amend | Void
decoder: msgspec.json.Decoder[Spoken] = msgspec.json.Decoder(Spoken)
_named: Callable[[bytes], Any] = msgspec.json.Decoder(dict[str, Any]).decode


def name_of(message: bytes) -> str | int | None:
    """The name of a message that cannot be understood otherwise, as far as it has one."""
    try:
        found = _named(message).get("id")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    short = isinstance(found, str) and len(found) <= 128
    return found if short or (isinstance(found, int) and not isinstance(found, bool)) else None

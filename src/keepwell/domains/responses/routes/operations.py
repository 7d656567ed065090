"""The operations of a bulk call, each with the fields of the single call it stands for."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

import msgspec
from msgspec import Meta

from keepwell.domains.responses.models import (
    AddRow,
    AmendResponse,
    Answers,
    CreateResponse,
    GetResponse,
    OnConflict,
    PatchResponse,
    RemoveRow,
    SubmitResponse,
    VoidResponse,
)
from keepwell.domains.responses.routes.bodies import ReasonText, Reference
from keepwell.domains.responses.routes.single import begun, row_added
from keepwell.domains.responses.service import ResponseService
from keepwell.kernel import Actor, Command, Envelope, Origin, Outcome
from keepwell.kernel.http import Answer, answer
from keepwell.kernel.problems import NOT_FOUND, Refusal, Refused
from keepwell.kit.ids import new_id, parse_id

MOST_OPERATIONS = 10_000
_PATHS = {
    "create": "/v1/responses",
    "get": "/v1/responses/{id}",
    "patch": "/v1/responses/{id}",
    "add-row": "/v1/responses/{id}/rows",
    "remove-row": "/v1/responses/{id}/rows/{row}",
    "submit": "/v1/responses/{id}/submit",
    "amend": "/v1/responses/{id}/amend",
    "void": "/v1/responses/{id}/void",
}

Key = Annotated[str, Meta(pattern="^[!-~]{1,255}$")]
IfMatch = Annotated[int, Meta(ge=0, lt=10**18)] | Annotated[str, Meta(pattern='^(W/)?"(0|[1-9][0-9]{0,17})"$')]
"""A version, as a number or as the ETag of it."""


class _Operation(msgspec.Struct, frozen=True):
    """What all operations have in common."""

    def answered(self, outcome: Outcome) -> Answer:
        """What the single call answers when it is carried out."""
        return answer(outcome)


class Create(_Operation, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="op", tag="create"):
    """POST /v1/responses."""

    questionnaire: Reference
    subject: str | None = None
    answers: Answers = msgspec.field(default_factory=dict[str, Any])
    idempotency_key: Key | None = None

    def begin(self, questionnaire: UUID) -> Command:
        return CreateResponse(new_id(), questionnaire, self.subject, self.answers)

    def answered(self, outcome: Outcome) -> Answer:
        return begun(outcome)


class _One(_Operation, frozen=True, kw_only=True):
    id: str

    def command(self) -> Command:
        """The command.

        Raises:
            Refused: `not-found`, as the single call would be, because there can be no such id.
        """
        raise NotImplementedError


class Get(_One, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="op", tag="get"):
    """GET /v1/responses/{id}."""

    def command(self) -> Command:
        return GetResponse(_id(self.id))


class Change(_One, frozen=True, kw_only=True):
    """An operation that changes a response."""

    if_match: IfMatch | None = None
    idempotency_key: Key | None = None

    @property
    def version(self) -> int | None:
        """The version named."""
        return int(self.if_match.removeprefix("W/").strip('"')) if isinstance(self.if_match, str) else self.if_match


class _Mergeable(Change, frozen=True, kw_only=True):
    on_conflict: OnConflict | None = None


class Patch(_Mergeable, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="op", tag="patch"):
    """PATCH /v1/responses/{id}."""

    answers: Answers

    def command(self) -> Command:
        return PatchResponse(_id(self.id), self.answers)


class AddARow(Change, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="op", tag="add-row"):
    """POST /v1/responses/{id}/rows."""

    group: str
    answers: Answers = msgspec.field(default_factory=dict[str, Any])

    def command(self) -> Command:
        return AddRow(_id(self.id), self.group, self.answers)

    def answered(self, outcome: Outcome) -> Answer:
        return row_added(outcome, self.group)


class RemoveARow(_Mergeable, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="op", tag="remove-row"):
    """DELETE /v1/responses/{id}/rows/{row}."""

    row: str

    def command(self) -> Command:
        return RemoveRow(_id(self.id), _id(self.row))


class Submit(Change, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="op", tag="submit"):
    """POST /v1/responses/{id}/submit."""

    def command(self) -> Command:
        return SubmitResponse(_id(self.id))


class Amend(Change, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="op", tag="amend"):
    """POST /v1/responses/{id}/amend."""

    reason: ReasonText
    answers: Answers

    def command(self) -> Command:
        return AmendResponse(_id(self.id), self.reason, self.answers)


class Void(Change, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="op", tag="void"):
    """POST /v1/responses/{id}/void."""

    reason: ReasonText

    def command(self) -> Command:
        return VoidResponse(_id(self.id), self.reason)


Operation = Create | Get | Patch | AddARow | RemoveARow | Submit | Amend | Void
# Not closer: an operation that cannot be read is no fault of the call, it has an outcome of its own.
_OPERATION = {
    "description": f"An object; `op` is one of {', '.join(_PATHS)}. What cannot be read has 422 as its outcome.",
}


class BulkRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Operations are run in order. Besides `op`, each has the fields of the single call's body, and where it has them `id`,
    `row`, `if_match` (a version or ETag), `on_conflict` and `idempotency_key`.

    `atomic`: all or none. `dry_run`: everything is decided and nothing stored.
    """

    operations: Annotated[list[Annotated[msgspec.Raw, Meta(extra_json_schema=_OPERATION)]], Meta(max_length=MOST_OPERATIONS)]
    atomic: bool = False
    dry_run: bool = False


class BulkOutcome(msgspec.Struct, frozen=True):
    """What the single call would have answered: its status, its headers where it has them, and its body.

    `code` is that of the problem which the body then is.
    """

    status: int
    body: dict[str, Any]
    code: str | msgspec.UnsetType = msgspec.UNSET
    etag: str | msgspec.UnsetType = msgspec.UNSET
    location: str | msgspec.UnsetType = msgspec.UNSET
    idempotency_replayed: bool | msgspec.UnsetType = msgspec.UNSET
    retry_after: int | msgspec.UnsetType = msgspec.UNSET


class BulkOutcomes(msgspec.Struct, frozen=True):
    """One outcome for each operation, in order."""

    outcomes: list[BulkOutcome]


class _Address(msgspec.Struct, frozen=True):
    op: str
    id: str = ""
    row: str = ""


async def envelope(
    operation: Operation, service: ResponseService, actor: Actor, origin: Origin, find: Callable[[str], Awaitable[UUID]]
) -> Envelope:
    """The envelope of an operation, as that of the single call. `find` is what names a questionnaire by reference.

    Raises:
        Refused: it names something that cannot be.
    """
    if isinstance(operation, Get):
        return Envelope(operation.command(), actor, origin)
    key = operation.idempotency_key
    if isinstance(operation, Create):
        return Envelope(operation.begin(await find(operation.questionnaire)), actor, origin, None, key)
    merge = isinstance(operation, _Mergeable) and await service.merges(actor, operation.on_conflict)
    return Envelope(operation.command(), actor, origin, operation.version, key, merge)


def path(raw: bytes) -> str:
    """The path of the single call that an operation stands for, as far as it can be told."""
    try:
        meant = msgspec.json.decode(raw, type=_Address)
        return _PATHS[meant.op].format(id=quote(meant.id), row=quote(meant.row))
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError):
        return "/v1/responses/bulk"


def _id(text: str) -> UUID:
    found = parse_id(text)
    if found is None:
        raise Refused(Refusal(NOT_FOUND))
    return found

"""The HTTP door of the audit."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from keepwell.domains.audit.models import (
    AuditedEntity,
    AuditFilter,
    AuditItem,
    AuditPage,
    LoginAttempt,
    LoginOutcome,
    LoginPage,
    Position,
)
from keepwell.domains.audit.rules import login_attempt
from keepwell.domains.audit.service import AuditService
from keepwell.domains.audit.store import Row
from keepwell.kernel.http import USUAL_PAGE, Answer, Call, Endpoint, Example, PageLimit
from keepwell.kernel.problems import INVALID_PARAMETER, Fault, Refusal, Refused
from keepwell.kit.ids import parse_id

_position = msgspec.msgpack.Decoder(Position)
Instant = Annotated[datetime, Meta(tz=True)]


class AuditQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which items, and which part of the list.

    `entity` is `<id>`, `<kind>/<id>` or `<FHIR type>/<id>`. Both instants are inclusive.
    """

    entity: str | None = None
    actor: UUID | None = None
    since: Instant | None = msgspec.field(default=None, name="from")
    until: Instant | None = msgspec.field(default=None, name="to")
    limit: PageLimit = USUAL_PAGE
    cursor: str | None = None


class LoginQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which attempts, and which part of the list. Both instants are inclusive."""

    user: UUID | None = None
    outcome: LoginOutcome | None = None
    since: Instant | None = msgspec.field(default=None, name="from")
    until: Instant | None = msgspec.field(default=None, name="to")
    limit: PageLimit = USUAL_PAGE
    cursor: str | None = None


_AUDIT = Example(
    answer=AuditPage(
        [
            AuditItem(
                at=datetime(2026, 9, 15, 9, 32, 10, tzinfo=UTC),
                action="responses.patch",
                command="responses.patch",
                event="changed",
                outcome="stored",
                entity=AuditedEntity("response", UUID("01994fa0-37b8-7d1f-9a64-4e5c8b2d0f61"), 2),
                actor=UUID("01994f3c-5b07-7c66-8f0d-91d2a0c6b3f4"),
                role="clinician",
                door="bulk",
                request_id="01994fa2-30c5-7e84-b1f7-9d0a6c4e3b25",
                purpose="TREAT",
            )
        ],
        None,
    )
)


_LOGINS = Example(
    answer=LoginPage(
        [
            LoginAttempt(
                at=datetime(2026, 9, 15, 9, 30, 2, tzinfo=UTC),
                attempt="login",
                outcome="refused",
                step="password",
                reason="wrong-password",
                user=UUID("01994f3c-5b07-7c66-8f0d-91d2a0c6b3f4"),
                session=None,
                door="http",
                request_id="01994f9f-6a10-7b3e-9c41-2f8d7e5a6b90",
                tries=1,
                since=datetime(2026, 9, 15, 9, 30, 2, tzinfo=UTC),
            )
        ],
        None,
    )
)


class _Audit:
    def __init__(self, service: AuditService) -> None:
        self._service = service

    async def page(self, call: Call) -> Answer:
        query: AuditQuery = call.query
        entity, kinds = self._entity(query.entity)
        wanted = AuditFilter(kinds, entity, query.actor, query.since, query.until, _before(query.cursor))
        rows, cursor = await self._part(call, wanted, query.limit)
        return Answer(200, AuditPage([item for _, item in rows], cursor))

    async def logins(self, call: Call) -> Answer:
        query: LoginQuery = call.query
        wanted = AuditFilter(
            since=query.since,
            until=query.until,
            before=_before(query.cursor),
            logins=True,
            person=query.user,
            login_outcome=query.outcome,
        )
        rows, cursor = await self._part(call, wanted, query.limit)
        return Answer(200, LoginPage([login_attempt(item) for _, item in rows], cursor))

    async def _part(self, call: Call, wanted: AuditFilter, limit: int) -> tuple[list[Row], str | None]:
        """Up to `limit` rows, and the cursor behind the last when there are more."""
        found = await self._service.page(call.actor, call.origin, wanted, limit + 1)
        shown = found[:limit]
        return shown, _render(shown[-1][0]) if len(found) > limit else None

    def _entity(self, text: str | None) -> tuple[UUID | None, tuple[str, ...] | None]:
        if text is None:
            return None, None
        kind, _, id_ = text.rpartition("/")
        found = parse_id(id_)
        if found is None:
            raise _invalid("entity", "invalid-entity", "Send <id> or <kind>/<id>, the id a UUID.")
        return self._service.entity(found, self._service.kinds(kind) if kind else None)


def endpoints(service: AuditService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    audit = _Audit(service)
    return (
        Endpoint(
            "GET",
            "/v1/audit/logins",
            audit.logins,
            "Show who got in, who did not, and why, the newest first",
            "Audit",
            query=LoginQuery,
            answers={200: LoginPage},
            compressed=False,
            example=_LOGINS,
        ),
        Endpoint(
            "GET",
            "/v1/audit",
            audit.page,
            "Show who did and saw what, the newest first",
            "Audit",
            query=AuditQuery,
            answers={200: AuditPage},
            compressed=False,
            example=_AUDIT,
        ),
    )


def _before(cursor: str | None) -> Position | None:
    return None if cursor is None else _parse(cursor)


def _render(position: Position) -> str:
    return urlsafe_b64encode(msgspec.msgpack.encode(position)).decode().rstrip("=")


def _parse(cursor: str) -> Position:
    try:
        position = _position.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, NotBase64):
        raise _invalid("cursor", "invalid-cursor", "Send a cursor this list gave.") from None
    if _render(position) != cursor:
        raise _invalid("cursor", "invalid-cursor", "Send a cursor this list gave.")
    return position


def _invalid(name: str, code: str, message: str) -> Refused:
    return Refused(Refusal(INVALID_PARAMETER, faults=(Fault(f"?{name}", code, message),)))

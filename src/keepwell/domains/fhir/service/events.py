"""AuditEvents: who did and saw what in the clinic. Only to be read and searched."""

from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.audit import AuditFilter, AuditItem, AuditPosition, AuditService
from keepwell.domains.fhir.models import Query, Resource
from keepwell.domains.fhir.rules import types
from keepwell.domains.fhir.rules.audit import Standing, audit_event_of, standing
from keepwell.domains.fhir.rules.dates import EARLIEST, LATEST, Interval, both, intervals
from keepwell.domains.fhir.rules.parameters import asked, only, plain, wrong
from keepwell.domains.fhir.service.caller import Caller
from keepwell.domains.fhir.service.facade import Page, Source
from keepwell.kernel import Kernel, Refusal, Refused
from keepwell.kernel.problems import NOT_FOUND
from keepwell.kit.ids import parse_id

_AT_ONE_INSTANT = 1_000
_Row = tuple[AuditPosition, AuditItem]


class AuditEvents(Source):
    """The type AuditEvent."""

    def __init__(self, kernel: Kernel, audit: AuditService) -> None:
        super().__init__(kernel, types.AUDIT_EVENT)
        self._audit = audit
        self._types = {kind: aggregate.resource for kind, aggregate in kernel.catalog.kinds.items()}

    async def one(self, caller: Caller, id_: str) -> Resource:
        """The event of this id.

        Raises:
            Refused: as any search; `not-found` when there is none that the caller may see.
        """
        found = await self._identified(caller, id_)
        if not found:
            raise Refused(Refusal(NOT_FOUND))
        return self._event(found[0])

    async def page(self, caller: Caller, query: Query, after: Any) -> Page:
        id_ = only(query, "_id")
        if id_ is not None and len(query.filters) > 1:
            raise wrong("_id", "Send an id alone.")
        if id_ is not None:
            return Page([self._event(row) for row in await self._identified(caller, id_)])
        before = None if after is None else msgspec.convert(after, AuditPosition)
        rows: list[_Row] = []
        for interval in reversed(self._times(query)):
            if len(rows) <= query.count and (before is None or interval[0] <= before.at):
                wanted = self._wanted(caller, query, interval, before)
                rows += await self._audit.page(caller.actor, caller.origin, wanted, query.count + 1 - len(rows))
        shown = rows[: query.count]
        return Page([self._event(row) for row in shown], shown[-1][0] if len(rows) > query.count else None)

    async def _identified(self, caller: Caller, id_: str) -> list[_Row]:
        place = standing(id_)
        if place is None:
            return []
        entity, kinds = self._audit.entity(place.entity, None)
        wanted = AuditFilter((*kinds, self.type.kind), entity, since=place.at, until=place.at)
        rows = await self._audit.page(caller.actor, caller.origin, wanted, _AT_ONE_INSTANT)
        return [row for row in rows if _stands(row, place)]

    def _times(self, query: Query) -> list[Interval]:
        found: list[Interval] = [(EARLIEST, LATEST)]
        for filter_ in query.filters:
            if filter_.name == "date":
                found = both(found, intervals(asked(filter_, self.kernel.clock.now())))
        return found

    def _wanted(self, caller: Caller, query: Query, interval: Interval, before: AuditPosition | None) -> AuditFilter:
        since, until = (None if bound in (EARLIEST, LATEST) else bound for bound in interval)
        entity, kinds = self._entity(caller, only(query, "entity"))
        return AuditFilter(kinds, entity, _agent(only(query, "agent")), since, until, before)

    def _entity(self, caller: Caller, reference: str | None) -> tuple[UUID | None, tuple[str, ...] | None]:
        if reference is None:
            return None, None
        type_, _, id_ = caller.local(plain(reference)).rpartition("/")
        found = parse_id(id_)
        if found is None:
            raise wrong("entity", "Send an id, or Type/id.")
        return self._audit.entity(found, self._audit.kinds(type_) if type_ else None)

    def _event(self, row: _Row) -> Resource:
        return audit_event_of(*row, self._types)


def _stands(row: _Row, place: Standing) -> bool:
    position = row[0]
    same = (position.at, position.source, position.id) == (place.at, place.source, place.id)
    return same and (place.source == 0 or position.version == place.version)


def _agent(reference: str | None) -> UUID | None:
    if reference is None:
        return None
    found = parse_id(plain(reference).rpartition("/")[2].removeprefix("urn:uuid:"))
    if found is None:
        raise wrong("agent", "Send the id of an account.")
    return found

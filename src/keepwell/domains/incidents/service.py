"""Reading incidents, and telling of trouble: a new incident, or a note in the one there is about the same thing."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

import msgspec

from keepwell.domains.incidents.errors import INCIDENT_OPEN, TOO_MANY_NOTES
from keepwell.domains.incidents.models import AddNote, Filter, IncidentView, OpenIncident, ResolveIncident, Severity, Times
from keepwell.domains.incidents.rules.lifecycle import view
from keepwell.domains.incidents.rules.postmortem import postmortem
from keepwell.domains.incidents.store import open_about, open_of, page, times
from keepwell.domains.tenants import operator
from keepwell.kernel import Actor, Command, Envelope, Kernel, Origin, Outcome, Permission, Read, Refused, Search
from keepwell.kernel.problems import ABORTED
from keepwell.kit.ids import NIL, new_id

KIND, RESOURCE = "incident", "Incident"
_READ, _SEARCH = Permission(RESOURCE, "r"), Permission(RESOURCE, "s")
_ATTEMPTS = 3


class Report(msgspec.Struct, frozen=True):
    """Trouble to be told of: see `OpenIncident`."""

    subject: str
    severity: Severity
    title: str
    text: str = ""
    runbook: str = ""
    tags: tuple[str, ...] = ()


class IncidentService:
    """Incidents of one clinic at a time: the actor's."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def get(self, actor: Actor, incident: UUID, origin: Origin) -> IncidentView:
        """One incident. Raises `Refused` as any read does."""
        return view(await self._kernel.read(Read(KIND, incident, actor, origin, _READ)))

    async def page(self, actor: Actor, origin: Origin, wanted: Filter, before: UUID | None, limit: int) -> list[IncidentView]:
        """Incidents, the newest first. Raises as `get` does."""
        search = Search(KIND, actor, origin, _SEARCH, spread=True)
        blind = await self._kernel.blinding(actor.tenant)
        ids = await self._kernel.search(search, lambda connection: page(connection, wanted, blind, before, limit))
        return list(await asyncio.gather(*(self.get(actor, id_, origin) for id_ in ids)))

    async def postmortem(self, actor: Actor, incident: UUID, origin: Origin) -> str:
        """The draft of a postmortem, in Markdown. Raises as `get` does."""
        return postmortem(view(await self._kernel.read(Read(KIND, incident, actor, origin, _READ, "postmortem"))))

    async def times(self, actor: Actor, origin: Origin, days: int) -> list[Times]:
        """How long it took to acknowledge and to resolve what was opened in the last so many days. Raises as `get` does."""
        since = self._kernel.clock.now() - timedelta(days=days)
        search = Search(KIND, actor, origin, _SEARCH, "measure", spread=True)
        return await self._kernel.search(search, lambda connection: times(connection, since))

    async def end(self, actor: Actor, origin: Origin, subject: str, text: str = "") -> UUID | None:
        """Resolves the open incident about a thing; its id, None when there is none. Doing it again changes nothing.

        Raises:
            Refused: the database is out of reach.
        """
        search = Search(KIND, actor, origin, _SEARCH, "find-open")
        there = await self._kernel.search(search, lambda connection: open_about(connection, subject))
        if there is None:
            return None
        [outcome] = await self._kernel.execute([Envelope(ResolveIncident(there, text), actor, origin)])
        if outcome.refusal is not None:
            raise Refused(outcome.refusal)
        return there

    async def tell(self, actor: Actor, origin: Origin, report: Report, beside: Sequence[Command] = ()) -> list[Outcome]:
        """Opens an incident, or adds a note to the open one about the same thing; together with other commands, or not at all.
        The incident's outcome comes last.

        Raises:
            Refused: one of the commands was refused.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            command = await self._command(actor, origin, report)
            envelopes = [Envelope(each, actor, origin) for each in (*beside, command)]
            outcomes = await self._kernel.execute(envelopes, atomic=True)
            refusals = [each.refusal for each in outcomes if each.refusal is not None and each.refusal is not ABORTED]
            if not refusals:
                return outcomes
            # Somebody else was faster: then there is one by now.
            if refusals[0].type != INCIDENT_OPEN or attempt == _ATTEMPTS:
                raise Refused(refusals[0])
        raise AssertionError("the last attempt returned or raised")

    async def tell_once(self, actor: Actor, origin: Origin, report: Report) -> bool:
        """As `tell`, but what was told in the same words before is not told again; whether it was told now.

        Raises:
            Refused: the database is out of reach.
        """
        words = sha256(f"{report.subject}\0{report.text}".encode()).hexdigest()
        command = await self._command(actor, origin, report)
        if isinstance(command, AddNote):
            there = await self.get(actor, command.id, origin)
            if any(entry.text in (report.text, command.text) for entry in there.timeline):
                return False
        # The Idempotency-Key keeps an incident closed that somebody has resolved already.
        [outcome] = await self._kernel.execute([Envelope(command, actor, origin, idempotency_key=words)])
        if outcome.refusal is not None and outcome.refusal.type not in (INCIDENT_OPEN, TOO_MANY_NOTES):
            raise Refused(outcome.refusal)
        return outcome.refusal is None and not outcome.replayed

    async def keep_told(self, origin: Origin, prefix: str, wrong: Mapping[UUID, Sequence[Report]]) -> None:
        """Opens an incident about each thing that is `wrong`, by clinic, and resolves those about things that no longer are. All
        subjects begin with `prefix`, and nobody else tells of those. Safe beside others who do the same.

        Raises:
            Refused: the database is out of reach.
        """
        search = Search(KIND, operator(NIL), origin, _SEARCH, "find-open")
        there = await self._kernel.search(search, lambda connection: open_of(connection, prefix))
        reports = {(tenant, report.subject): report for tenant, told in wrong.items() for report in told}
        commands: list[tuple[UUID, Command]] = [
            (tenant, ResolveIncident(id_, "It is over."))
            for (tenant, subject), id_ in there.items()
            if (tenant, subject) not in reports
        ]
        for (tenant, subject), report in reports.items():
            if (tenant, subject) not in there:
                commands.append((tenant, self._opening(report)))
        outcomes = await self._kernel.execute([Envelope(command, operator(tenant), origin) for tenant, command in commands])
        for outcome in outcomes:
            if outcome.refusal is not None and outcome.refusal.type != INCIDENT_OPEN:
                raise Refused(outcome.refusal)

    def _opening(self, report: Report) -> OpenIncident:
        return OpenIncident(new_id(), report.subject, report.severity, report.title, report.text, report.runbook, report.tags)

    async def _command(self, actor: Actor, origin: Origin, report: Report) -> Command:
        search = Search(KIND, actor, origin, _SEARCH, "find-open")
        there = await self._kernel.search(search, lambda connection: open_about(connection, report.subject))
        if there is not None:
            return AddNote(there, f"{report.title}. {report.text}".strip())
        return self._opening(report)

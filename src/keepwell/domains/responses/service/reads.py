"""Reads of responses: as they are, as they were, what changed; and judging answers without storing them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.questionnaires import QuestionnaireService
from keepwell.domains.responses.errors import MERGE_CONFLICT
from keepwell.domains.responses.models import (
    Answers,
    OnConflict,
    PatchResponse,
    Response,
    ResponseEvent,
    ResponseSubmitted,
    ResponseSummary,
    ResponseView,
    ResponseVoided,
    RowRemoved,
)
from keepwell.domains.responses.rules.lifecycle import unknown_questionnaire
from keepwell.domains.responses.rules.merging import Conflict
from keepwell.domains.responses.service.judging import Judge
from keepwell.domains.responses.store import Wanted, answered, page
from keepwell.kernel import Actor, Entry, Envelope, Kernel, Origin, Permission, Read, Refused, Search, Snapshot, View, fold
from keepwell.kernel.journal import event_name
from keepwell.kernel.problems import NOT_FOUND, Refusal

KIND, RESOURCE = "response", "QuestionnaireResponse"
_READ = Permission(RESOURCE, "r")
_SEARCH = Permission(RESOURCE, "s")
_LISTED_AT_ONCE = 100


class HistoryItem(msgspec.Struct, frozen=True):
    """One version: who made it, how, and the answers it touched, None where it cleared them."""

    version: int
    at: datetime
    type: str
    actor: UUID
    role: str
    door: str
    request_id: str
    changes: Answers
    row: str | None = None
    reason: str | None = None


class Difference(msgspec.Struct, frozen=True):
    """One answer that differs; `linkId` is its whole address."""

    linkId: str  # noqa: N815 - FHIR's own name
    before: Any
    after: Any


class StatusChange(msgspec.Struct, frozen=True):
    """The status at both ends."""

    before: str
    after: str


class Diff(msgspec.Struct, frozen=True):
    """What is different in version `to`, seen from version `from`."""

    from_: int = msgspec.field(name="from")
    to: int
    status: StatusChange
    items: list[Difference]


class MergePreview(msgspec.Struct, frozen=True):
    """What would become of a change: the response as it would be at `version`, or the conflicts with `version` as it is."""

    mergeable: bool
    base_version: int
    version: int
    response: ResponseView | None
    conflicts: tuple[Conflict, ...]


MergesByDefault = Callable[[Actor], Awaitable[bool]]
"""Whether an actor's change is merged when nobody says what becomes of it."""


class ResponseService:
    """The responses of a clinic, for doors and other rooms. Without `merges_by_default` nothing is merged unasked."""

    def __init__(
        self, kernel: Kernel, questionnaires: QuestionnaireService, merges_by_default: MergesByDefault | None = None
    ) -> None:
        self._kernel = kernel
        self._questionnaires = questionnaires
        self._merges_by_default = merges_by_default
        self.judge = Judge(kernel, questionnaires)

    async def get(self, actor: Actor, id: UUID, origin: Origin, action: str = "read") -> Snapshot:
        """One response; its state is a `Response`.

        Raises:
            Refused: as any read.
        """
        return await self._kernel.read(Read(KIND, id, actor, origin, _READ, action))

    async def show(self, actor: Actor, id: UUID, origin: Origin) -> View:
        """What a caller sees of one response. Raises as `get` does."""
        return await self._kernel.view(Read(KIND, id, actor, origin, _READ))

    async def at_version(self, actor: Actor, id: UUID, origin: Origin, version: int) -> Snapshot:
        """A response as it was at one of its versions.

        Raises:
            Refused: as any read; `not-found` too when it has no such version.
        """
        read = Read(KIND, id, actor, origin, _READ, "read-version")
        entries = await self._kernel.history(read, most=version)
        return self._past(id, entries if entries and entries[-1].version == version else [])

    async def at_instant(self, actor: Actor, id: UUID, origin: Origin, instant: datetime) -> Snapshot:
        """A response as it was at an instant, changes made at that very instant included.

        Raises:
            Refused: as any read; `not-found` too when it was not there yet.
        """
        entries = await self.history(actor, id, origin, "read-instant")
        return self._past(id, [entry for entry in entries if entry.at <= instant])

    async def history(self, actor: Actor, id: UUID, origin: Origin, action: str = "history") -> list[Entry]:
        """All that happened to a response, oldest first. Raises as `get` does."""
        return await self._kernel.history(Read(KIND, id, actor, origin, _READ, action))

    async def answered(self, actor: Actor, origin: Origin, people: Sequence[UUID], since: datetime) -> set[UUID]:
        """Those of these participants of whom there is a complete response that was written since an instant. One search,
        recorded as that. Raises as `get` does; who may only see their own finds nobody.
        """
        if self._kernel.compartment_of(actor, _SEARCH) is not None:
            return set()
        blind = await self._kernel.blinding(actor.tenant)
        indexes = {blind(f"Patient/{person}"): person for person in people}
        search = Search(KIND, actor, origin, _SEARCH, "find-answered")
        found = await self._kernel.search(search, lambda connection: answered(connection, list(indexes), since))
        return {indexes[index] for index in found}

    async def diff(self, actor: Actor, id: UUID, origin: Origin, first: int, last: int | None) -> Diff:
        """What differs between two versions, in either direction; without `last`, the newest.

        Raises:
            Refused: as any read; `not-found` too when it has no such version.
        """
        entries = await self.history(actor, id, origin, "diff")
        last = entries[-1].version if last is None else last
        if max(first, last) > len(entries):
            raise Refused(Refusal(NOT_FOUND))
        before: Response = self._past(id, entries[:first]).state
        after: Response = self._past(id, entries[:last]).state
        return Diff(first, last, StatusChange(before.status, after.status), _differences(before.answers, after.answers))

    async def page(
        self, actor: Actor, origin: Origin, filters: Mapping[str, Any], before: UUID | None, limit: int
    ) -> list[ResponseSummary]:
        """Responses, newest first, by `questionnaire`, `subject` and `status`; those older than `before`.

        Each one listed is recorded as read, because the list shows whom it is about. Raises as `get` does.
        """

        async def query(connection: Any) -> list[UUID]:
            subject: str | None = filters.get("subject")
            wanted = Wanted(
                filters.get("questionnaire"),
                None if subject is None else self._kernel.blind(actor.tenant)(subject),
                self._kernel.compartment_of(actor, _SEARCH),
                filters.get("status"),
            )
            return await page(connection, wanted, before, limit)

        ids = await self._kernel.search(Search(KIND, actor, origin, _SEARCH, spread=True), query)
        summaries: list[ResponseSummary] = []
        for start in range(0, len(ids), _LISTED_AT_ONCE):  # one list must not fill the queue of reads
            reads = (self.get(actor, id_, origin, "list") for id_ in ids[start : start + _LISTED_AT_ONCE])
            summaries.extend(map(_summary, await asyncio.gather(*reads)))
        return summaries

    @property
    def kernel(self) -> Kernel:
        """What this service runs on."""
        return self._kernel

    async def preview(self, actor: Actor, id: UUID, base_version: int, answers: Answers, origin: Origin) -> MergePreview:
        """What PATCH with `on_conflict=merge` would do with these answers: the very same decision, not carried out.

        Raises:
            Refused: for any reason but conflicting answers.
        """
        envelope = Envelope(PatchResponse(id, answers), actor, origin, base_version, merge=True)
        [outcome] = await self._kernel.execute([envelope], dry_run=True)
        refusal = outcome.refusal
        if refusal is None:
            response = msgspec.json.decode(outcome.shown, type=ResponseView)
            return MergePreview(True, base_version, outcome.version, response, ())  # noqa: FBT003 - a field's value
        if refusal.type != MERGE_CONFLICT:
            raise Refused(refusal)
        conflicts: tuple[Conflict, ...] = refusal.disclosed.get("conflicts", ())
        return MergePreview(False, base_version, outcome.version, None, conflicts)  # noqa: FBT003 - as above

    async def merges(self, actor: Actor, on_conflict: OnConflict | None) -> bool:
        """Whether a change made from an older version is merged. Every door asks here; what the caller says counts."""
        if on_conflict is not None:
            return on_conflict == "merge"
        return self._merges_by_default is not None and await self._merges_by_default(actor)

    async def questionnaire(self, actor: Actor, reference: str, origin: Origin) -> UUID:
        """The questionnaire a caller names by id or canonical.

        Raises:
            Refused: `not-found` when no canonical of the clinic is like this; as any read.
        """
        found = await self._questionnaires.resolve(actor, reference, origin)
        if found is None:
            raise Refused(unknown_questionnaire())
        return found

    def _past(self, id: UUID, entries: list[Entry]) -> Snapshot:
        if not entries:
            raise Refused(Refusal(NOT_FOUND))
        state = fold(self._kernel.catalog.kinds[KIND], (entry.event for entry in entries))
        return Snapshot(KIND, id, entries[-1].version, state, entries[0].at, entries[-1].at, b"")


def told(entry: Entry) -> HistoryItem:
    """A journal entry as the history shows it."""
    event: ResponseEvent = entry.event
    return HistoryItem(
        entry.version,
        entry.at,
        event_name(event),
        entry.actor,
        entry.role,
        entry.door,
        entry.request_id,
        _changes(event),
        getattr(event, "row", None),
        getattr(event, "reason", None),
    )


def _changes(event: ResponseEvent) -> Answers:
    if isinstance(event, RowRemoved):
        return dict.fromkeys(event.replaced)
    return {} if isinstance(event, ResponseSubmitted | ResponseVoided) else event.answers


def _differences(before: Answers, after: Answers) -> list[Difference]:
    addresses = dict.fromkeys((*before, *after))
    return [
        Difference(address, before.get(address), after.get(address))
        for address in addresses
        if before.get(address) != after.get(address)
    ]


def _summary(snapshot: Snapshot) -> ResponseSummary:
    state: Response = snapshot.state
    return ResponseSummary(
        snapshot.id, state.questionnaire, state.subject, state.status, snapshot.version, snapshot.created_at, snapshot.updated_at
    )

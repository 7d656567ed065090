"""Reads of questionnaires, and judging one without storing it."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.questionnaires.errors import QUESTIONNAIRE_INVALID
from keepwell.domains.questionnaires.models import CreateQuestionnaire, Definition, QuestionnaireSummary
from keepwell.domains.questionnaires.rules import verdict
from keepwell.domains.questionnaires.store import named, page, resolve
from keepwell.kernel import Actor, Envelope, Kernel, Origin, Permission, Read, Refused, Search, Snapshot, View
from keepwell.kernel.problems import Fault
from keepwell.kit.ids import new_id, parse_id

RESOURCE = "Questionnaire"
_READ = Permission(RESOURCE, "r")
_SEARCH = Permission(RESOURCE, "s")


class Judgement(msgspec.Struct, frozen=True):
    """What would come of storing something: whether it is valid, what is wrong, and what is doubtful but no obstacle."""

    valid: bool
    errors: tuple[Fault, ...]
    warnings: tuple[Fault, ...]


class QuestionnaireService:
    """The questionnaires of a clinic, for doors and other rooms."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def get(self, actor: Actor, id: UUID, origin: Origin) -> Snapshot:
        """One questionnaire; its state is a `Questionnaire`.

        Raises:
            Refused: as any read.
        """
        return await self._kernel.read(Read("questionnaire", id, actor, origin, _READ))

    async def show(self, actor: Actor, id: UUID, origin: Origin) -> View:
        """What a caller sees of one questionnaire. Raises as `get` does."""
        return await self._kernel.view(Read("questionnaire", id, actor, origin, _READ))

    async def page(
        self, actor: Actor, origin: Origin, filters: Mapping[str, str | None], before: UUID | None, limit: int
    ) -> list[QuestionnaireSummary]:
        """Questionnaires, newest first, by `status` and `url`; those older than `before`. Raises as `get` does."""

        async def query(connection: Any) -> list[QuestionnaireSummary]:
            return await page(connection, filters.get("status"), filters.get("url"), before, limit)

        return await self._kernel.search(Search("questionnaire", actor, origin, _SEARCH, spread=True), query)

    async def resolve(self, actor: Actor, reference: str, origin: Origin) -> UUID | None:
        """The questionnaire that an id, `url|version` or url names; a url alone means the one published last.

        An id is taken at its word: whether it names anything shows when it is used. Raises as `get` does.
        """
        found = parse_id(reference)
        if found is not None:
            return found
        url, _, version = reference.rpartition("|") if "|" in reference else (reference, "", "")

        async def query(connection: Any) -> UUID | None:
            return await resolve(connection, url, version or None)

        return await self._kernel.search(Search("questionnaire", actor, origin, _READ, "resolve"), query)

    async def named(self, actor: Actor, canonical: str, origin: Origin) -> list[UUID]:
        """Every questionnaire that `url|version` or url names. Raises as `get` does."""
        url, _, version = canonical.rpartition("|") if "|" in canonical else (canonical, "", "")

        async def query(connection: Any) -> list[UUID]:
            return await named(connection, url, version or None)

        return await self._kernel.search(Search("questionnaire", actor, origin, _READ, "resolve"), query)

    async def judge(self, actor: Actor, resource: dict[str, Any], origin: Origin) -> Judgement:
        """What storing this resource would say: the very same decision, not carried out.

        Raises:
            Refused: for any reason but the resource itself.
        """
        envelope = Envelope(CreateQuestionnaire(new_id(), resource), actor, origin)
        [outcome] = await self._kernel.execute([envelope], dry_run=True)
        refusal = outcome.refusal
        if refusal is not None and refusal.type != QUESTIONNAIRE_INVALID:
            raise Refused(refusal)
        warnings = (await asyncio.to_thread(verdict, resource)).warnings
        return Judgement(refusal is None, () if refusal is None else refusal.faults, warnings)

    async def definition(self, actor: Actor, snapshot: Snapshot) -> Definition:
        """The compiled form of a questionnaire just read."""
        return await self._kernel.derive(actor.tenant, snapshot)

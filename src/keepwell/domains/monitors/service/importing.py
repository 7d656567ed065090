"""What other programs watch is watched here: each thing once, however often its file is sent."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from keepwell.domains.monitors.errors import INVALID_IMPORT
from keepwell.domains.monitors.models import (
    ChangeMonitor,
    CreateMonitor,
    Imported,
    ImportedMonitor,
    ImportReport,
    Monitor,
)
from keepwell.domains.monitors.rules import importing, lifecycle
from keepwell.domains.monitors.rules.carrying import changes, source_of
from keepwell.domains.monitors.rules.importing import Found, System, UnreadableFileError
from keepwell.domains.monitors.rules.lifecycle import KIND
from keepwell.domains.monitors.service.keeping import READ, SEARCH, Keeper
from keepwell.domains.monitors.service.tokens import Tokens, digest
from keepwell.domains.monitors.store import imported, source_token
from keepwell.kernel import Actor, Command, Envelope, Fault, Kernel, Origin, Outcome, Read, Refusal, Refused, Search, Snapshot
from keepwell.kit.ids import new_id


class _Planned(NamedTuple):
    """What is to become of one thing: a command, or nothing. `token` is that of a new heartbeat."""

    found: Found
    envelope: Envelope | None = None
    outcome: Imported = "left-out"
    id: UUID | None = None
    errors: tuple[Fault, ...] = ()
    token: str | None = None


class Importer:
    """Imports into one clinic at a time: the actor's."""

    def __init__(self, kernel: Kernel, keeper: Keeper) -> None:
        self._kernel = kernel
        self._keeper = keeper
        self._tokens = Tokens(kernel.ring.derive)

    async def run(
        self, actor: Actor, origin: Origin, system: System, files: Sequence[str], *, dry_run: bool = False
    ) -> ImportReport:
        """Makes monitors of what the files watch, and changes those that it made before where the files say something else.

        Everything is decided as it would be by single commands; what is refused leaves the others alone. With `dry_run` nothing
        is stored.

        Raises:
            Refused: `invalid-import`; or as any search.
        """
        await self._kernel.search(Search(KIND, actor, origin, SEARCH, "import"), _nothing)  # before work is done for anybody
        try:
            reading = await asyncio.to_thread(importing.read, system, files)
        except UnreadableFileError as error:
            raise Refused(Refusal(INVALID_IMPORT, str(error), (Fault("/files", "unreadable", str(error)),))) from error
        planned = await self._planned(actor, origin, system, reading.found)
        asked = [each for each in planned if each.envelope is not None]
        envelopes = [each.envelope for each in asked if each.envelope is not None]
        outcomes = iter(await self._kernel.execute(envelopes, dry_run=dry_run))
        made = [_told(each, None if each.envelope is None else next(outcomes), dry_run=dry_run) for each in planned]
        counts = Counter(each.outcome for each in made)
        return ImportReport(
            dry_run,
            counts["created"],
            counts["updated"],
            counts["unchanged"],
            counts["refused"],
            tuple(made),
            reading.left_out,
        )

    async def _planned(self, actor: Actor, origin: Origin, system: System, found: Sequence[Found]) -> list[_Planned]:
        blind = await self._kernel.blinding(actor.tenant)
        tokens = {each.key: blind(source_token(system, each.key)) for each in found}
        search = Search(KIND, actor, origin, SEARCH, "find-imported")
        known = await self._kernel.search(search, lambda connection: imported(connection, list(tokens.values())))
        private = await self._keeper.private_allowed(actor.tenant, origin)
        planned: list[_Planned] = []
        for each in found:
            monitor = known.get(tokens[each.key])
            before = None if monitor is None else await self._kernel.read(Read(KIND, monitor, actor, origin, READ, "import"))
            planned.append(self._plan(each, system, before, actor, origin, private=private))
        return planned

    def _plan(
        self, found: Found, system: System, before: Snapshot | None, actor: Actor, origin: Origin, *, private: bool
    ) -> _Planned:
        if found.configuration is None:
            return _Planned(found)
        configuration = lifecycle.normal(found.configuration)
        source = source_of(system, found, configuration)
        if before is None:
            id_ = new_id()
            token = self._tokens.compose(id_, None) if configuration.kind == "heartbeat" else None
            known = None if token is None else digest(token)
            command: Command = CreateMonitor(id_, configuration, known, source, private, found.paused)
            return _Planned(found, Envelope(command, actor, origin), "created", id_, token=token)
        state: Monitor = before.state
        if state.source is not None and state.source.digest == source.digest:
            return _Planned(found, None, "unchanged", before.id)
        if state.kind != configuration.kind:
            fault = Fault("/kind", "changed", "It is of another kind now: delete the monitor and import again.")
            return _Planned(found, None, "refused", before.id, (fault,))
        command = ChangeMonitor(before.id, changes(state, configuration), source, private)
        return _Planned(found, Envelope(command, actor, origin, before.version), "updated", before.id)


async def _nothing(_connection: Any) -> None:
    """Who may not search, may not import either."""


def _told(planned: _Planned, outcome: Outcome | None, *, dry_run: bool) -> ImportedMonitor:
    found = planned.found
    if outcome is not None and outcome.refusal is not None:
        faults = outcome.refusal.faults or (Fault("", outcome.refusal.code, outcome.refusal.type.title),)
        return ImportedMonitor(found.key, found.name, "refused", None, faults, found.left_out)
    id_ = None if dry_run and planned.outcome == "created" else planned.id
    path = None if planned.token is None or dry_run else f"/v1/heartbeats/{planned.token}"
    return ImportedMonitor(found.key, found.name, planned.outcome, id_, planned.errors, found.left_out, path)

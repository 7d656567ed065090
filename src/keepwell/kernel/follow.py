"""Following an aggregate: what happened to it since a version, for several readers at once, each recorded before it is shown.

All follows that wait share one statement and one commit, whoever and whatever they are about.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from keepwell.kernel import store
from keepwell.kernel.codec import Codec, readable
from keepwell.kernel.gather import Gatherable
from keepwell.kernel.journal import Entry
from keepwell.kernel.keys import KeyRing, UnknownVersionError
from keepwell.kernel.permissions import Grant
from keepwell.kernel.problems import Refusal, Refused
from keepwell.kernel.read import REFUSALS, Read, open_keys, refusal_for, row_of
from keepwell.kernel.store import Span, Versions, Wanted
from keepwell.kit.time import Clock
from keepwell.platform.postgres import Database

MOST_ENTRIES = 500
"""Who is further behind sees the aggregate as it is instead."""

_NOT_WANTED = b""


class Follow(msgspec.Struct, frozen=True):
    """Asks what happened to the aggregate that all `readers` name after version `since`."""

    readers: tuple[Read, ...]
    since: int


class Followed(NamedTuple):
    """`entries` lead from `since` to `version`, oldest first; None when they are too many, or when there is no way from there.

    `refusals` stand in the order of the readers: None for who may be shown them, and was recorded.
    """

    version: int
    entries: list[Entry] | None
    refusals: list[Refusal | None]


class PendingFollow(Gatherable):
    """A follow waiting for its batch. `grants` say how far each of its readers may go."""

    __slots__ = ("follow", "grants")

    def __init__(self, follow: Follow, grants: Sequence[Grant]) -> None:
        super().__init__(follow.readers[0].actor.tenant, len(follow.readers))
        self.follow = follow
        self.grants = grants


class Follower:
    """Runs gathered follows."""

    def __init__(self, database: Database, ring: KeyRing, codec: Codec, clock: Clock) -> None:
        self._database = database
        self._ring = ring
        self._codec = codec
        self._clock = clock

    async def run(self, batch: Sequence[PendingFollow]) -> None:
        """Settles every follow, or fails it with `Refused`."""
        try:
            try:
                await self._run(batch)
            except UnknownVersionError:  # sealed by a process that learned of a new key before this one
                await self._run([each for each in batch if not each.future.done()])
        except Exception as error:
            refusal = refusal_for(error)
            if refusal is None:
                raise
            for each in batch:
                each.fail(Refused(refusal))

    async def versions(self, wanted: dict[UUID, Wanted]) -> Versions:
        """How far aggregates are, and which credentials live.

        Raises:
            Refused: the database is out of reach.
        """
        try:
            async with self._database.connection() as connection:
                return await store.versions(connection, wanted, self._clock.now())
        except Exception as error:
            refusal = refusal_for(error)
            if refusal is None:
                raise
            raise Refused(refusal) from error

    async def _run(self, batch: Sequence[PendingFollow]) -> None:
        moment = self._clock.now()
        async with self._database.connection() as connection:
            keys = await open_keys(self._ring, connection, batch)
            batch = [each for each in batch if each.tenant in keys]
            rows = [
                row_of(read, keys[each.tenant], moment, own=granted.own_compartment_only, known=_NOT_WANTED)
                for each in batch
                for read, granted in zip(each.follow.readers, each.grants, strict=True)
            ]
            answers = iter(await store.read(connection, rows, moment))
            answered = [[next(answers) for _ in each.follow.readers] for each in batch]
            spans = [_span(each.follow, given) for each, given in zip(batch, answered, strict=True)]
            wanted = [span for span in spans if span is not None and span.first <= span.last]
            entries = iter(await store.entries(connection, wanted) if wanted else ())
        for each, given, span in zip(batch, answered, spans, strict=True):
            found = [] if span is None or span.first > span.last else next(entries)
            reader = each.follow.readers[0]
            told = [readable(self._codec, keys[each.tenant], reader.kind, reader.id, row) for row in found]
            refusals = [REFUSALS.get(answer["outcome"]) for answer in given]
            each.resolve(Followed(_version(given), None if span is None else told, refusals))


def _version(answers: Iterable[Any]) -> int:
    """The newest version that a reader was recorded with: what is shown does not go beyond it."""
    return max((answer["version"] or 0 for answer in answers), default=0)


def _span(follow: Follow, answers: Sequence[Any]) -> Span | None:
    """The entries that lead from where the readers are to where the aggregate is. Empty when nobody may see them."""
    reader, version = follow.readers[0], _version(answers)
    if not any(answer["outcome"] == "ok" for answer in answers):
        version = follow.since
    if version < follow.since or version - follow.since > MOST_ENTRIES:
        return None
    return Span(reader.actor.tenant, reader.kind, reader.id, follow.since + 1, version)

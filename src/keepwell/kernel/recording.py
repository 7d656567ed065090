"""Access records of what was no command, such as attempts to log in. Of those that come by the hundred, one may stand for many.

What says the same of the same entity is recorded one by one as long as it comes slowly, each before it is answered. What comes
faster is counted, and a record of the count written each second: how many there were, and in what time. A database that is away
loses none of them: they are counted on until it is back.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextvars import Context
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import structlog

from keepwell.kernel.envelope import Actor, Origin
from keepwell.kernel.journal import StoredAccess, access_record
from keepwell.kernel.problems import Refused
from keepwell.kit.gcra import Pace, Rate
from keepwell.kit.time import Clock, microseconds

EACH = Rate.of(10, 10)
"""How many that say the same are recorded one by one: a second, and at once."""

_WRITE_SECONDS = 1.0
_MOST_DIFFERENT = 1_000
_MOST_PACED = 10_000
_MANY = re.compile(r"(.+)\.([1-9][0-9]{0,8})-in-([0-9]{1,12})ms")
_MILLISECOND = timedelta(milliseconds=1)
_log = structlog.stdlib.get_logger("keepwell.kernel")


class Several(msgspec.Struct, frozen=True):
    """What a record stands for: `count` times `action`, the first of them so long before the record's instant."""

    action: str
    count: int
    span: timedelta


def several(action: str) -> Several:
    """What the action of a record says."""
    found = _MANY.fullmatch(action)
    if found is None:
        return Several(action, 1, timedelta())
    return Several(found[1], int(found[2]), int(found[3]) * _MILLISECOND)


class Noted(NamedTuple):
    """All that a record says but when, and in whose request."""

    actor: Actor
    door: str
    action: str
    kind: str
    entity: UUID
    outcome: str


class _Agent(NamedTuple):
    actor: Actor
    origin: Origin


class _Sum(NamedTuple):
    tries: int
    first_at: datetime
    last_at: datetime
    origin: Origin

    def plus(self, later: "_Sum") -> "_Sum":
        return _Sum(self.tries + later.tries, self.first_at, later.last_at, later.origin)

    def record(self, noted: Noted) -> StoredAccess:
        who, action = _Agent(noted.actor, self.origin), noted.action
        if self.tries > 1:
            action = f"{action}.{self.tries}-in-{-(-(self.last_at - self.first_at) // _MILLISECOND)}ms"
        return access_record(who, noted.kind, noted.entity, self.last_at, action, noted.outcome)


class Recorder:
    """One per process. `write` makes a record durable, or raises `Refused`."""

    def __init__(self, write: Callable[[UUID, StoredAccess], Awaitable[Any]], clock: Clock) -> None:
        self._write = write
        self._clock = clock
        self._paces: dict[Noted, Pace] = {}
        self._sums: dict[Noted, _Sum] = {}
        self._writing: asyncio.Task[None] | None = None

    async def each(self, noted: Noted, origin: Origin) -> None:
        """Records it by itself; durable when this returns. Raises `Refused` when it cannot be written now."""
        now = self._clock.now()
        await self._write(noted.actor.tenant, _Sum(1, now, now, origin).record(noted))

    async def often(self, noted: Noted, origin: Origin) -> None:
        """Records it by itself, as `each`; or counts it, where others that say the same were recorded a moment ago."""
        if self._slow(noted) or (noted not in self._sums and len(self._sums) >= _MOST_DIFFERENT):
            await self.each(noted, origin)
            return
        now = self._clock.now()
        self._add(noted, _Sum(1, now, now, origin))
        if self._writing is None:
            # In no request's name: what is written there belongs to many.
            self._writing = asyncio.get_running_loop().create_task(self._keep_writing(), name="records", context=Context())

    async def close(self) -> None:
        """Writes what was counted, if the database takes it."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        await self._write_all()
        if self._sums:
            _log.warning("records.lost", count=sum(each.tries for each in self._sums.values()))

    def _slow(self, noted: Noted) -> bool:
        now = microseconds(self._clock.now())
        pace = self._paces.get(noted)
        if pace is None:
            if len(self._paces) >= _MOST_PACED:
                self._paces = {each: one for each, one in self._paces.items() if not one.full(now)}
            pace = self._paces[noted] = Pace(EACH)
        return pace.take(now)

    def _add(self, noted: Noted, later: _Sum) -> None:
        there = self._sums.get(noted)
        self._sums[noted] = later if there is None else there.plus(later)

    async def _keep_writing(self) -> None:
        try:
            while self._sums:
                await asyncio.sleep(_WRITE_SECONDS)
                await self._write_all()
        finally:
            self._writing = None

    async def _write_all(self) -> None:
        """Writes each sum once. What cannot be written now, or was being written when this was cut off, is kept."""
        for noted in list(self._sums):
            took = self._sums.pop(noted)
            try:
                await self._write(noted.actor.tenant, took.record(noted))
            except Refused as refused:
                if refused.refusal.type.status < 500:  # it never can be: the clinic's keys are gone
                    _log.warning("records.refused", code=refused.refusal.code, count=took.tries)
                    continue
                self._put_back(noted, took)
            except asyncio.CancelledError:
                self._put_back(noted, took)
                raise

    def _put_back(self, noted: Noted, took: _Sum) -> None:
        meanwhile = self._sums.get(noted)
        self._sums[noted] = took if meanwhile is None else took.plus(meanwhile)

"""The HTTP door of feature flags."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

from keepwell.domains.flags.errors import FLAG_KILLED, INVALID_FLAG, ROLLOUT_NOT_RUNNING, ROLLOUT_RUNNING
from keepwell.domains.flags.models import Asked, Changes, Cohort, Declaration, Evaluation, FlagView, Guard, Plan, StaleFlag, Value
from keepwell.domains.flags.service import FlagService, orders
from keepwell.kernel import Command, Entry
from keepwell.kernel.http import USUAL_PAGE, Answer, Call, Endpoint, PageLimit, answer
from keepwell.kernel.journal import event_name
from keepwell.kernel.problems import NOT_FOUND

_TAG = "Feature flags"
_SMALL = 500_000
Text = Annotated[str, Meta(min_length=1, max_length=255)]
ReasonText = Annotated[str, Meta(min_length=1, max_length=2_000)]
Listed = TypeVar("Listed", FlagView, StaleFlag)
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class People(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cohort: people by targeting key, which for accounts is their id, or by role."""

    subjects: tuple[Text, ...] = ()
    roles: tuple[Text, ...] = ()


class FlagSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who gets what: `on` for the cohorts and for `basis_points` of ten thousand others, `off` for the rest.

    With PUT, what is left out is as the program declares it; with PATCH it stays.
    """

    variants: dict[str, Value] | None = None
    on: str | None = None
    off: str | None = None
    basis_points: int | None = None
    cohorts: dict[str, People] | None = None
    salt: str | None = None

    def changes(self) -> Changes:
        cohorts = self.cohorts
        people = None if cohorts is None else {name: Cohort(each.subjects, each.roles) for name, each in cohorts.items()}
        return Changes(self.variants, self.on, self.off, self.basis_points, people, self.salt)


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a roll-out steps back: too large a share of at least `minimum_sample` requests that saw the flag on failed, and more
    than `maximum_ratio` times the share of those that saw it off; null: whatever that is.
    """

    maximum_error_rate: float = 0.05
    minimum_sample: int = 100
    maximum_ratio: float | None = 2.0


class RolloutPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Steps in basis points, each larger than the one before and held for `hold_s` seconds at least."""

    steps: tuple[int, ...]
    hold_s: int
    guard: Limits = Limits()

    def plan(self) -> Plan:
        guard = Guard(self.guard.maximum_error_rate, self.guard.minimum_sample, self.guard.maximum_ratio)
        return Plan(self.steps, self.hold_s, guard)


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why."""

    reason: ReasonText


class Context(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to evaluate a flag for; nothing: who asks."""

    targeting_key: Text | None = None
    roles: tuple[Text, ...] = ()


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the list: `cursor` is the key that the part before ended with."""

    limit: PageLimit = USUAL_PAGE
    cursor: str | None = None


class HistoryPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the history: `cursor` is the version that the part before ended with."""

    limit: PageLimit = USUAL_PAGE
    cursor: Version | None = None


class FlagList(msgspec.Struct, frozen=True):
    """Flags, by key."""

    items: list[FlagView]
    next: str | None


class StaleFlags(msgspec.Struct, frozen=True):
    """Flags that have outlived what they were for, by key."""

    items: list[StaleFlag]
    next: str | None


class FlagChange(msgspec.Struct, frozen=True):
    """One version of a flag: who made it, how, and what happened."""

    version: int
    at: datetime
    type: str
    actor: UUID
    role: str
    door: str
    request_id: str
    event: dict[str, Any]


class FlagHistory(msgspec.Struct, frozen=True):
    """What happened, the oldest first."""

    items: list[FlagChange]
    next: str | None


class _Flags:
    def __init__(self, service: FlagService) -> None:
        self._service = service
        self._keeper = service.keeper

    async def page(self, call: Call) -> Answer:
        return Answer(200, FlagList(*_part(await self._keeper.page(call.actor, call.origin), call.query)))

    async def stale(self, call: Call) -> Answer:
        return Answer(200, StaleFlags(*_part(await self._keeper.stale(call.actor, call.origin), call.query)))

    async def show(self, call: Call) -> Answer:
        flag = await self._keeper.show(call.actor, call.path["key"], call.origin)
        return Answer(200, flag, {"etag": f'"{flag.version}"'})

    async def history(self, call: Call) -> Answer:
        part: HistoryPart = call.query
        entries = await self._keeper.history(call.actor, call.path["key"], call.origin)
        later = [entry for entry in entries if part.cursor is None or entry.version > part.cursor]
        items = [_told(entry) for entry in later[: part.limit]]
        return Answer(200, FlagHistory(items, str(items[-1].version) if len(later) > part.limit else None))

    async def evaluate(self, call: Call) -> Answer:
        body: Context = call.body
        asked = Asked(call.actor.tenant, body.targeting_key, body.roles) if body != Context() else None
        return Answer(200, await self._service.evaluate(call.actor, call.path["key"], asked, call.origin))

    async def put(self, call: Call) -> Answer:
        return await self._done(call, orders.setting(call.actor.tenant, self._known(call), call.body.changes()))

    async def change(self, call: Call) -> Answer:
        return await self._done(call, orders.changing(call.actor.tenant, self._known(call), call.body.changes()))

    async def kill(self, call: Call) -> Answer:
        return await self._done(call, orders.killing(call.actor.tenant, self._known(call), call.body.reason))

    async def restore(self, call: Call) -> Answer:
        return await self._done(call, orders.restoring(call.actor.tenant, self._known(call), call.body.reason))

    async def start(self, call: Call) -> Answer:
        return await self._done(call, orders.starting(call.actor.tenant, self._known(call), call.body.plan()))

    async def stop(self, call: Call) -> Answer:
        return await self._done(call, orders.stopping(call.actor.tenant, self._known(call), call.body.reason))

    def _known(self, call: Call) -> Declaration:
        return self._keeper.known(call.path["key"])

    async def _done(self, call: Call, command: Command) -> Answer:
        outcome = await call.execute(command)
        return Answer(200, self._keeper.shown(outcome), answer(outcome).headers)


def _part(flags: list[Listed], part: Part) -> tuple[list[Listed], str | None]:
    later = [flag for flag in flags if part.cursor is None or flag.key > part.cursor]
    items = later[: part.limit]
    return items, items[-1].key if len(later) > part.limit else None


def _told(entry: Entry) -> FlagChange:
    event: Mapping[str, Any] = msgspec.to_builtins(entry.event)
    told = {name: value for name, value in event.items() if name != "type"}
    name = event_name(entry.event)
    return FlagChange(entry.version, entry.at, name, entry.actor, entry.role, entry.door, entry.request_id, told)


def endpoints(service: FlagService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    flags = _Flags(service)
    return (*_reads(flags), *_settings(flags), *_actions(flags))


def _reads(flags: _Flags) -> tuple[Endpoint, ...]:
    return (
        Endpoint("GET", "/v1/flags", flags.page, "List the clinic's feature flags", _TAG, query=Part, answers={200: FlagList}),
        Endpoint(
            "GET",
            "/v1/flags/stale",
            flags.stale,
            "List flags that have outlived what they were for",
            _TAG,
            query=Part,
            answers={200: StaleFlags},
        ),
        Endpoint("GET", "/v1/flags/{key}", flags.show, "Show a flag", _TAG, answers={200: FlagView}, etag=True),
        Endpoint(
            "GET",
            "/v1/flags/{key}/history",
            flags.history,
            "Tell who changed a flag, when and why",
            _TAG,
            query=HistoryPart,
            answers={200: FlagHistory},
        ),
        Endpoint(
            "POST",
            "/v1/flags/{key}/evaluate",
            flags.evaluate,
            "Say what a flag is for oneself or, for who may read flags, for somebody else",
            _TAG,
            body=Context,
            answers={200: Evaluation},
            idempotent=False,
        ),
    )


def _settings(flags: _Flags) -> tuple[Endpoint, ...]:
    described = (
        ("PUT", flags.put, "Set all of a flag; what is left out is as the program declares it"),
        ("PATCH", flags.change, "Change what is named of a flag"),
    )
    return tuple(
        Endpoint(
            method,
            "/v1/flags/{key}",
            handler,
            summary,
            _TAG,
            body=FlagSetting,
            body_limit=_SMALL,
            answers={200: FlagView},
            problems=(INVALID_FLAG, ROLLOUT_RUNNING),
            guarded=True,
        )
        for method, handler, summary in described
    )


def _actions(flags: _Flags) -> tuple[Endpoint, ...]:
    described = (
        ("kill", flags.kill, "Turn a flag off for everybody, at once", Reason, ()),
        ("restore", flags.restore, "Take a kill back", Reason, ()),
        ("rollout", flags.start, "Begin a roll-out in steps", RolloutPlan, (INVALID_FLAG, ROLLOUT_RUNNING, FLAG_KILLED)),
        ("rollout/stop", flags.stop, "End a roll-out where it is", Reason, (ROLLOUT_NOT_RUNNING, NOT_FOUND)),
    )
    return tuple(
        Endpoint(
            "POST",
            f"/v1/flags/{{key}}/{action}",
            handler,
            summary,
            _TAG,
            body=body,
            answers={200: FlagView},
            problems=problems,
        )
        for action, handler, summary, body, problems in described
    )

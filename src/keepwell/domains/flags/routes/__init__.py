"""The HTTP door of feature flags."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from keepwell.domains.flags.errors import FLAG_KILLED, INVALID_FLAG, ROLLOUT_NOT_RUNNING, ROLLOUT_RUNNING
from keepwell.domains.flags.models import Asked, Declaration, Evaluation, FlagView, StaleFlag
from keepwell.domains.flags.routes import examples
from keepwell.domains.flags.routes.bodies import (
    Context,
    FlagChange,
    FlagHistory,
    FlagList,
    FlagSetting,
    Part,
    Reason,
    RolloutPlan,
    StaleFlags,
)
from keepwell.domains.flags.service import FlagService, orders
from keepwell.kernel import Command, Entry
from keepwell.kernel.http import Answer, Call, Endpoint, HistoryPart, answer, page_of
from keepwell.kernel.journal import event_name
from keepwell.kernel.problems import NOT_FOUND

_TAG = "Feature flags"
_SMALL = 500_000
_NO_ROLLOUT = (INVALID_FLAG, ROLLOUT_RUNNING, FLAG_KILLED)
Listed = TypeVar("Listed", FlagView, StaleFlag)


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
        shown, cursor = page_of(later, part.limit, lambda entry: entry.version)
        return Answer(200, FlagHistory([_told(entry) for entry in shown], cursor))

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
    return page_of(later, part.limit, lambda one: one.key)


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
        Endpoint(
            "GET",
            "/v1/flags",
            flags.page,
            "List the clinic's feature flags",
            _TAG,
            query=Part,
            answers={200: FlagList},
            compressed=True,
            example=examples.PAGE,
        ),
        Endpoint(
            "GET",
            "/v1/flags/stale",
            flags.stale,
            "List flags that have outlived what they were for",
            _TAG,
            query=Part,
            answers={200: StaleFlags},
            compressed=True,
            example=examples.STALE,
        ),
        Endpoint(
            "GET",
            "/v1/flags/{key}",
            flags.show,
            "Show a flag",
            _TAG,
            answers={200: FlagView},
            etag=True,
            compressed=True,
            example=examples.SHOW,
        ),
        Endpoint(
            "GET",
            "/v1/flags/{key}/history",
            flags.history,
            "Tell who changed a flag, when and why",
            _TAG,
            query=HistoryPart,
            answers={200: FlagHistory},
            compressed=True,
            example=examples.HISTORY,
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
            compressed=True,
            example=examples.EVALUATE,
        ),
    )


def _settings(flags: _Flags) -> tuple[Endpoint, ...]:
    described = (
        ("PUT", flags.put, "Set all of a flag; what is left out is as the program declares it", examples.PUT),
        ("PATCH", flags.change, "Change what is named of a flag", examples.PATCH),
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
            etag=True,
            compressed=True,
            example=example,
        )
        for method, handler, summary, example in described
    )


def _actions(flags: _Flags) -> tuple[Endpoint, ...]:
    described = (
        ("kill", flags.kill, "Turn a flag off for everybody, at once", Reason, (), examples.KILL),
        ("restore", flags.restore, "Take a kill back", Reason, (), examples.RESTORE),
        ("rollout", flags.start, "Begin a roll-out in steps", RolloutPlan, _NO_ROLLOUT, examples.START),
        ("rollout/stop", flags.stop, "End a roll-out where it is", Reason, (ROLLOUT_NOT_RUNNING, NOT_FOUND), examples.STOP),
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
            etag=True,
            compressed=True,
            example=example,
        )
        for action, handler, summary, body, problems, example in described
    )

"""The HTTP door of checks, beneath each monitor."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import astuple

from keepwell.domains.checks.errors import MONITOR_IDLE
from keepwell.domains.checks.models import CheckRequestView, RequestCheck, Result, StatusView
from keepwell.domains.checks.routes import examples
from keepwell.domains.checks.routes.bodies import (
    DeadCheckList,
    ErrorBudget,
    FleetQuery,
    FleetRow,
    FleetView,
    ResultList,
    ResultQuery,
    TransitionList,
    TransitionQuery,
    UptimeQuery,
    UptimeView,
)
from keepwell.domains.checks.service import CheckService
from keepwell.domains.checks.service.fleet import Fared
from keepwell.domains.checks.service.reading import Uptime, window_of
from keepwell.domains.uploads import csv_lines
from keepwell.kernel.http import Answer, Call, Endpoint, Example, answer, page_of
from keepwell.kernel.problems import INVALID_PARAMETER, Fault, Refusal, Refused
from keepwell.kit.ids import new_id

_TAG = "Monitors"
_DAY = timedelta(days=1)
_SOON = timedelta(minutes=1)
_USUAL_WINDOW = "30d"
CSV = "text/csv; charset=utf-8"


class _Checks:
    def __init__(self, service: CheckService) -> None:
        self._service = service

    async def request(self, call: Call) -> Answer:
        outcome = await call.execute(RequestCheck(new_id(), call.id))
        await self._service.hasten()
        return answer(outcome, 202, f"/v1/monitors/{call.id}/results")

    async def beat(self, call: Call) -> Answer:
        await self._service.beat(call.path["token"], call.origin)
        return Answer(204)

    async def results(self, call: Call) -> Answer:
        query: ResultQuery = call.query
        since, until = self._between(query.since, query.until, _DAY)
        reader, who = self._service.reader, (call.actor, call.id, call.origin)
        if query.by is None:
            before = None if query.cursor is None else _place(query.cursor)
            found = await reader.results(*who, since, until, query.limit + 1, before)
            items, following = page_of(found, query.limit, _cursor)
            return Answer(200, ResultList(items, [], following))
        until = until if query.cursor is None else min(until, _place(query.cursor)[0])
        sums = await reader.rollups(*who, query.by, since, until, query.limit + 1)
        rollups, following = page_of(sums, query.limit, lambda each: _written(each.at))
        return Answer(200, ResultList([], rollups, following))

    async def status(self, call: Call) -> Answer:
        return Answer(200, await self._service.reader.status(call.actor, call.id, call.origin))

    async def transitions(self, call: Call) -> Answer:
        query: TransitionQuery = call.query
        since, until = self._between(query.since, query.until, 30 * _DAY)
        until = until if query.cursor is None else min(until, query.cursor)
        found = await self._service.reader.transitions(call.actor, call.id, call.origin, since, until, query.limit + 1)
        return Answer(200, TransitionList(*page_of(found, query.limit, lambda each: _written(each.at))))

    async def uptime(self, call: Call) -> Answer:
        query: UptimeQuery = call.query
        window, since, until = self._window(query)
        objective = query.objective / 100
        found = await self._service.reader.uptime(call.actor, call.id, call.origin, since, until, objective)
        return Answer(200, _shown(call, window, query.objective, found))

    async def fleet(self, call: Call) -> Answer:
        query: FleetQuery = call.query
        window, since, until = self._window(query)
        found = await self._service.fleet.uptime(call.actor, call.origin, query.group, since, until, query.objective / 100)
        budget = found.budget
        view = FleetView(
            window,
            since,
            until,
            query.group,
            found.time.uptime,
            found.time.outages,
            ErrorBudget(query.objective, budget.allowed_s, budget.spent_s, budget.left_s, budget.consumed),
            [_row(each) for each in found.monitors],
            None,
        )
        return Answer(200, view)

    async def fleet_csv(self, call: Call) -> Answer:
        answer = await self.fleet(call)
        view: Any = answer.body
        rows = [FleetRow.__struct_fields__, *(astuple(each) for each in view.items)]
        return Answer(200, csv_lines(rows), {"content-disposition": 'attachment; filename="uptime.csv"'}, CSV)

    async def dead(self, call: Call) -> Answer:
        return Answer(200, DeadCheckList(await self._service.reader.dead(call.actor, call.id, call.origin), None))

    def _between(self, since: datetime | None, until: datetime | None, usual: timedelta) -> tuple[datetime, datetime]:
        """What is scheduled a moment from now, and made by now, is shown too."""
        now = self._service.clock.now()
        until = until or now + _SOON
        return since or min(until, now) - usual, until

    def _window(self, query: UptimeQuery) -> tuple[str | None, datetime, datetime]:
        now = self._service.clock.now()
        if query.since is not None:
            until = min(query.until or now, now)
            if query.window is not None or query.since >= until:
                raise _invalid("from", "Say window, or from with a later to.")
            return None, query.since, until
        text = query.window or _USUAL_WINDOW
        found = window_of(text, query.until or now)
        if found is None:
            raise _invalid(
                "window",
                "Use a number of minutes, hours, days or weeks up to 731d, such as 90m, 24h or 30d, or a duration such as PT24H.",
            )
        return text, *found


def _shown(call: Call, window: str | None, objective: float, found: Uptime) -> UptimeView:
    time, budget = found.time, found.budget
    return UptimeView(
        call.id,
        window,
        found.since,
        found.until,
        time.uptime,
        time.up_s,
        time.down_s,
        time.maintenance_s,
        time.unknown_s,
        time.outages,
        found.checks,
        found.missed,
        ErrorBudget(objective, budget.allowed_s, budget.spent_s, budget.left_s, budget.consumed),
    )


def _row(fared: Fared) -> FleetRow:
    time = fared.time
    spent = (time.uptime, time.up_s, time.down_s, time.maintenance_s, time.unknown_s, time.outages)
    return FleetRow(fared.monitor, fared.name, fared.group, *spent, fared.budget.consumed)


def _cursor(result: Result) -> str:
    return f"{_written(result.scheduled_at)}/{result.region}"


def _written(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def _place(cursor: str) -> tuple[datetime, str]:
    at, _, region = cursor.partition("/")
    try:
        return datetime.strptime(at, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC), region
    except ValueError:
        raise _invalid("cursor", "Use the cursor that the part before ended with.") from None


def _invalid(parameter: str, message: str) -> Refused:
    return Refused(Refusal(INVALID_PARAMETER, faults=(Fault(f"?{parameter}", "invalid-value", message),)))


def endpoints(service: CheckService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    checks = _Checks(service)
    request = Endpoint(
        "POST",
        "/v1/monitors/{id}/check",
        checks.request,
        "Have a monitor checked now, before all that is merely due",
        _TAG,
        answers={202: CheckRequestView},
        problems=(MONITOR_IDLE,),
        etag=True,
        compressed=True,
        example=examples.REQUEST,
    )
    beat = Endpoint(
        "POST",
        "/v1/heartbeats/{token}",
        checks.beat,
        "Say that what a heartbeat stands for has happened",
        _TAG,
        answers={204: None},
        public=True,
        idempotent=False,
        conceals="token",
    )
    described = (
        ("results", checks.results, "List what came of checks, each, or by minute, hour or day", ResultQuery, ResultList),
        (
            "uptime",
            checks.uptime,
            "Tell how long a monitor was up, and what is left of its error budget",
            UptimeQuery,
            UptimeView,
        ),
        ("status", checks.status, "Tell what is thought of a monitor now", None, StatusView),
        ("transitions", checks.transitions, "List when what was thought of a monitor changed", TransitionQuery, TransitionList),
        ("dead-checks", checks.dead, "List checks that could not be made", None, DeadCheckList),
    )
    shown = {
        "results": examples.RESULTS,
        "uptime": examples.UPTIME,
        "status": examples.STATUS,
        "transitions": examples.TRANSITIONS,
        "dead-checks": examples.DEAD,
    }
    reads = tuple(
        Endpoint(
            "GET",
            f"/v1/monitors/{{id}}/{what}",
            handler,
            summary,
            _TAG,
            query=query,
            answers={200: shape},
            compressed=True,
            example=shown[what],
        )
        for what, handler, summary, query, shape in described
    )
    return (request, beat, *reads, *_fleet(checks))


def _fleet(checks: _Checks) -> tuple[Endpoint, ...]:
    """Of all monitors. Names are the clinic's own people's, so its answers may be compressed."""
    whole = Endpoint(
        "GET",
        "/v1/uptime",
        checks.fleet,
        "Tell how long all monitors, or those of a group, were up, and what is left of the error budget",
        _TAG,
        query=FleetQuery,
        answers={200: FleetView},
        compressed=True,
        example=examples.FLEET,
    )
    return (
        whole,
        msgspec.structs.replace(
            whole,
            path="/v1/uptime.csv",
            handler=checks.fleet_csv,
            summary="The same as CSV, a line for each monitor",
            answers={200: bytes},
            media=CSV,
            example=Example(answer="monitor,name,group,..."),
        ),
    )

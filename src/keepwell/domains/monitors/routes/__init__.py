"""The HTTP door of monitors. No answer is ever compressed: some hold the token of a heartbeat."""

from msgspec import structs

from keepwell.domains.monitors.errors import INVALID_IMPORT, INVALID_MONITOR, NO_HEARTBEAT
from keepwell.domains.monitors.models import (
    ChangeMonitor,
    Changes,
    CreateMonitor,
    DeleteMonitor,
    ImportReport,
    MonitorView,
    PauseMonitor,
    ResumeMonitor,
    RotateHeartbeat,
)
from keepwell.domains.monitors.routes import examples
from keepwell.domains.monitors.routes.bodies import ImportBody, MadeMonitor, MonitorList, NewMonitor
from keepwell.domains.monitors.service import Made, MonitorService
from keepwell.kernel import Outcome
from keepwell.kernel.http import Answer, Call, Endpoint, Part, answer, page_of
from keepwell.kit.ids import new_id

_TAG = "Monitors"
_LARGE, _FILES = 256_000, 1_000_000


class _Monitors:
    def __init__(self, service: MonitorService) -> None:
        self._service = service
        self._keeper = service.keeper

    async def create(self, call: Call) -> Answer:
        body: NewMonitor = call.body
        made = await self._keeper.create(call.envelope(CreateMonitor(new_id(), body.configuration())))
        return answer(_told(made), 201, f"/v1/monitors/{made.outcome.id}")

    async def page(self, call: Call) -> Answer:
        part: Part = call.query
        found = await self._keeper.page(call.actor, call.origin, part.cursor, part.limit + 1)
        return Answer(200, MonitorList(*page_of(found, part.limit, lambda one: one.id)))

    async def show(self, call: Call) -> Answer:
        monitor = await self._keeper.get(call.actor, call.id, call.origin)
        return Answer(200, monitor, {"etag": f'"{monitor.version}"'})

    async def change(self, call: Call) -> Answer:
        return answer(await self._keeper.change(call.envelope(ChangeMonitor(call.id, call.body))))

    async def delete(self, call: Call) -> Answer:
        outcome = await call.execute(DeleteMonitor(call.id))
        ended = answer(outcome, 204)
        ended.body = None
        return ended

    async def pause(self, call: Call) -> Answer:
        return answer(await call.execute(PauseMonitor(call.id)))

    async def resume(self, call: Call) -> Answer:
        return answer(await call.execute(ResumeMonitor(call.id)))

    async def rotate(self, call: Call) -> Answer:
        return answer(_told(await self._keeper.rotate(call.envelope(RotateHeartbeat(call.id, b"")))))

    async def import_(self, call: Call) -> Answer:
        body: ImportBody = call.body
        report = await self._service.importer.run(call.actor, call.origin, body.system, body.files, dry_run=body.dry_run)
        return Answer(200, report)


def _told(made: Made) -> Outcome:
    """What came of it, and the token where there is one."""
    if made.token is None:
        return made.outcome
    return structs.replace(made.outcome, told={"heartbeat_token": made.token, "heartbeat_path": f"/v1/heartbeats/{made.token}"})


def endpoints(service: MonitorService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    monitors = _Monitors(service)
    return (*_keeping(monitors), *_actions(monitors), *_rest(monitors))


def _keeping(monitors: _Monitors) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/monitors",
            monitors.create,
            "Begin to watch a target",
            _TAG,
            body=NewMonitor,
            answers={201: MadeMonitor},
            problems=(INVALID_MONITOR,),
            body_limit=_LARGE,
            etag=True,
            compressed=False,
            example=examples.CREATE,
        ),
        Endpoint(
            "GET",
            "/v1/monitors",
            monitors.page,
            "List the clinic's monitors, the newest first",
            _TAG,
            query=Part,
            answers={200: MonitorList},
            compressed=False,
            example=examples.PAGE,
        ),
        Endpoint(
            "GET",
            "/v1/monitors/{id}",
            monitors.show,
            "Show a monitor, without its secrets",
            _TAG,
            answers={200: MonitorView},
            etag=True,
            compressed=False,
            example=examples.SHOW,
        ),
        Endpoint(
            "PATCH",
            "/v1/monitors/{id}",
            monitors.change,
            "Change a monitor in what is given",
            _TAG,
            body=Changes,
            answers={200: MonitorView},
            problems=(INVALID_MONITOR,),
            body_limit=_LARGE,
            guarded=True,
            etag=True,
            compressed=False,
            example=examples.CHANGE,
        ),
        Endpoint(
            "DELETE",
            "/v1/monitors/{id}",
            monitors.delete,
            "End a monitor for good",
            _TAG,
            answers={204: None},
            guarded=True,
            etag=True,
        ),
    )


def _actions(monitors: _Monitors) -> tuple[Endpoint, ...]:
    described = (
        ("pause", monitors.pause, "Check nothing until it is resumed", examples.PAUSE),
        ("resume", monitors.resume, "Go on checking", examples.RESUME),
    )
    return tuple(
        Endpoint(
            "POST",
            f"/v1/monitors/{{id}}/{action}",
            handler,
            summary,
            _TAG,
            answers={200: MonitorView},
            etag=True,
            compressed=False,
            example=example,
        )
        for action, handler, summary, example in described
    )


def _rest(monitors: _Monitors) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/monitors/import",
            monitors.import_,
            "Watch what Uptime Kuma, Gatus or blackbox_exporter watch, by their own files",
            _TAG,
            body=ImportBody,
            answers={200: ImportReport},
            problems=(INVALID_IMPORT,),
            body_limit=_FILES,
            idempotent=False,
            compressed=False,
            example=examples.IMPORT,
        ),
        Endpoint(
            "POST",
            "/v1/monitors/{id}/rotate",
            monitors.rotate,
            "Give a heartbeat another token; the one before is worth nothing from now on",
            _TAG,
            answers={200: MadeMonitor},
            problems=(NO_HEARTBEAT,),
            etag=True,
            compressed=False,
            example=examples.ROTATE,
        ),
    )

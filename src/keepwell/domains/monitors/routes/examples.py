"""What the document shows of this room's routes: one monitor, from its making to its end, and a heartbeat."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from msgspec.structs import asdict, replace

from keepwell.domains.monitors.errors import INVALID_IMPORT, INVALID_MONITOR
from keepwell.domains.monitors.models import (
    Assertion,
    Changes,
    Heartbeat,
    Http,
    ImportedMonitor,
    ImportReport,
    Maintenance,
    MonitorView,
    Recurring,
    SecretsShown,
)
from keepwell.domains.monitors.routes.bodies import ImportBody, MadeMonitor, MonitorList, NewMonitor
from keepwell.kernel.http import Example
from keepwell.kernel.problems import Fault, Refusal

_AT = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
_NEW = NewMonitor(
    name="Patient portal",
    kind="http",
    target="https://portal.clinic.example/health",
    interval_s=30,
    timeout_s=5.0,
    retries=2,
    regions=("default",),
    assertions=(Assertion("status", "within", "200-299"), Assertion("json", "equals", "ok", "$.status")),
    priority="high",
    runbook="https://wiki.clinic.example/portal-down",
    tags=("portal",),
)
_SAID: dict[str, Any] = asdict(_NEW.configuration()) | {"http": Http(), "tcp": None, "tls": None, "dns": None}
_MADE = MonitorView(
    **{name: value for name, value in _SAID.items() if name != "secrets"},
    id=UUID("01994fa2-30c5-7e84-b1f7-9d0a6c4e3b61"),
    secrets=SecretsShown(False, False, False, (), ()),  # noqa: FBT003 - nothing is there
    paused=False,
    imported_from=None,
    created_at=_AT,
    created_by=UUID("01994fa2-30c5-7e84-b1f7-9d0a6c4e3b02"),
    updated_at=_AT,
    version=1,
)
_NIGHTLY = Maintenance(recurring=Recurring("0 2 * * 0", "Europe/Berlin", duration_s=3_600), reason="Updates")
_CHANGED = replace(_MADE, interval_s=60, maintenance=(_NIGHTLY,), version=2)
_CLOSED = Fault("/target", "private-address", "Private, loopback and link-local addresses are closed to this clinic's monitors.")
_BEATING = replace(
    _MADE, kind="heartbeat", name="Nightly export", target="", assertions=(), http=None, heartbeat=Heartbeat(cron="0 3 * * *")
)
_TOKEN = "kwhb_c2hvd24gb25jZSwgYW5kIG5vdCBhIHRva2VuIG9mIGFueW9uZQ"  # noqa: S105 - of nobody

CREATE = Example(_NEW, MadeMonitor(**asdict(_MADE)), (Refusal(INVALID_MONITOR, faults=(_CLOSED,)),))
PAGE = Example(answer=MonitorList([_MADE], None))
SHOW = Example(answer=_MADE)
CHANGE = Example(Changes(interval_s=60, maintenance=(_NIGHTLY,)), _CHANGED)
PAUSE = Example(answer=replace(_CHANGED, paused=True, version=3))
RESUME = Example(answer=replace(_CHANGED, version=4))
ROTATE = Example(
    answer=MadeMonitor(**asdict(_BEATING), heartbeat_token=_TOKEN, heartbeat_path=f"/v1/heartbeats/{_TOKEN}"),
)
IMPORT = Example(
    ImportBody("gatus", ('endpoints: [{name: portal, url: "https://portal.clinic.example", conditions: ["[STATUS] == 200"]}]',)),
    ImportReport(
        dry_run=False,
        created=1,
        updated=0,
        unchanged=0,
        refused=0,
        monitors=(ImportedMonitor("/portal", "portal", "created", _MADE.id),),
        left_out=(),
    ),
    (Refusal(INVALID_IMPORT, "The file is not YAML.", (Fault("/files", "unreadable", "The file is not YAML."),)),),
)

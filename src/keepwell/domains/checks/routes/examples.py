"""What the document shows of this room's routes: one monitor on a morning with a short outage."""

from datetime import UTC, datetime
from uuid import UUID

from keepwell.domains.checks.models import CheckRequestView, DeadCheck, Result, Rollup, StatusView, TransitionView
from keepwell.domains.checks.routes.bodies import (
    DeadCheckList,
    ErrorBudget,
    ResultList,
    TransitionList,
    UptimeView,
)
from keepwell.domains.checks.rules.requests import results_of
from keepwell.kernel.http import Example

_MONITOR = UUID("01994fa2-30c5-7e84-b1f7-9d0a6c4e3b61")
_INCIDENT = UUID("01994fa2-30c5-7e84-b1f7-9d0a6c4e3c70")
_DOWN = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
_UP = datetime(2026, 11, 26, 9, 36, tzinfo=UTC)

REQUEST = Example(answer=CheckRequestView(UUID("01994fa2-30c5-7e84-b1f7-9d0a6c4e3c71"), _MONITOR, _UP, results_of(_MONITOR, _UP)))
RESULTS = Example(
    answer=ResultList(
        [
            Result(_UP, "default", "up", None, 1, 1, 200, 81.5, 1.2, 8.9, 21.4, 64.0, 66.1),
            Result(_DOWN, "default", "down", "refused", 1, 3, None, 74.0, 1.1, None, None, None, 3.4),
        ],
        [Rollup(datetime(2026, 11, 26, 9, tzinfo=UTC), 120, 108, 12, 0, 0, 63.8, 214.0)],
        None,
    )
)
STATUS = Example(
    answer=StatusView(_MONITOR, "down", _DOWN, "refused", None, flapping=False, checked_at=_DOWN, incident=_INCIDENT)
)
TRANSITIONS = Example(
    answer=TransitionList([TransitionView(_INCIDENT, _DOWN, "up", "down", "refused", None)], None),
)
UPTIME = Example(
    answer=UptimeView(
        _MONITOR,
        "24h",
        datetime(2026, 11, 25, 10, tzinfo=UTC),
        datetime(2026, 11, 26, 10, tzinfo=UTC),
        0.9958,
        86_040.0,
        360.0,
        0.0,
        0.0,
        1,
        2_880,
        0,
        ErrorBudget(99.9, 86.4, 360.0, -273.6, 4.1667),
    )
)
DEAD = Example(answer=DeadCheckList([DeadCheck(_DOWN, "default", 5, "WorkerLost")], None))

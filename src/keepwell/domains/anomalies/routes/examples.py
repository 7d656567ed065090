"""What the document shows of this room's routes: a Monday morning on which a monitor answered slowly."""

from datetime import UTC, datetime
from uuid import UUID

from keepwell.domains.anomalies.models import AnomalyView
from keepwell.domains.anomalies.routes.bodies import AnomalyList
from keepwell.kernel.http import Example

_ID = UUID("01994fa2-30c5-7e84-b1f7-9d0a6c4e3d10")
PAGE = Example(
    answer=AnomalyList(
        [
            AnomalyView(
                _ID,
                "latency",
                datetime(2026, 11, 23, 8, 5, tzinfo=UTC),
                datetime(2026, 11, 23, 9, 50, tzinfo=UTC),
                4.5,
                411.4,
                121.0,
                3.4,
                "3.4 times the usual for Monday 09:00",
                _ID,
            )
        ],
        None,
    )
)

"""Monitors made without any server."""

from datetime import UTC, datetime
from typing import Any

from keepwell.domains.monitors.models import Monitor, MonitorCreated
from keepwell.domains.monitors.routes.bodies import NewMonitor
from keepwell.domains.monitors.rules import lifecycle
from keepwell.kit.ids import NIL, new_id

MADE = datetime(2026, 1, 1, tzinfo=UTC)


def monitor(**more: Any) -> Monitor:
    """A monitor of which this is said, and what is usual of the rest."""
    said: dict[str, Any] = {"name": "Portal", "target": "https://portal.clinic.example/health"} | more
    configuration = lifecycle.normal(NewMonitor(**said).configuration())
    return lifecycle.evolve(None, MonitorCreated(new_id(), configuration, MADE, NIL))

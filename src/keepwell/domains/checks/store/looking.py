"""What came of checks, for callers: each query sees the clinic of the connection only. For queries handed to `Kernel.search`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from keepwell.domains.checks.models import DeadCheck, Result, Rollup, StatusView, TransitionView
from keepwell.domains.checks.rules.uptime import Change

_RESULTS = """
SELECT scheduled_at, region, status, reason, instants, attempts, code, delay_ms, dns_ms, connect_ms, tls_ms, first_byte_ms,
    total_ms
FROM check_result
WHERE tenant_id = current_tenant() AND monitor_id = $1 AND scheduled_at >= $2 AND scheduled_at <= $3
    AND (scheduled_at, region) < ($3, $4) AND region <> ''
ORDER BY scheduled_at DESC, region DESC LIMIT $5
"""
_ROLLUPS = """
SELECT bucket, checks, up, down, suspended, missed, CASE WHEN timed > 0 THEN sum_ms / timed END, slowest_ms FROM check_rollup
WHERE tenant_id = current_tenant() AND monitor_id = $1 AND width = $2 AND bucket >= date_trunc($2, $3::timestamptz, 'UTC')
    AND bucket < $4
ORDER BY bucket DESC LIMIT $5
"""
_MINUTES = """
SELECT date_trunc('minute', scheduled_at) AS bucket, count(*) FILTER (WHERE status <> 'missed'),
    count(*) FILTER (WHERE status = 'up'), count(*) FILTER (WHERE status = 'down'), count(*) FILTER (WHERE status = 'suspended'),
    coalesce(sum(instants) FILTER (WHERE status = 'missed'), 0), avg(total_ms), max(total_ms)
FROM check_result
WHERE tenant_id = current_tenant() AND monitor_id = $1 AND scheduled_at >= date_trunc('minute', $2::timestamptz)
    AND scheduled_at < $3 AND region <> ''
GROUP BY bucket ORDER BY bucket DESC LIMIT $4
"""
_STATUSES = """
SELECT monitor_id, status, since, reason, suspended, flapping, settled_at, incident_id FROM monitor_state
WHERE tenant_id = current_tenant() AND monitor_id = ANY ($1) ORDER BY monitor_id
"""
_TRANSITIONS = """
SELECT id, at, before, after, reason, suspended FROM monitor_transition
WHERE tenant_id = current_tenant() AND monitor_id = $1 AND at >= $2 AND at < $3 ORDER BY at DESC LIMIT $4
"""
_CHANGES = """
(SELECT at, after, suspended FROM monitor_transition
 WHERE tenant_id = current_tenant() AND monitor_id = $1 AND at < $2 ORDER BY at DESC LIMIT 1)
UNION ALL
(SELECT at, after, suspended FROM monitor_transition
 WHERE tenant_id = current_tenant() AND monitor_id = $1 AND at >= $2 AND at < $3)
ORDER BY at
"""
_CHANGES_OF = """
SELECT m.id, t.at, t.after, t.suspended FROM unnest($1::uuid[]) AS m (id) CROSS JOIN LATERAL (
    (SELECT at, after, suspended FROM monitor_transition
     WHERE tenant_id = current_tenant() AND monitor_id = m.id AND at < $2 ORDER BY at DESC LIMIT 1)
    UNION ALL
    (SELECT at, after, suspended FROM monitor_transition
     WHERE tenant_id = current_tenant() AND monitor_id = m.id AND at >= $2 AND at < $3)) t
ORDER BY m.id, t.at
"""
_COUNTED = """
SELECT coalesce(sum(checks), 0), coalesce(sum(missed), 0) FROM check_rollup
WHERE tenant_id = current_tenant() AND monitor_id = $1 AND width = 'hour' AND bucket >= date_trunc('hour', $2::timestamptz, 'UTC')
    AND bucket < $3
"""
_DEAD = """
SELECT scheduled_at, region, claims, error FROM check_run
WHERE tenant_id = current_tenant() AND monitor_id = $1 AND state = 'held' ORDER BY scheduled_at LIMIT 1000
"""


async def results(connection: Any, monitor: UUID, since: datetime, before: tuple[datetime, str], limit: int) -> list[Result]:
    """Results of a monitor of the clinic, the newest first, behind an instant and region."""
    return [Result(*row.values()) for row in await connection.fetch(_RESULTS, monitor, since, *before, limit)]


async def rollups(connection: Any, monitor: UUID, width: str, since: datetime, until: datetime, limit: int) -> list[Rollup]:
    """What came of each span of time, the newest first. Minutes are added up when they are asked for."""
    if width == "minute":
        rows = await connection.fetch(_MINUTES, monitor, since, until, limit)
    else:
        rows = await connection.fetch(_ROLLUPS, monitor, width, since, until, limit)
    return [Rollup(*row.values()) for row in rows]


async def statuses(connection: Any, monitors: Sequence[UUID]) -> list[StatusView]:
    """What is thought of monitors of the clinic."""
    return [StatusView(*row.values()) for row in await connection.fetch(_STATUSES, list(monitors))]


async def transitions(connection: Any, monitor: UUID, since: datetime, until: datetime, limit: int) -> list[TransitionView]:
    """What changed, the newest first."""
    return [TransitionView(*row.values()) for row in await connection.fetch(_TRANSITIONS, monitor, since, until, limit)]


async def changes(connection: Any, monitor: UUID, since: datetime, until: datetime) -> list[Change]:
    """The latest change before an instant, and those from then on, in order."""
    return [Change(*row.values()) for row in await connection.fetch(_CHANGES, monitor, since, until)]


async def changes_of(connection: Any, monitors: Sequence[UUID], since: datetime, until: datetime) -> dict[UUID, list[Change]]:
    """As `changes`, of several monitors."""
    found: dict[UUID, list[Change]] = {monitor: [] for monitor in monitors}
    for row in await connection.fetch(_CHANGES_OF, list(monitors), since, until):
        found[row["id"]].append(Change(row["at"], row["after"], row["suspended"]))
    return found


async def counted(connection: Any, monitor: UUID, since: datetime, until: datetime) -> tuple[int, int]:
    """How many checks were made, and how many missed, in the whole hours that two instants lie in."""
    row = await connection.fetchrow(_COUNTED, monitor, since, until)
    return row[0], row[1]


async def dead(connection: Any, monitor: UUID) -> list[DeadCheck]:
    """Checks of a monitor of the clinic that could not be made, the oldest first."""
    return [DeadCheck(*row.values()) for row in await connection.fetch(_DEAD, monitor)]

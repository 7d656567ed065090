"""The journal and the access records as one list, newest first. Both tables are the kernel's; this room only reads them.

There is no index by time on either: the write path is not to pay for it. Without an entity to go by, the search walks
back through windows that grow fourfold, so that partitions and block ranges keep the newest page cheap however much
history lies behind it.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from keepwell.domains.audit.models import AuditedEntity, AuditFilter, AuditItem, Position
from keepwell.domains.identity import ATTEMPTED_BY, ATTEMPTS, LOGGED_IN
from keepwell.kit.ids import NIL

_FIRST_WINDOW = timedelta(hours=1)
_GROWTH = 4
_WINDOWS = 10
_TICK = timedelta(microseconds=1)
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)

Row = tuple[Position, AuditItem]


async def page(connection: Any, wanted: AuditFilter, compartment: bytes | None, now: datetime, limit: int) -> list[Row]:
    """Up to `limit` items below `wanted.before`. A compartment given holds them to one person's aggregates."""
    found: list[Row] = []
    for start, end in _windows(wanted, now):
        statement, arguments = _statement(wanted, compartment, start, end, limit - len(found))
        found += [_row(row) for row in await connection.fetch(statement, *arguments)]
        if len(found) >= limit:
            break
    return found


def _windows(wanted: AuditFilter, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Half-open spans of time that follow each other downwards and together cover all that is wanted."""
    bottom = max(wanted.since or _EARLIEST, _EARLIEST)
    bounds = [bound for bound in (wanted.until, wanted.before and wanted.before.at) if bound]
    top = min(_LATEST - _TICK, *bounds) if bounds else now
    # Another node's clock may be ahead of this one's: the first window is open above unless a bound was asked for.
    end = top + _TICK if bounds else _LATEST
    if wanted.entity is None:
        for step in range(_WINDOWS):
            width = _FIRST_WINDOW * _GROWTH**step
            start = max(bottom, top - width) if top - _EARLIEST > width else bottom
            if start >= end:
                return
            yield start, end
            end = start
    if bottom < end:
        yield bottom, end


def _statement(
    wanted: AuditFilter, compartment: bytes | None, start: datetime, end: datetime, limit: int
) -> tuple[str, list[Any]]:
    arguments: list[Any] = [start, end, limit]

    def place(value: Any) -> str:
        arguments.append(value)
        return f"${len(arguments)}"

    shared = _filters(wanted, compartment, place)
    changes, sights = _login_filters(wanted, place) if wanted.logins else ("", "")
    journal = _JOURNAL + shared.format(id="id", table="journal_entry", source=_CHANGE) + changes
    access = _ACCESS + shared.format(id="entity", table="access_record", source=_SIGHT) + sights
    return f"SELECT * FROM (({journal} {_ORDER}) UNION ALL ({access} {_ORDER})) AS item {_ORDER}", arguments  # noqa: S608 - own text


def _filters(wanted: AuditFilter, compartment: bytes | None, place: Callable[[Any], str]) -> str:
    """What holds for both tables, which call some things by other names."""
    filters = ""
    if wanted.entity is not None:
        filters += f" AND {{id}} = {place(wanted.entity)}"
    if wanted.kinds is not None:
        filters += f" AND kind = ANY({place(list(wanted.kinds))}::text[])"
    if wanted.actor is not None:
        filters += f" AND actor = {place(wanted.actor)}"
    if compartment is not None:
        filters += (
            " AND EXISTS (SELECT FROM aggregate g WHERE g.tenant_id = {table}.tenant_id AND g.kind = {table}.kind"
            f" AND g.id = {{table}}.{{id}} AND g.compartment = {place(compartment)})"
        )
    if wanted.before is not None:
        before = wanted.before
        row = ", ".join(place(value) for value in (before.at, before.source, before.id, before.version, before.kind))
        filters += f' AND (at, {{source}}, {{table}}.id, version, kind COLLATE "C") < ({row})'
    return filters


def _login_filters(wanted: AuditFilter, place: Callable[[Any], str]) -> tuple[str, str]:
    """Of changes, the sessions that began; of records, the attempts that failed."""
    changes = f" AND command = {place(LOGGED_IN)}"
    sights = f" AND role = {place(ATTEMPTED_BY)} AND split_part(action, '.', 1) = ANY({place(list(ATTEMPTS))}::text[])"
    if wanted.person is not None:
        person = place(wanted.person)
        changes, sights = f"{changes} AND actor = {person}", f"{sights} AND entity = {person}"
    nothing = " AND false"
    return changes + nothing * (wanted.login_outcome == "refused"), sights + nothing * (wanted.login_outcome == "ok")


def _row(row: Any) -> Row:
    at, source, id_, version, kind, entity, action, event, outcome, *agent = row
    change = source == _CHANGE
    about = AuditedEntity(kind, None if entity == NIL else entity, version or None)
    item = AuditItem(at, action, action if change else None, event, outcome, about, *agent)
    return Position(at, source, id_, version, kind), item


_SIGHT, _CHANGE = 0, 1
_BOUNDS = "WHERE tenant_id = current_tenant() AND at >= $1 AND at < $2"
_AGENT = "actor, role, door, request_id, purpose"
_ORDER = 'ORDER BY at DESC, source DESC, id DESC, version DESC, kind COLLATE "C" DESC LIMIT $3'
# Every name here is written in this file; what a caller sends travels as arguments.
_JOURNAL = (
    f"SELECT at, {_CHANGE} AS source, id, version, kind, id AS entity, command AS action, event, 'stored' AS outcome, {_AGENT} "  # noqa: S608
    f"FROM journal_entry {_BOUNDS}"
)
_ACCESS = (
    f"SELECT at, {_SIGHT} AS source, id, version, kind, entity, action, NULL AS event, outcome, {_AGENT} "  # noqa: S608
    f"FROM access_record {_BOUNDS}"
)

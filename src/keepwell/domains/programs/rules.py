"""When a program takes people, and what may be said of it. Pure."""

from collections.abc import Iterator
from datetime import date, datetime
from functools import lru_cache
from typing import Literal
from uuid import UUID

from msgspec import UNSET
from msgspec.structs import replace

from keepwell.domains.programs.errors import INVALID_PROGRAM
from keepwell.domains.programs.models import (
    ChangeProgram,
    CreateProgram,
    InstantsRecomputed,
    Period,
    Program,
    ProgramClosed,
    ProgramEvent,
    ProgramOpened,
    ProgramSet,
    ProgramView,
    RecomputeProgram,
    TellProgram,
)
from keepwell.domains.uploads import Mapping, faulty
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Context, Snapshot
from keepwell.kernel.problems import Fault, Refusal
from keepwell.kit import zones

_NAME = 200

Standing = Literal["open", "not-open-yet", "closed"]


def decide_create(_state: None, command: CreateProgram, _context: Context) -> Decision:
    """Begins a program whose period is one."""
    return _set(command.id, command.name, command.period, command.mapping)


def decide_change(state: Program, command: ChangeProgram, _context: Context) -> Decision:
    """Only what differs is a change."""
    changes = command.changes
    said = {name: value for name in Period.__struct_fields__ if (value := getattr(changes, name)) is not UNSET}
    period = replace(state.period, **said)
    name = state.name if changes.name is UNSET else changes.name
    mapping = state.mapping if changes.mapping is UNSET else changes.mapping
    if (name, period, mapping) == (state.name, state.period, state.mapping):
        return ()
    return _set(state.id, name, period, mapping)


def decide_recompute(state: Program, _command: RecomputeProgram, _context: Context) -> Decision:
    """Nothing, while the zone database is the one the instants come from."""
    current = zones.database_version()
    if state.zones == current:
        return ()
    opens_at, closes_at = instants(state.period, state.period.time_zone)
    moved = (opens_at, closes_at) != (state.opens_at, state.closes_at)
    return (InstantsRecomputed(opens_at, closes_at, current, moved),)


def decide_tell(state: Program, _command: TellProgram, context: Context) -> Decision:
    """Of an instant it is told once, however often it is looked. A program moved to another time is told of again."""

    def has_come(at: datetime) -> bool:
        return at <= context.now and (state.told_until is None or state.told_until < at)

    opened = (ProgramOpened(state.opens_at),) if has_come(state.opens_at) else ()
    return (*opened, ProgramClosed(state.closes_at)) if has_come(state.closes_at) else opened


def _set(id_: UUID, name: str, period: Period, mapping: Mapping) -> Decision:
    faults = (*_faults(name, period), *(replace(each, pointer=f"/mapping{each.pointer}") for each in faulty(mapping)))
    if not faults:
        opens_at, closes_at = instants(period, period.time_zone)
        if opens_at < closes_at:
            return (ProgramSet(id_, name, period, opens_at, closes_at, zones.database_version(), mapping),)
        faults = (Fault("/closes", "invalid-value", "A program closes after it opens."),)
    return Refusal(INVALID_PROGRAM, faults=faults)


def _faults(name: str, period: Period) -> Iterator[Fault]:
    if not (len(name.strip()) > 0 and len(name) <= _NAME and name.isprintable()):
        yield Fault("/name", "invalid-value", f"Use 1 to {_NAME} printable characters.")
    if not zones.is_zone(period.time_zone):
        yield Fault("/time_zone", "invalid-value", "Use the IANA name of a zone, such as Europe/Berlin.")
    for field in ("opens", "closes"):
        if local(getattr(period, field)) is None:
            yield Fault(f"/{field}", "invalid-value", "Use a local date or date-time, such as 2026-03-01 or 2026-03-01T09:00.")


def local(text: str) -> date | datetime | None:
    """The local date or date-time written here, of the years 1900 to 2200; None when it is none, or names an offset."""
    try:
        found = date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        return None
    offset = isinstance(found, datetime) and found.tzinfo is not None
    return None if offset or not 1900 <= found.year <= 2200 else found


@lru_cache(maxsize=4096)
def instants(period: Period, zone: str) -> tuple[datetime, datetime]:
    """When a period begins in a zone, and the first instant after it."""
    opens, closes = local(period.opens), local(period.closes)
    if opens is None or closes is None:
        raise ValueError("the period of a program is made of local dates or date-times")
    return zones.opening_instant(opens, zone), zones.closing_instant(closes, zone)


def standing(period: Period, at: datetime, zone: str | None = None) -> Standing:
    """How a program stands at an instant, for a person in a zone. None: nobody said where the person is."""
    own = zone is not None and period.window == "participant"
    opens_at, closes_at = instants(period, zone if own and zone is not None else period.time_zone)
    return "not-open-yet" if at < opens_at else "open" if at < closes_at else "closed"


def evolve(state: Program | None, event: ProgramEvent) -> Program:
    """The program after one event."""
    if isinstance(event, ProgramSet):
        told = None if state is None else state.told_until
        return Program(event.id, event.name, event.period, event.opens_at, event.closes_at, event.zones, event.mapping, told)
    if state is None:
        raise ValueError("a program begins by being set")
    if isinstance(event, ProgramOpened | ProgramClosed):
        return replace(state, told_until=event.at)
    return replace(state, opens_at=event.opens_at, closes_at=event.closes_at, zones=event.zones)


def view(snapshot: Snapshot) -> ProgramView:
    """What callers see."""
    state: Program = snapshot.state
    return ProgramView(
        id=state.id,
        name=state.name,
        time_zone=state.period.time_zone,
        opens=state.period.opens,
        closes=state.period.closes,
        window=state.period.window,
        opens_at=state.opens_at,
        closes_at=state.closes_at,
        zones=state.zones,
        mapping=state.mapping,
        version=snapshot.version,
        created_at=snapshot.created_at,
        updated_at=snapshot.updated_at,
    )

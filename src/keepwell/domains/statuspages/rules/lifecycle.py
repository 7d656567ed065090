"""A page is made, changed and taken away."""

import re
from collections.abc import Iterable

from msgspec.structs import asdict, replace

from keepwell.domains.monitors import KIND as MONITOR
from keepwell.domains.statuspages.errors import INVALID_STATUS_PAGE
from keepwell.domains.statuspages.models import (
    ChangeStatusPage,
    Component,
    CreateStatusPage,
    DeleteStatusPage,
    StatusPage,
    StatusPageChanged,
    StatusPageCreated,
    StatusPageDeleted,
    StatusPageEvent,
    StatusPageView,
)
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Command, Context, Reference, Snapshot
from keepwell.kernel.problems import NOT_FOUND, Fault, Refusal
from keepwell.kit.zones import is_zone

MOST_COMPONENTS = 100
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_FIELDS = ("slug", "title", "description", "time_zone", "components", "published")


def references(_state: StatusPage | None, command: CreateStatusPage | ChangeStatusPage) -> tuple[Reference, ...]:
    """The monitors that are to be shown."""
    return tuple({Reference(MONITOR, each.monitor) for each in (command.components or ())[:MOST_COMPONENTS]})


def decide_create(_state: StatusPage | None, command: CreateStatusPage, context: Context) -> Decision:
    """That there is no other page at this address is the database's to say."""
    page = StatusPage(*(getattr(command, name) for name in _FIELDS))
    faults = (*_faults(page), *_unknown(command.components, context))
    return Refusal(INVALID_STATUS_PAGE, faults=faults) if faults else (StatusPageCreated(page),)


def guard_exists(state: StatusPage, _command: Command, _context: Context) -> Refusal | None:
    """What is gone is not found."""
    return Refusal(NOT_FOUND) if state.deleted else None


def decide_change(state: StatusPage, command: ChangeStatusPage, context: Context) -> Decision:
    """One event, if anything differs."""
    given = {name: value for name in _FIELDS if (value := getattr(command, name)) is not None}
    page = replace(state, **given)
    if faults := (*_faults(page), *_unknown(command.components or (), context)):
        return Refusal(INVALID_STATUS_PAGE, faults=faults)
    return () if page == state else (StatusPageChanged(page),)


def decide_delete(_state: StatusPage, _command: DeleteStatusPage, _context: Context) -> Decision:
    """Once: what is gone is not found a second time."""
    return (StatusPageDeleted(),)


def evolve(state: StatusPage | None, event: StatusPageEvent) -> StatusPage:
    """The page after one event."""
    if isinstance(event, StatusPageCreated):
        return event.page
    if state is None:
        raise ValueError("a status page begins with status-page-created")
    return event.page if isinstance(event, StatusPageChanged) else replace(state, deleted=True)


def view(snapshot: Snapshot) -> StatusPageView:
    """The page as those who keep it see it."""
    fields = asdict(snapshot.state)
    return StatusPageView(snapshot.id, *(fields[name] for name in _FIELDS), version=snapshot.version)


def _unknown(components: tuple[Component, ...], context: Context) -> Iterable[Fault]:
    """Monitors of the clinic only: what is shown of others would be nothing, for ever."""
    for number, component in enumerate(components[:MOST_COMPONENTS]):
        found = context.references.get((MONITOR, component.monitor))
        if found is None or found.state.deleted:
            yield Fault(f"/components/{number}/monitor", "unknown-monitor", "Name a monitor of the clinic.")


def _faults(page: StatusPage) -> Iterable[Fault]:
    if not _SLUG.fullmatch(page.slug):
        yield Fault("/slug", "slug", "Use 1 to 64 of a-z, 0-9 and -, neither beginning nor ending with -.")
    if not page.title.strip() or not page.title.isprintable():
        yield Fault("/title", "title", "Say in printable characters what the page is about.")
    if not is_zone(page.time_zone):
        yield Fault("/time_zone", "time-zone", "Use the IANA name of a zone, such as Europe/Berlin.")
    if len(page.components) > MOST_COMPONENTS:
        yield Fault("/components", "too-many", f"A page shows at most {MOST_COMPONENTS} components.")
    seen: set[object] = set()
    for number, component in enumerate(page.components):
        if not component.name.strip() or not component.name.isprintable():
            yield Fault(f"/components/{number}/name", "name", "Give it a name everybody may know.")
        if component.monitor in seen:
            yield Fault(f"/components/{number}/monitor", "duplicate", "A monitor is shown once.")
        seen.add(component.monitor)

"""What everybody sees, from what is thought of the monitors and what changed it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from keepwell.domains.checks import MAINTENANCE, Change, StatusView, spent
from keepwell.domains.statuspages.models import (
    Component,
    ComponentStatus,
    Day,
    Outage,
    PageStatus,
    PublicComponent,
    PublicPage,
    StatusPage,
)
from keepwell.kit.zones import local_time, opening_instant

DAYS = 90
OUTAGE_DAYS = 14


def first_day(now: datetime, zone: str) -> date:
    """The oldest day shown."""
    return local_time(now, zone).date() - timedelta(days=DAYS - 1)


def public_page(
    page: StatusPage, statuses: Mapping[UUID, StatusView], changes: Mapping[UUID, Sequence[Change]], now: datetime
) -> PublicPage:
    """The page at an instant. `changes` are each monitor's since the oldest day shown, in order, and the one before them."""
    components = tuple(
        _component(each, statuses.get(each.monitor), changes.get(each.monitor, ()), page.time_zone, now)
        for each in _in_groups(page.components)
    )
    outages = [one for each in page.components for one in _outages(each.name, changes.get(each.monitor, ()), now)]
    outages.sort(key=lambda outage: (outage.began_at, outage.component), reverse=True)
    return PublicPage(
        page.title,
        page.description,
        _page_status([each.status for each in components]),
        now,
        page.time_zone,
        components,
        tuple(outages),
    )


def _in_groups(components: Sequence[Component]) -> list[Component]:
    """What is of one group side by side, the groups in the order in which each first comes."""
    places = {each.group: place for place, each in reversed(list(enumerate(components)))}
    return sorted(components, key=lambda each: places[each.group])


def _component(
    component: Component, status: StatusView | None, changes: Sequence[Change], zone: str, now: datetime
) -> PublicComponent:
    first = first_day(now, zone)
    days = tuple(_day(first + timedelta(days=number), changes, zone, now) for number in range(DAYS))
    whole = spent(changes, opening_instant(first, zone), now).uptime
    since = None if status is None else status.since
    return PublicComponent(component.name, component.group, _status(status), since, whole, days)


def _day(day: date, changes: Sequence[Change], zone: str, now: datetime) -> Day:
    begins, ends = opening_instant(day, zone), opening_instant(day + timedelta(days=1), zone)
    return Day(day, spent(changes, begins, min(ends, now)).uptime)


def _status(status: StatusView | None) -> ComponentStatus:
    """What is suspended for our own reasons is not known, as far as others are concerned."""
    if status is None or status.status == "unknown":
        return "unknown"
    if status.suspended is not None:
        return "maintenance" if status.suspended in MAINTENANCE else "unknown"
    return "operational" if status.status == "up" else "down"


def _page_status(statuses: Sequence[ComponentStatus]) -> PageStatus:
    if "down" in statuses:
        return "down" if all(each == "down" for each in statuses) else "partly-down"
    if "maintenance" in statuses:
        return "maintenance"
    return "operational" if "operational" in statuses else "unknown"


def _outages(name: str, changes: Sequence[Change], now: datetime) -> list[Outage]:
    """The outages of the last days, one that began before them but lasted into them among them."""
    since = now - timedelta(days=OUTAGE_DAYS)
    found: list[Outage] = []
    began: datetime | None = None
    for change in changes:
        if change.status == "down" and began is None:
            began = change.at
        elif change.status != "down" and began is not None:
            found.append(Outage(name, began, change.at))
            began = None
    if began is not None:
        found.append(Outage(name, began, None))
    return [one for one in found if one.ended_at is None or one.ended_at > since]

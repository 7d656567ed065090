"""Local time in IANA zones: the only place that turns it into instants. Everywhere else an instant is UTC.

The zone database is that of the package `tzdata`, never the machine's: all nodes of one release compute the same, and it changes
when the release does. What was computed from it is stored with `database_version()`, and computed again when that differs.

Two rules decide what a local time means that does not happen once. What opens does so as soon as the clock shows that time or a
later one: in a gap, at the change; of two in a fold, at the first. What closes does so as late as the clock allows.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path

import tzdata
import whenever
from cronsim import CronSim, CronSimError
from whenever import Instant, PlainDateTime, TimeZoneNotFoundError, ZonedDateTime

whenever.reset_tzpath((str(Path(tzdata.__file__).parent / "zoneinfo"),))

_FIELDS = 5
_MOMENT = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)


class InvalidCronError(ValueError):
    """The text is no cron expression of five fields, or none that ever comes true."""


def database_version() -> str:
    """The release of the zone database, such as `2026a`."""
    return tzdata.IANA_VERSION


@lru_cache(maxsize=1)
def names() -> frozenset[str]:
    """Every zone there is."""
    return frozenset(whenever.available_timezones())


def is_zone(name: str) -> bool:
    """Whether this is the IANA name of a zone."""
    return name in names()


def opening_instant(local: date | datetime, zone: str) -> datetime:
    """The first instant at which clocks in the zone show this local date or date-time, or a later one."""
    earlier, later = _candidates(_wall(local), zone)
    return _utc(earlier) if _shown(earlier) == _wall(local) else _change(earlier, later)


def closing_instant(local: date | datetime, zone: str) -> datetime:
    """The first instant at which it is over: of a date, after its last local second; of a date-time, when it was last shown."""
    wall = _wall(local if isinstance(local, datetime) else local + timedelta(days=1))
    earlier, later = _candidates(wall, zone)
    if _shown(earlier) != wall:
        return _change(earlier, later)
    if isinstance(local, datetime) or local_time(_utc(later) - _MOMENT, zone).date() == local:
        return _utc(later)
    return _utc(earlier)  # midnight comes twice, and both times the date is the next one already


def local_time(instant: datetime, zone: str) -> datetime:
    """What clocks in the zone show at an instant, without a zone."""
    return _shown(_zoned(instant, zone))


def check_cron(expression: str) -> None:
    """Makes sure that an expression can be followed.

    Raises:
        InvalidCronError: it cannot.
    """
    try:
        if len(expression.split()) != _FIELDS or next(CronSim(expression, datetime(2024, 1, 1)), None) is None:  # noqa: DTZ001 - a wall clock's
            raise InvalidCronError(expression)
    except CronSimError:
        raise InvalidCronError(expression) from None


def occurrences(expression: str, zone: str, after: datetime) -> Iterator[datetime]:
    """The instants after `after` at which a cron expression comes true in a zone, soonest first, each once.

    As with Debian's cron: what runs at set times runs once a day that has them, in a gap at the change, in a fold at the first of
    both. What repeats (its minute or hour begins with `*`) follows the clock: it rests in a gap and goes through a fold twice.
    """
    minute, hour = expression.split()[:2]
    repeats = minute.startswith("*") or hour.startswith("*")
    return (_repeated if repeats else _at_set_times)(expression, zone, after)


def _at_set_times(expression: str, zone: str, after: datetime) -> Iterator[datetime]:
    # The first instant that shows a time or a later one never goes back as that time goes on.
    latest = after
    for wall in CronSim(expression, local_time(after, zone)):
        instant = opening_instant(wall, zone)
        if instant > latest:
            latest = instant
            yield instant


def _repeated(expression: str, zone: str, after: datetime) -> Iterator[datetime]:
    """Goes through the stretches in which the offset stays the same, where local time is as regular as UTC."""
    begins, first = after, local_time(after, zone)
    while True:
        zoned = _zoned(begins, zone)
        end = zoned.next_transition()
        offset = _shown(zoned) - begins.replace(tzinfo=None)
        until = None if end is None else _utc(end)
        for wall in CronSim(expression, first):
            instant = (wall - offset).replace(tzinfo=UTC)
            if until is not None and instant >= until:
                break
            yield instant
        if until is None:
            return
        begins, first = until, local_time(until, zone) - _SECOND  # the change itself may be an occurrence


def _wall(local: date | datetime) -> datetime:
    return local if isinstance(local, datetime) else datetime.combine(local, time.min)


def _candidates(wall: datetime, zone: str) -> tuple[ZonedDateTime, ZonedDateTime]:
    """Before and after the change, where a time is shown twice or not at all; else twice the same.

    Raises:
        ValueError: there is no such zone.
    """
    plain = PlainDateTime(wall)
    try:
        earlier = plain.assume_tz(zone, disambiguation="earlier")  # pyright: ignore[reportUnknownMemberType] - partly typed
        later = plain.assume_tz(zone, disambiguation="later")  # pyright: ignore[reportUnknownMemberType] - partly typed
    except TimeZoneNotFoundError:
        raise ValueError(f"no zone {zone}") from None
    return earlier, later


def _change(earlier: ZonedDateTime, later: ZonedDateTime) -> datetime:
    """The instant at which a gap is jumped over."""
    change = earlier.next_transition()
    return _utc(later if change is None else change)


def _zoned(instant: datetime, zone: str) -> ZonedDateTime:
    return Instant(instant).to_tz(zone)  # pyright: ignore[reportUnknownMemberType] - partly typed


def _utc(zoned: ZonedDateTime) -> datetime:
    return zoned.to_instant().to_stdlib()


def _shown(zoned: ZonedDateTime) -> datetime:
    return zoned.to_plain().to_stdlib()

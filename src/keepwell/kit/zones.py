"""Local time in an IANA zone, as instants."""

import zoneinfo
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def database_version() -> str:
    """Which zone database this process computes with."""
    for folder in zoneinfo.TZPATH:
        listed = Path(folder) / "tzdata.zi"
        if listed.exists():
            with listed.open(encoding="ascii") as text:
                return text.readline().removeprefix("# version ").strip()
    return "unknown"


def opening_instant(local: date | datetime, zone: str) -> datetime:
    """The first instant of a local date, or that of a local date-time; in a gap, the first after it."""
    return _first(local if isinstance(local, datetime) else datetime.combine(local, time.min), zone)


def closing_instant(local: date | datetime, zone: str) -> datetime:
    """The first instant after a local date, which so includes the whole day; of a local date-time, that."""
    if isinstance(local, datetime):
        return _first(local, zone)
    return opening_instant(local + timedelta(days=1), zone)


def _first(local: datetime, zone: str) -> datetime:
    place = zoneinfo.ZoneInfo(zone)
    found = local.replace(tzinfo=place).astimezone(UTC)
    back = found.astimezone(place).replace(tzinfo=None)
    if back == local:
        return found
    before = local.replace(tzinfo=place, fold=1).astimezone(UTC)
    return max(before, found) if back < local else min(before, found)

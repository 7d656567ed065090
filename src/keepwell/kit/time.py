"""The only place that reads the machine's clock. Inside Keepwell an instant is an aware UTC `datetime`."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time. Tests hand in one they move by hand."""

    def now(self) -> datetime:
        """An aware UTC instant, to the microsecond."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def microseconds(instant: datetime) -> int:
    """Microseconds since 1970-01-01T00:00:00Z, exact (floats would lose the last digits)."""
    delta = instant - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta


class ManualClock:
    """Starts at 2026-03-01T12:00:00Z unless told otherwise."""

    def __init__(self, start: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, **parts: float) -> datetime:
        """Moves on by a `timedelta` of these parts, such as `minutes=5`, and says where it is then."""
        self._now += timedelta(**parts)
        return self._now

    def set(self, instant: datetime) -> None:
        assert instant.tzinfo is not None, "an instant is aware"
        self._now = instant

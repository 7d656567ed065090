"""The generic cell rate algorithm: a rate with room for bursts, and one instant as all that is remembered of its use.

A bucket holds what may be had at once and fills at a steady rate. It is kept as the instant at which it will be full again: one
in the past means full. Whoever is refused takes nothing, so asking again does not make the wait longer. Instants are whole
microseconds of any clock that never goes back.
"""

import re
from math import ceil

import msgspec

SECOND = 1_000_000
_TEXT = re.compile(r"(?P<rate>[0-9]{1,7}(?:\.[0-9]{1,3})?)(?::(?P<burst>[1-9][0-9]{0,6}))?")
_BURST_SECONDS = 10


class Rate(msgspec.Struct, frozen=True):
    """One each `interval` microseconds on average, `burst` at once."""

    interval: int
    burst: int

    @property
    def window(self) -> int:
        """Microseconds in which an empty bucket fills."""
        return self.interval * self.burst

    @classmethod
    def of(cls, per_second: float, burst: int) -> "Rate":
        """So many a second. Above a million a second all rates are that."""
        return cls(max(1, round(SECOND / per_second)), burst)


def parse(text: str) -> Rate | None:
    """`100:1000` is 100 a second and 1,000 at once; `100` is as much at once as in ten seconds; `0` is no limit: None.

    Raises:
        ValueError: it is neither.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError("must be how many a second and how many at once, such as 100:1000; 0: no limit")
    per_second = float(match["rate"])
    if not per_second:
        return None
    return Rate.of(per_second, int(match["burst"] or max(1, ceil(per_second * _BURST_SECONDS))))


def taken(rate: Rate, full_at: int, now: int) -> int:
    """When the bucket is full again after one more was taken."""
    return max(full_at, now) + rate.interval


def wait(rate: Rate, full_at: int, now: int) -> int:
    """Microseconds until one can be had; 0: now."""
    return max(0, taken(rate, full_at, now) - now - rate.window)


class Pace:
    """One bucket of which nobody else knows."""

    __slots__ = ("_full_at", "_rate")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._full_at = 0

    def full(self, now: int) -> bool:
        """Whether nothing of it is in use."""
        return self._full_at <= now

    def take(self, now: int) -> bool:
        """Whether one could be had."""
        if wait(self._rate, self._full_at, now):
            return False
        self._full_at = taken(self._rate, self._full_at, now)
        return True


def left(rate: Rate, full_at: int, now: int) -> int:
    """How many can be had at once now."""
    return max(0, (rate.window - max(0, full_at - now)) // rate.interval)


def whole_seconds(microseconds: int) -> int:
    """Rounded up, as headers have them."""
    return -(-microseconds // SECOND)

"""How fast somebody may speak: a bucket that fills at a steady rate and is emptied by one a message."""


class Pace:
    """Lets `rate` messages a second pass, and twice as many at once. Times are seconds of any clock that never goes back."""

    __slots__ = ("_at", "_left", "_rate")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._left = 2 * rate
        self._at = now

    def allows(self, now: float) -> bool:
        """Whether one more message may pass now."""
        self._left = min(2 * self._rate, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

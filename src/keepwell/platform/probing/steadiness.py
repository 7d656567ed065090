"""Whether this machine's clock can be relied on: it goes as fast as time passes."""

import time
from collections.abc import Callable
from datetime import timedelta

from keepwell.kit.time import Clock

_JUMP_SECONDS = 1.0
_SLEW = 0.001
"""A clock that is set right without a jump goes so much faster or slower at most (Linux: 500 millionths)."""
_SETTLING_SECONDS = 60.0


class Steadiness:
    """Follows a clock. A jump, also that of a machine that slept, makes it doubtful for a minute: either side may be wrong."""

    def __init__(self, clock: Clock, passed: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._passed = passed
        self._last = (clock.now(), passed())
        self._doubtful_until = float("-inf")

    def steady(self) -> bool:
        """To be asked often: what it compares is what went by since it was asked last."""
        told, at = self._last
        now, passed = self._clock.now(), self._passed()
        self._last = (now, passed)
        elapsed = passed - at
        if abs((now - told) / timedelta(seconds=1) - elapsed) > _JUMP_SECONDS + _SLEW * elapsed:
            self._doubtful_until = passed + _SETTLING_SECONDS
        return passed >= self._doubtful_until

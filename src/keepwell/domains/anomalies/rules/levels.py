"""Values as a few levels: fine around the usual, ever coarser far away, so that no outlier needs a finer or a wider scale."""

from collections.abc import Sequence
from math import asinh

import msgspec

_STEPS = 6
_FINEST_OF_RANGE = 1 / 200
_FINEST_OF_CENTRE = 1e-3
_SMALLEST = 1e-12


class Scale(msgspec.Struct, frozen=True):
    """Where the usual is, and how wide."""

    centre: float
    width: float

    def level(self, value: float) -> int:
        """Equal for values that are not worth telling apart."""
        return round(asinh((value - self.centre) / self.width / 2) * _STEPS)


def learn(values: Sequence[float]) -> Scale:
    """The scale by which the values spread over several levels; outliers among them do not stretch it."""
    ordered = sorted(values)
    count = len(ordered)
    centre = ordered[count // 2]
    most = ordered[int(count * 0.9)] - ordered[int(count * 0.1)]
    whole = ordered[-1] - ordered[0]
    return Scale(centre, max(most / 4, whole * _FINEST_OF_RANGE, abs(centre) * _FINEST_OF_CENTRE, _SMALLEST))

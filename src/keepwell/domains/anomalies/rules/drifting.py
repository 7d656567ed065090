"""Whether the mean of the recent surprises is beyond what such means used to be."""

from math import erfc, log, log10, sqrt

import msgspec

_LEAST_DEVIATION = 0.3
_ERFC_ENDS = 30.0


class Drift(msgspec.Struct):
    """The recent surprises of one habit, and mean and variance of their mean, older ones fading."""

    recent: list[float] = []
    seen: int = 0
    mean: float = 0.0
    variance: float = 0.0

    def judge(self, surprise: float, *, of: int, settled: int, memory: float) -> float:
        """How unlikely the mean of the last `of` is, as a negative decimal logarithm; 0 until so many means are known."""
        self.recent = [*self.recent, surprise][-of:]
        mean = sum(self.recent) / len(self.recent)
        deviation = max(sqrt(self.variance), _LEAST_DEVIATION)
        judged = unlikely((mean - self.mean) / deviation) if self.seen > settled else 0.0
        self._learn(mean, memory)
        return judged

    def _learn(self, mean: float, memory: float) -> None:
        self.seen += 1
        share = max(1 - 0.5 ** (1 / memory), 1 / self.seen)
        off = mean - self.mean
        self.mean += share * off
        self.variance = (1 - share) * (self.variance + share * off * off)


def unlikely(deviations: float) -> float:
    """The negative decimal logarithm of the normal distribution's tail beyond so many deviations."""
    if deviations <= 0:
        return 0.0
    if deviations < _ERFC_ENDS:
        return -log10(erfc(deviations / sqrt(2)) / 2)
    return (deviations * deviations / 2 + log(deviations) + 0.92) / log(10)


class Recent(msgspec.Struct):
    """The mean of the last values themselves, to say what they are now."""

    values: list[float] = []

    def add(self, value: float, of: int) -> float:
        """The mean with this one."""
        self.values = [*self.values, value][-of:]
        return sum(self.values) / len(self.values)

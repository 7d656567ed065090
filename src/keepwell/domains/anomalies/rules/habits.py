"""How often each level comes: at all, after the one before, and at this hour; and how surprising one is by each of these."""

from math import log2

import msgspec

_HOURS = 24
_COARSER = 3
_NEVER = 0.05
_AFTER_NONE = 1.0
_AT_NO_HOUR = 20.0
_KEPT = 20_000
_FORGOTTEN = 0.01

Counts = dict[int, float]


class Habits(msgspec.Struct):
    """Counts of levels. What a count of neighbours tells is used too: a level beside a usual one is not new."""

    levels: Counts = {}
    after: dict[int, Counts] = {}
    at_hour: dict[int, Counts] = {}
    total: float = 0.0
    before: int = 0

    def surprises(self, level: int, hour: int) -> tuple[float, float, float]:
        """In bits: by its level, by what came before, by the hour. Says nothing of values it has not been told yet."""
        plain = (_near(self.levels, level) + _NEVER) / (2 * self.total + 2 * _NEVER)
        sequence = _backed(_near(self.after.get(self.before, {}), level), _sum(self.after, (self.before,)), plain, _AFTER_NONE)
        hours = ((hour - 1) % _HOURS, hour, (hour + 1) % _HOURS)
        seen = sum(_near(self.at_hour.get(each, {}), level) for each in hours)
        hourly = _backed(seen, _sum(self.at_hour, hours), plain, _AT_NO_HOUR)
        return _bits(plain), _bits(sequence), _bits(hourly)

    def remember(self, level: int, hour: int) -> None:
        """Counts one more value."""
        for counts in (self.levels, self.after.setdefault(self.before, {}), self.at_hour.setdefault(hour, {})):
            counts[level] = counts.get(level, 0.0) + 1
        self.total += 1
        self.before = level // _COARSER
        if self.total >= _KEPT:
            self._fade()

    def _fade(self) -> None:
        """Halves all counts, so that what was long ago counts less, and what came once is forgotten one day."""
        self.levels = _halved(self.levels)
        self.after = {key: counts for key, old in self.after.items() if (counts := _halved(old))}
        self.at_hour = {key: counts for key, old in self.at_hour.items() if (counts := _halved(old))}
        self.total = sum(self.levels.values())


def _near(counts: Counts, level: int) -> float:
    return counts.get(level, 0.0) + (counts.get(level - 1, 0.0) + counts.get(level + 1, 0.0)) / 2


def _sum(tables: dict[int, Counts], keys: tuple[int, ...]) -> float:
    return sum(sum(tables[key].values()) for key in keys if key in tables)


def _backed(seen: float, of: float, plain: float, weight: float) -> float:
    """A likelihood in a context; the less is known of the context, the more by the plain one."""
    return (seen + weight * plain) / (2 * of + weight)


def _bits(likelihood: float) -> float:
    return -log2(min(1.0, likelihood))


def _halved(counts: Counts) -> Counts:
    return {level: count / 2 for level, count in counts.items() if count / 2 > _FORGOTTEN}

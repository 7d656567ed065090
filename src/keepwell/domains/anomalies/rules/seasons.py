"""What is usual for each hour of the week, and how to say what is not."""

from datetime import datetime

import msgspec

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_HOURS = 24
_SLOWEST = 1 / 1000
_ALIKE = (0.8, 1.25)


class Usual(msgspec.Struct, frozen=True):
    """The usual value, and for when: "Monday 09:00", or "09:00" as long as that hour of that day was never seen."""

    value: float
    when: str


class Mean(msgspec.Struct):
    """A mean in which older values fade, slowly."""

    count: int = 0
    value: float = 0.0

    def add(self, value: float) -> None:
        """One more."""
        self.count += 1
        self.value += max(1 / self.count, _SLOWEST) * (value - self.value)


class Seasons(msgspec.Struct):
    """Means by hour of the week, of the day, and of all."""

    weekly: dict[int, Mean] = {}
    daily: dict[int, Mean] = {}
    whole: Mean = msgspec.field(default_factory=Mean)

    def usual(self, local: datetime) -> Usual:
        """What is known of the hour, by what is nearest to it; `local` is the instant as the clinic's clock shows it."""
        hour = f"{local.hour:02}:00"
        if week := self.weekly.get(_slot(local)):
            return Usual(week.value, f"{_DAYS[local.weekday()]} {hour}")
        if day := self.daily.get(local.hour):
            return Usual(day.value, hour)
        return Usual(self.whole.value, "any hour")

    def remember(self, local: datetime, value: float) -> None:
        """Counts one more value."""
        self.weekly.setdefault(_slot(local), Mean()).add(value)
        self.daily.setdefault(local.hour, Mean()).add(value)
        self.whole.add(value)


def ratio(now: float, usual: Usual) -> float | None:
    """How many times the usual; None where that says nothing, as for what is usually nothing."""
    return now / usual.value if usual.value > 0 and now >= 0 else None


def explain(now: float, usual: Usual) -> str:
    """In one sentence without a subject: "3.4 times the usual for Monday 09:00"."""
    times = ratio(now, usual)
    if times is None:
        return f"{now:.4g}, where {usual.value:.4g} is usual for {usual.when}"
    if _ALIKE[0] < times < _ALIKE[1]:
        return f"seldom values, though about the usual for {usual.when} on average"
    figure = f"{times:.0f}" if times >= 100 else f"{times:.2g}" if times < 1 else f"{times:.1f}"
    return f"{figure} times the usual for {usual.when}"


def _slot(local: datetime) -> int:
    return local.weekday() * _HOURS + local.hour

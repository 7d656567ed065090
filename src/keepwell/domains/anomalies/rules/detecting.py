"""A detector: told one value after the other, it says of each how anomalous it is, by nothing but the values before."""

from datetime import datetime

import msgspec

from keepwell.domains.anomalies.models import Alarm, Habit, Reading, Sense
from keepwell.domains.anomalies.rules.drifting import Drift, Recent
from keepwell.domains.anomalies.rules.habits import Habits
from keepwell.domains.anomalies.rules.levels import Scale, learn
from keepwell.domains.anomalies.rules.seasons import Seasons, Usual, explain, ratio

_BY_HABIT = (Habit.LEVELS, Habit.SEQUENCE, Habit.HOURS)
_BEYOND = 0.05
_BEYOND_SCORE = 4.0
_FULL_ALARM = 5.0


class Detector(msgspec.Struct):
    """All that is known of one series; can be stored and taken up again, and then goes on as if it had never stopped."""

    sense: Sense
    learned: list[tuple[datetime, float]]
    habits: Habits
    drifts: list[Drift]
    recent: Recent
    seasons: Seasons
    scale: Scale | None = None
    least: float = 0.0
    most: float = 0.0
    alarmed: float = 0.0

    def usual(self, local: datetime) -> Usual:
        """What is usual at this time of the week, by all that was told so far."""
        return self.seasons.usual(local)

    def observe(self, local: datetime, value: float) -> Reading:
        """Judges a finite value by those before it, then learns it. `local` is its instant as the clinic's clock shows it."""
        now = self.recent.add(value, self.sense.recent)
        usual = self.seasons.usual(local)
        reading = Reading(0.0) if self.scale is None else self._judge(self.scale, local, value, now, usual)
        self.seasons.remember(local, value)
        if self.scale is None:
            self._learn(local, value)
        return reading

    def _judge(self, scale: Scale, local: datetime, value: float, now: float, usual: Usual) -> Reading:
        level = scale.level(value)
        found, habit = max(self._drifted(level, local.hour), self._beyond(value))
        self.habits.remember(level, local.hour)
        self.least, self.most = min(self.least, value), max(self.most, value)
        score = self._dampened(found)
        if score < self.sense.threshold:
            return Reading(score)
        shown = value if habit is Habit.RANGE else now
        return Reading(score, Alarm(habit, shown, usual.value, ratio(shown, usual), explain(shown, usual)))

    def _drifted(self, level: int, hour: int) -> tuple[float, Habit]:
        """The habit that is broken most, by the recent surprises of each."""
        sense = self.sense
        judged = [
            drift.judge(surprise, of=sense.recent, settled=sense.settling, memory=sense.memory)
            for drift, surprise in zip(self.drifts, self.habits.surprises(level, hour), strict=True)
        ]
        return max(zip(judged, _BY_HABIT, strict=True))

    def _beyond(self, value: float) -> tuple[float, Habit]:
        """Beyond all that ever was, by more than a little of the range."""
        over = max(value - self.most, self.least - value) / (self.most - self.least + 1e-12)
        return (_BEYOND_SCORE * (1 + min(over, 1.0)) if over > _BEYOND else 0.0), Habit.RANGE

    def _dampened(self, found: float) -> float:
        """After an alarm only what is stronger is heard, for a while: most of one anomaly is told by its beginning."""
        score = found / (1 + self.alarmed * self.sense.dampening)
        self.alarmed = max(self.alarmed * 0.5 ** (1 / self.sense.calm), min(found / _FULL_ALARM, 1.0) ** 2)
        return score

    def _learn(self, local: datetime, value: float) -> None:
        """Keeps the first values until they make a scale, and counts them by it."""
        self.learned.append((local, value))
        if len(self.learned) < self.sense.learning:
            return
        values = [each for _, each in self.learned]
        self.scale, self.least, self.most = learn(values), min(values), max(values)
        for when, each in self.learned:
            self.habits.remember(self.scale.level(each), when.hour)
        self.learned = []


def begin(sense: Sense | None = None) -> Detector:
    """A detector that knows nothing yet."""
    return Detector(sense or Sense(), [], Habits(), [Drift() for _ in _BY_HABIT], Recent(), Seasons())

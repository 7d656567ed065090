"""What a detector is told of a monitor's checks: one value for each whole five minutes of the clock, in their order."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from keepwell.domains.anomalies.models import Anomaly, Course, Measure, Value
from keepwell.domains.anomalies.rules import episodes
from keepwell.domains.anomalies.rules.detecting import Detector, begin
from keepwell.domains.checks import Stretch
from keepwell.domains.monitors import Monitor
from keepwell.kit import zones

WIDTH = timedelta(minutes=5)
_STORED_AFTER = 12
"""At 8 kB each, detectors are the most of what is stored: replaying a few values costs less than writing one each time."""


class Series(msgspec.Struct, frozen=True):
    """What is known of one series. `untaught`: the values that the detector was told since it was last stored."""

    detector: Detector
    untaught: tuple[tuple[datetime, float], ...] = ()
    course: Course = Course()


class Progress(msgspec.Struct, frozen=True):
    """What is stored of a series each time: all but the detector, which is stored once in twelve values."""

    untaught: tuple[tuple[datetime, float], ...]
    course: Course


_progress = msgspec.msgpack.Decoder(Progress)
_detector = msgspec.msgpack.Decoder(Detector)
_encode = msgspec.msgpack.Encoder().encode


def remembered(learned: bytes | None, course: bytes | None) -> Series:
    """A series as it was when these were stored. What another release stored in another form is learned again."""
    if course is None:
        return Series(begin())
    try:
        progress = _progress.decode(course)
        detector = begin() if learned is None else _detector.decode(learned)
    except msgspec.DecodeError:
        return Series(begin())
    for local, value in progress.untaught:
        detector.observe(local, value)
    return Series(detector, progress.untaught, progress.course)


def kept(series: Series) -> tuple[bytes | None, bytes]:
    """What to store of a series; no detector where the stored one can stay."""
    if len(series.untaught) < _STORED_AFTER:
        return None, _encode(Progress(series.untaught, series.course))
    return _encode(series.detector), _encode(Progress((), series.course))


def values_of(stretches: Iterable[Stretch], measure: Measure) -> list[tuple[datetime, float]]:
    """The value of each stretch that has one. A single attempt that failed says nothing: it is taken for none."""
    if measure == "latency":
        return [(each.at, each.average_ms) for each in stretches if each.average_ms is not None]
    return [(each.at, each.failed / each.attempts if each.failed > 1 else 0.0) for each in stretches if each.attempts]


def told(
    series: Series,
    measure: Measure,
    values: Sequence[tuple[datetime, float]],
    until: datetime,
    monitor: Monitor,
    fresh: Callable[[], UUID],
) -> tuple[Series, list[Anomaly]]:
    """The series after these values and all time before `until`, and the anomalies that began, changed or ended by that, each as
    it was last. The detector is not copied: the series that was handed in is worth nothing afterwards.
    """
    zone, opens = zone_of(monitor), monitor.anomalies == "incident"
    course, untaught, changed = series.course, list(series.untaught), dict[UUID, Anomaly]()
    for at, value in values:
        local = zones.local_time(at, zone)
        usual = series.detector.usual(local)
        seen = Value(at, local, value, usual.value)
        course, ended = episodes.silent(course, at)
        reading = series.detector.observe(local, value)
        course, anomaly = episodes.after(course, measure, seen, usual.when, reading, fresh, opens=opens)
        untaught.append((local, value))
        changed |= {each.id: each for each in (ended, anomaly) if each is not None}
    course, ended = episodes.silent(course, until)
    changed |= {} if ended is None else {ended.id: ended}
    return Series(series.detector, tuple(untaught), course), list(changed.values())


def zone_of(monitor: Monitor) -> str:
    """By whose clocks its hours are told: those of its service hours, else of its maintenance windows, else of its beats."""
    recurring = (*monitor.service_hours, *(each.recurring for each in monitor.maintenance))
    named = [each.time_zone for each in (*recurring, monitor.heartbeat) if each is not None]
    return named[0] if named else "UTC"

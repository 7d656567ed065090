"""From alarms to anomalies: one lasts from its first alarm until the series is as usual again. Pure.

An alarm for a single value makes an anomaly, which people may look at. An incident takes a second alarm while that lasts, and
values since then that are clearly more than usual: a single value is often noise.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from keepwell.domains.anomalies.models import Alarm, Anomaly, Course, Measure, Reading, Value
from keepwell.domains.anomalies.rules.seasons import Usual, explain, ratio

USUAL_AGAIN = 6
"""So many values in a row, without an alarm and on average about the usual, end an anomaly."""
LONGEST_SILENCE = timedelta(days=1)
"""What goes on for so long without another alarm is the usual by now."""
REST = timedelta(hours=2)
"""Between the end of an anomaly and the next incident about the same series."""
_MORE = 1.25


def after(
    course: Course, measure: Measure, value: Value, when: str, reading: Reading, fresh: Callable[[], UUID], *, opens: bool
) -> tuple[Course, Anomaly | None]:
    """The course after one value more and what a detector says of it; and the anomaly, where it began, changed or ended by this.

    `when` names the hours that the value was compared with; `opens`: the monitor has incidents opened.
    """
    course = replace(course, lately=(*course.lately, value)[-USUAL_AGAIN:])
    if reading.alarm is None:
        return _ended(course, value.at) if _is_usual_again(course) else (course, None)
    if course.anomaly is None:
        anomaly = _begun(fresh(), measure, value.at, reading.score, reading.alarm)
        return replace(course, anomaly=anomaly, alarmed_at=value.at, evident=False), anomaly
    return _again(replace(course, alarmed_at=value.at), course.anomaly, when, reading, opens=opens)


def silent(course: Course, until: datetime) -> tuple[Course, Anomaly | None]:
    """The course at an instant: an anomaly that gave no alarm for too long is over."""
    if course.alarmed_at is None or until - course.alarmed_at < LONGEST_SILENCE:
        return course, None
    return _ended(course, course.alarmed_at + LONGEST_SILENCE)


def _begun(id_: UUID, measure: Measure, at: datetime, score: float, alarm: Alarm) -> Anomaly:
    return Anomaly(id_, measure, at, None, score, alarm.habit, alarm.now, alarm.usual, alarm.ratio, alarm.explanation)


def _again(course: Course, anomaly: Anomaly, when: str, reading: Reading, *, opens: bool) -> tuple[Course, Anomaly | None]:
    """Another alarm of the same anomaly. The first by which there clearly is more than usual says how much."""
    since = [each for each in course.lately if each.at >= anomaly.at]
    now, before = _means(since)
    if now <= _MORE * before or (course.evident and (anomaly.incident or not opens)):
        return course, None
    if not course.evident:
        usual = Usual(before, when)
        said = explain(now, usual)
        anomaly = replace(anomaly, score=reading.score, now=now, usual=before, ratio=ratio(now, usual), explanation=said)
    rested = course.rests_until is None or course.rests_until <= since[-1].at
    anomaly = replace(anomaly, incident=anomaly.incident or (opens and rested))
    return replace(course, anomaly=anomaly, evident=True), anomaly


def _is_usual_again(course: Course) -> bool:
    alarmed_at = course.alarmed_at
    since = [] if alarmed_at is None else [each for each in course.lately if each.at > alarmed_at]
    if len(since) < USUAL_AGAIN:
        return False
    now, before = _means(since)
    return now <= _MORE * before


def _means(values: Sequence[Value]) -> tuple[float, float]:
    """What they are on average, and what was usual."""
    return sum(each.value for each in values) / len(values), sum(each.usual for each in values) / len(values)


def _ended(course: Course, at: datetime) -> tuple[Course, Anomaly | None]:
    """After this, a course has neither an anomaly nor an alarm."""
    ended = None if course.anomaly is None else replace(course.anomaly, ended_at=at)
    return Course(course.lately, rests_until=at + REST), ended

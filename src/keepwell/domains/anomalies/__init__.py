"""Anomalies: a series that does not behave as it used to, noticed as its values come, and said in plain words."""

from keepwell.domains.anomalies.models import Alarm, Habit, Reading, Sense
from keepwell.domains.anomalies.rules.detecting import Detector, begin

__all__ = ["Alarm", "Detector", "Habit", "Reading", "Sense", "begin"]

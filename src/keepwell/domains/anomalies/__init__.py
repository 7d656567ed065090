"""Anomalies: a series that does not behave as it used to, noticed as its values come, and said in plain words."""

from keepwell.domains.anomalies.models import Alarm, AnomalyView, Habit, Measure, Reading, Sense
from keepwell.domains.anomalies.rules.detecting import Detector, begin
from keepwell.domains.anomalies.service import AnomalyService

__all__ = ["Alarm", "AnomalyService", "AnomalyView", "Detector", "Habit", "Measure", "Reading", "Sense", "begin"]

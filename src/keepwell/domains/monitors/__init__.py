"""Monitors: what is watched, how, and when nothing is held against it; what an answer is worth."""

from keepwell.domains.monitors.models import (
    AllowPrivate,
    ChangeMonitor,
    CreateMonitor,
    DeleteMonitor,
    Monitor,
    MonitorEvent,
    MonitorPolicy,
    PauseMonitor,
    PolicyEvent,
    ResumeMonitor,
    RotateHeartbeat,
    Verdict,
)
from keepwell.domains.monitors.rules import lifecycle
from keepwell.domains.monitors.rules.beats import is_late, late_at
from keepwell.domains.monitors.rules.judging import judge
from keepwell.domains.monitors.rules.windows import suspended
from keepwell.domains.monitors.service import RESOURCE, MonitorService, MonitorSettings
from keepwell.domains.monitors.service.examining import Ask, Examined, examine
from keepwell.domains.monitors.store import LOOKUP
from keepwell.kernel.aggregate import Aggregate, CommandType
from keepwell.kernel.permissions import Permission

KIND = lifecycle.KIND
_UPDATE = Permission(RESOURCE, "u")

AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        kind=KIND,
        resource=RESOURCE,
        state=Monitor,
        event=MonitorEvent,
        evolve=lifecycle.evolve,
        view=lifecycle.view,
        commands=(
            CommandType(
                "monitors.create",
                CreateMonitor,
                Permission(RESOURCE, "c"),
                lifecycle.decide_create,
                creates=True,
                guarded=False,
                references=lifecycle.create_references,
                made_by_door=("heartbeat_digest",),
            ),
            CommandType(
                "monitors.change",
                ChangeMonitor,
                _UPDATE,
                lifecycle.decide_change,
                guard=lifecycle.guard_exists,
                references=lifecycle.change_references,
            ),
            CommandType(
                "monitors.pause", PauseMonitor, _UPDATE, lifecycle.decide_pause, guard=lifecycle.guard_exists, guarded=False
            ),
            CommandType(
                "monitors.resume", ResumeMonitor, _UPDATE, lifecycle.decide_resume, guard=lifecycle.guard_exists, guarded=False
            ),
            CommandType(
                "monitors.rotate-heartbeat",
                RotateHeartbeat,
                _UPDATE,
                lifecycle.decide_rotate,
                guard=lifecycle.guard_exists,
                guarded=False,
                made_by_door=("digest",),
            ),
            CommandType(
                "monitors.delete",
                DeleteMonitor,
                Permission(RESOURCE, "d"),
                lifecycle.decide_delete,
                guard=lifecycle.guard_exists,
            ),
        ),
        lookup=LOOKUP,
    ),
    Aggregate(
        kind=lifecycle.POLICY,
        resource=lifecycle.POLICY_RESOURCE,
        state=MonitorPolicy,
        event=PolicyEvent,
        evolve=lifecycle.evolve_policy,
        view=lifecycle.view_policy,
        commands=(
            CommandType(
                "monitors.allow-private",
                AllowPrivate,
                Permission(lifecycle.POLICY_RESOURCE, "u"),
                lifecycle.decide_allow,
                begins=True,
                guarded=False,
            ),
        ),
    ),
)

__all__ = [
    "AGGREGATES",
    "KIND",
    "RESOURCE",
    "Ask",
    "Examined",
    "Monitor",
    "MonitorService",
    "MonitorSettings",
    "Verdict",
    "examine",
    "is_late",
    "judge",
    "late_at",
    "suspended",
]

"""Feature flags: what is on for whom, rolled out in steps that go back by themselves, and turned off at once where need be."""

from keepwell.domains.flags.models import (
    Asked,
    ChangeFlag,
    Declaration,
    Evaluation,
    Flag,
    FlagEvent,
    KillFlag,
    RestoreFlag,
    SetFlag,
    StartRollout,
    StepRollout,
    StopRollout,
    switch,
)
from keepwell.domains.flags.rules import lifecycle
from keepwell.domains.flags.service import KIND, RESOURCE, USES, FlagService, Freshness
from keepwell.domains.flags.store import LOOKUP
from keepwell.kernel.aggregate import Aggregate, CommandType
from keepwell.kernel.permissions import Permission

_UPDATE = Permission(RESOURCE, "u")

AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        kind=KIND,
        resource=RESOURCE,
        state=Flag,
        event=FlagEvent,
        evolve=lifecycle.evolve,
        view=lifecycle.view,
        announced=True,
        commands=(
            CommandType("flags.set", SetFlag, _UPDATE, lifecycle.decide_set, guard=lifecycle.guard_no_rollout, begins=True),
            CommandType(
                "flags.change", ChangeFlag, _UPDATE, lifecycle.decide_change, guard=lifecycle.guard_no_rollout, begins=True
            ),
            CommandType("flags.kill", KillFlag, _UPDATE, lifecycle.decide_kill, begins=True, guarded=False),
            CommandType("flags.restore", RestoreFlag, _UPDATE, lifecycle.decide_restore, begins=True, guarded=False),
            CommandType("flags.start-rollout", StartRollout, _UPDATE, lifecycle.decide_start, begins=True, guarded=False),
            CommandType("flags.stop-rollout", StopRollout, _UPDATE, lifecycle.decide_stop, guarded=False),
            CommandType("flags.step-rollout", StepRollout, _UPDATE, lifecycle.decide_step, guarded=False),
        ),
        lookup=LOOKUP,
    ),
)
"""Kind `flag`: what a clinic has set of one flag."""

TALLIES = (USES,)
"""What this room counts."""

__all__ = [
    "AGGREGATES",
    "TALLIES",
    "Asked",
    "Declaration",
    "Evaluation",
    "FlagService",
    "Freshness",
    "switch",
]

"""Checks of monitors: each made at its instant and stored once, and what they mean for the monitor decided once."""

from keepwell.domains.checks.models import (
    CheckRequest,
    CheckRequested,
    RequestCheck,
    Result,
    Rollup,
    Settled,
    StatusView,
    Stretch,
    TransitionView,
)
from keepwell.domains.checks.rules import requests
from keepwell.domains.checks.rules.uptime import MAINTENANCE, Budget, Change, Spent, spent
from keepwell.domains.checks.service import CheckService
from keepwell.domains.checks.service.configurations import Configurations
from keepwell.domains.checks.service.reading import CheckReader, Uptime
from keepwell.domains.checks.service.telling import subject
from keepwell.domains.checks.store import LOOKUP
from keepwell.domains.monitors import RESOURCE
from keepwell.kernel.aggregate import Aggregate, CommandType
from keepwell.kernel.permissions import Permission

AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        kind="check-request",
        resource=RESOURCE,
        state=CheckRequest,
        event=CheckRequested,
        evolve=requests.evolve,
        view=requests.view,
        commands=(
            CommandType(
                "checks.request",
                RequestCheck,
                Permission(RESOURCE, "u"),
                requests.decide_request,
                creates=True,
                guarded=False,
                references=requests.monitor_references,
            ),
        ),
        lookup=LOOKUP,
    ),
)

__all__ = [
    "AGGREGATES",
    "MAINTENANCE",
    "Budget",
    "Change",
    "CheckReader",
    "CheckService",
    "Configurations",
    "Result",
    "Rollup",
    "Settled",
    "Spent",
    "StatusView",
    "Stretch",
    "TransitionView",
    "Uptime",
    "spent",
    "subject",
]

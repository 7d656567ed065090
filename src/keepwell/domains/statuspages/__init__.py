"""Status pages: what a clinic shows everybody of how its services are, and were."""

from keepwell.domains.statuspages.models import (
    ChangeStatusPage,
    CreateStatusPage,
    DeleteStatusPage,
    Outage,
    PublicPage,
    StatusPage,
    StatusPageEvent,
)
from keepwell.domains.statuspages.rules import lifecycle
from keepwell.domains.statuspages.service import FRESH_SECONDS, KIND, RESOURCE, StatusPageService
from keepwell.domains.statuspages.store import LOOKUP
from keepwell.kernel.aggregate import Aggregate, CommandType
from keepwell.kernel.permissions import Permission

AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        kind=KIND,
        resource=RESOURCE,
        state=StatusPage,
        event=StatusPageEvent,
        evolve=lifecycle.evolve,
        view=lifecycle.view,
        commands=(
            CommandType(
                "statuspages.create",
                CreateStatusPage,
                Permission(RESOURCE, "c"),
                lifecycle.decide_create,
                creates=True,
                guarded=False,
                references=lifecycle.references,
            ),
            CommandType(
                "statuspages.change",
                ChangeStatusPage,
                Permission(RESOURCE, "u"),
                lifecycle.decide_change,
                guard=lifecycle.guard_exists,
                references=lifecycle.references,
            ),
            CommandType(
                "statuspages.delete",
                DeleteStatusPage,
                Permission(RESOURCE, "d"),
                lifecycle.decide_delete,
                guard=lifecycle.guard_exists,
            ),
        ),
        lookup=LOOKUP,
    ),
)

__all__ = ["AGGREGATES", "FRESH_SECONDS", "Outage", "PublicPage", "StatusPageService"]

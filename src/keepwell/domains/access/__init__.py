"""Emergency access ("break-glass"): more for a short time, for a reason, all of it marked, and reviewed by somebody else."""

from keepwell.domains.access.models import EmergencyAccess, EmergencyEvent, EndEmergency, ReviewEmergency, StartEmergency
from keepwell.domains.access.rules import decide_end, decide_review, decide_start, evolve, view
from keepwell.domains.access.service import KIND, RESOURCE, AccessService
from keepwell.domains.access.store import LOOKUP
from keepwell.kernel.aggregate import Aggregate, CommandType
from keepwell.kernel.permissions import Permission

AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        kind=KIND,
        resource=RESOURCE,
        state=EmergencyAccess,
        event=EmergencyEvent,
        evolve=evolve,
        view=view,
        commands=(
            CommandType(
                "break-glass.start",
                StartEmergency,
                Permission(RESOURCE, "c"),
                decide_start,
                creates=True,
                guarded=False,
                made_by_door=("session",),
            ),
            CommandType("break-glass.end", EndEmergency, Permission(RESOURCE, "d"), decide_end, guarded=False),
            CommandType("break-glass.review", ReviewEmergency, Permission(RESOURCE, "u"), decide_review, guarded=False),
        ),
        lookup=LOOKUP,
    ),
)

__all__ = ["AGGREGATES", "AccessService"]

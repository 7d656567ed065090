"""Programs: what people are enrolled in, and from when to when, by the clinic's clocks or by each person's own."""

from keepwell.domains.programs.errors import INVALID_PROGRAM
from keepwell.domains.programs.models import (
    ChangeProgram,
    CreateProgram,
    Period,
    Program,
    ProgramEvent,
    ProgramView,
    RecomputeProgram,
    TellProgram,
)
from keepwell.domains.programs.rules import decide_change, decide_create, decide_recompute, decide_tell, evolve, standing, view
from keepwell.domains.programs.service import KIND, RESOURCE, ProgramService
from keepwell.domains.programs.store import LOOKUP
from keepwell.kernel.aggregate import Aggregate, CommandType
from keepwell.kernel.permissions import Permission

AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        kind=KIND,
        resource=RESOURCE,
        state=Program,
        event=ProgramEvent,
        evolve=evolve,
        view=view,
        commands=(
            CommandType("programs.create", CreateProgram, Permission(RESOURCE, "c"), decide_create, creates=True, guarded=False),
            CommandType("programs.change", ChangeProgram, Permission(RESOURCE, "u"), decide_change),
            CommandType("programs.recompute", RecomputeProgram, Permission(RESOURCE, "u"), decide_recompute, guarded=False),
            CommandType("programs.tell", TellProgram, Permission(RESOURCE, "u"), decide_tell, guarded=False),
        ),
        lookup=LOOKUP,
    ),
)
"""Kind `program`."""

__all__ = [
    "AGGREGATES",
    "INVALID_PROGRAM",
    "CreateProgram",
    "Period",
    "Program",
    "ProgramService",
    "ProgramView",
    "standing",
]

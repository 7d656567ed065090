"""The command path: one way in for every change and every read, with permission, tenancy, audit and proof built in."""

from keepwell.kernel.aggregate import Aggregate, Catalog, CommandType, Decision, Lookup, Merge
from keepwell.kernel.envelope import Actor, Closing, Command, Context, Envelope, Origin, Outcome, Reference, Snapshot
from keepwell.kernel.finding import Comparison, Condition, Finder, Found, Operator, Selection
from keepwell.kernel.journal import Entry, fold
from keepwell.kernel.permissions import Permission
from keepwell.kernel.problems import Fault, ProblemType, Refusal, Refused
from keepwell.kernel.recording import Several, several
from keepwell.kernel.service import Follow, Followed, Kernel, Limits, Read, Rehearsal, Search, Versions, View, Wanted

__all__ = [
    "Actor",
    "Aggregate",
    "Catalog",
    "Closing",
    "Command",
    "CommandType",
    "Comparison",
    "Condition",
    "Context",
    "Decision",
    "Entry",
    "Envelope",
    "Fault",
    "Finder",
    "Follow",
    "Followed",
    "Found",
    "Kernel",
    "Limits",
    "Lookup",
    "Merge",
    "Operator",
    "Origin",
    "Outcome",
    "Permission",
    "ProblemType",
    "Read",
    "Reference",
    "Refusal",
    "Refused",
    "Rehearsal",
    "Search",
    "Selection",
    "Several",
    "Snapshot",
    "Versions",
    "View",
    "Wanted",
    "fold",
    "several",
]

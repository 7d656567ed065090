"""Reads of responses and work over several: as they are, as they were, what changed, what would be, many at once."""

from keepwell.domains.responses.service.bulk import Step, each_in_turn, together
from keepwell.domains.responses.service.judging import Found, ResponseVerdict
from keepwell.domains.responses.service.reads import (
    KIND,
    RESOURCE,
    Diff,
    Difference,
    HistoryItem,
    MergePreview,
    ResponseService,
    StatusChange,
    told,
)

__all__ = [
    "KIND",
    "RESOURCE",
    "Diff",
    "Difference",
    "Found",
    "HistoryItem",
    "MergePreview",
    "ResponseService",
    "ResponseVerdict",
    "StatusChange",
    "Step",
    "each_in_turn",
    "together",
    "told",
]

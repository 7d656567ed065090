"""Reads of responses and work over several: as they are, as they were, what changed, what would be, many at once."""

from keepwell.domains.responses.service.bulk import Step, each_in_turn, together
from keepwell.domains.responses.service.judging import ResponseVerdict
from keepwell.domains.responses.service.reads import (
    KIND,
    RESOURCE,
    Diff,
    HistoryItem,
    MergePreview,
    ResponseService,
    told,
)

__all__ = [
    "KIND",
    "RESOURCE",
    "Diff",
    "HistoryItem",
    "MergePreview",
    "ResponseService",
    "ResponseVerdict",
    "Step",
    "each_in_turn",
    "together",
    "told",
]

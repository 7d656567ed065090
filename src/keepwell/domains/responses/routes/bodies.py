"""What callers send to the HTTP door of responses, and the lists they get."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from keepwell.domains.responses.models import Answers, OnConflict, ResponseSummary
from keepwell.domains.responses.service import HistoryItem
from keepwell.kernel.http import USUAL_PAGE, PageLimit, Version

Reference = Annotated[str, Meta(min_length=1, max_length=1_500)]
ReasonText = Annotated[str, Meta(min_length=1, max_length=2_000)]


class NewResponse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`questionnaire` is an id, or `<canonical>|<version>`. Answers are by address; the rows they name begin with them."""

    questionnaire: Reference
    subject: str | None = None
    answers: Answers = msgspec.field(default_factory=dict[str, Any])


class AnswerChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Only the named answers change; null clears."""

    answers: Answers


class NewRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`group` is the linkId of a repeating group, with the rows around it where there are any; answers are by linkId inside."""

    group: str
    answers: Answers = msgspec.field(default_factory=dict[str, Any])


class Amendment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why, and what changes."""

    reason: ReasonText
    answers: Answers


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why the response should never have been."""

    reason: ReasonText


class Conflicting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of a change made from an older version than the newest: `refuse` it, or `merge` it into what came since.

    Without it, the clinic's flag `merge-by-default` decides.
    """

    on_conflict: OnConflict | None = None


class MergeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Answers as PATCH would take them, and the version they were changed in."""

    base_version: Version
    answers: Answers


class Candidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Answers to judge: as if they were submitted, or as while they are being given, when less is asked of them."""

    questionnaire: Reference
    answers: Answers
    status: Literal["completed", "in-progress"] = "completed"


class Moment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which past: a version, or an instant with an offset; neither means now."""

    version: Version | None = None
    at: datetime | None = None


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which responses, and which part of the list. `questionnaire` is an id."""

    questionnaire: UUID | None = None
    subject: str | None = None
    status: Literal["in-progress", "completed", "amended", "entered-in-error"] | None = None
    limit: PageLimit = USUAL_PAGE
    cursor: UUID | None = None


class Ends(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The two versions to compare; without `to`, the newest."""

    from_: Version = msgspec.field(name="from")
    to: Version | None = None


class ResponseList(msgspec.Struct, frozen=True):
    """Responses, the newest first."""

    items: list[ResponseSummary]
    next: str | None


class History(msgspec.Struct, frozen=True):
    """What happened, the oldest first."""

    items: list[HistoryItem]
    next: str | None

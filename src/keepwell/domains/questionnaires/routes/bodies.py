"""Which questionnaires callers ask the HTTP door for, and the lists they get."""

from typing import Literal

import msgspec

from keepwell.domains.questionnaires.models import QuestionnaireSummary
from keepwell.kernel.http import USUAL_PAGE, PageLimit


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which questionnaires, and which part of the list."""

    status: Literal["draft", "active", "retired"] | None = None
    url: str | None = None
    limit: PageLimit = USUAL_PAGE
    cursor: str | None = None


class QuestionnaireList(msgspec.Struct, frozen=True):
    """Questionnaires, the newest first."""

    items: list[QuestionnaireSummary]
    next: str | None

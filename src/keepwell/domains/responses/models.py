"""The nouns of this room: a response, what may be asked of it, what happened to it, and what callers see of it.

An address names an answer: the item's linkId, and for every item around it that has rows the row, outermost first:
`<item>[<row id>].<linkId>`. A repeating group has rows; so have the answers of a repeating question that asks further
questions. A group's address is that of its own linkId. Row ids are UUIDs and stay what they are.
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from keepwell.kernel.envelope import Command

IN_PROGRESS, COMPLETED, AMENDED, VOIDED = "in-progress", "completed", "amended", "entered-in-error"

Answers = dict[str, Any]
"""Values by address. As a change, None clears."""

OnConflict = Literal["refuse", "merge"]
"""What becomes of a change made from an older version than the newest: it is refused, or merged into what came since."""

Rows = dict[str, tuple[str, ...]]
"""Row ids by address of the item that has them: of a group in the order they were added, of a question in that of its answers."""

Elements = dict[str, Any]
"""What else a FHIR QuestionnaireResponse says, such as its author, by the name of the element. As a change, None takes away."""


class Response(msgspec.Struct, frozen=True):
    """Answers to one questionnaire. `canonical` and `questionnaire_version` are what the questionnaire said of itself.

    `rows_made` counts every row there ever was, so that no row id comes twice.
    """

    questionnaire: UUID
    status: str
    answers: Answers
    rows: Rows
    rows_made: int = 0
    subject: str | None = None
    canonical: str | None = None
    questionnaire_version: str | None = None
    elements: Elements = {}


class CreateResponse(Command, frozen=True):
    """Begins a response to a published questionnaire. `submitted`: and declares it complete at once.

    `rows` are those of the items it names; those of other groups begin where answers name them.
    """

    questionnaire: UUID
    subject: str | None = None
    answers: Answers = msgspec.field(default_factory=dict[str, Any])
    rows: Rows = msgspec.field(default_factory=dict[str, tuple[str, ...]])
    elements: Elements = msgspec.field(default_factory=dict[str, Any])
    submitted: bool = False


class PatchResponse(Command, frozen=True):
    """Changes the answers it names and no others.

    `rows` are those of the items it names as they are to be: a row not among them goes with all in it, one that is not there
    begins. Those of a question are named together with its answers. `elements` change like answers.
    """

    answers: Answers
    rows: Rows = msgspec.field(default_factory=dict[str, tuple[str, ...]])
    elements: Elements = msgspec.field(default_factory=dict[str, Any])


class GetResponse(Command, frozen=True):
    """Shows the response as it is at this place among other commands."""


class AddRow(Command, frozen=True):
    """Adds a row to the repeating group at an address; `answers` are by linkId inside that row."""

    group: str
    answers: Answers = msgspec.field(default_factory=dict[str, Any])


class RemoveRow(Command, frozen=True):
    """Removes a row with all that is in it."""

    row: UUID


class SubmitResponse(Command, frozen=True):
    """Declares the response complete. It cannot be edited afterwards."""


class AmendResponse(Command, frozen=True):
    """Corrects a submitted response; the version before stays readable. `rows` and `elements` are as in `PatchResponse`."""

    reason: str
    answers: Answers
    rows: Rows = msgspec.field(default_factory=dict[str, tuple[str, ...]])
    elements: Elements = msgspec.field(default_factory=dict[str, Any])


class VoidResponse(Command, frozen=True):
    """Declares that the response should never have been; it stays readable, and nothing changes it any more."""

    reason: str


class ResponseCreated(msgspec.Struct, frozen=True, tag="created", omit_defaults=True):
    """A response was begun."""

    questionnaire: UUID
    answers: Answers = {}
    rows: Rows = {}
    subject: str | None = None
    canonical: str | None = None
    questionnaire_version: str | None = None
    elements: Elements = {}


class AnswersChanged(msgspec.Struct, frozen=True, tag="changed", omit_defaults=True):
    """These answers were given or, with None, cleared.

    `answer_rows` are the rows of the questions among them that have rows, and of groups that were given others, as they are
    from now on; what stands in rows that are not among them any more goes. `replaced`, `replaced_rows` and `replaced_elements`
    are what was there before, None and empty where nothing was. `behind`: how many versions had come since the one that this
    change was made from; it was merged into them.
    """

    answers: Answers
    answer_rows: Rows = {}
    replaced: Answers = {}
    replaced_rows: Rows = {}
    behind: int = 0
    elements: Elements = {}
    replaced_elements: Elements = {}


class RowAdded(msgspec.Struct, frozen=True, tag="row-added", omit_defaults=True):
    """A row was added to the group at this address; the answers are by full address."""

    group: str
    row: str
    answers: Answers = {}
    answer_rows: Rows = {}


class RowRemoved(msgspec.Struct, frozen=True, tag="row-removed", omit_defaults=True):
    """A row was removed from the group at this address. What is named as in `AnswersChanged` means the same here."""

    group: str
    row: str
    replaced: Answers = {}
    replaced_rows: Rows = {}
    behind: int = 0


class ResponseSubmitted(msgspec.Struct, frozen=True, tag="submitted"):
    """The response was declared complete."""


class ResponseAmended(msgspec.Struct, frozen=True, tag="amended", omit_defaults=True):
    """A submitted response was corrected."""

    reason: str
    answers: Answers
    rows: Rows = {}
    answer_rows: Rows = {}
    elements: Elements = {}


class ResponseVoided(msgspec.Struct, frozen=True, tag="voided"):
    """The response was declared entered in error."""

    reason: str


ResponseEvent = ResponseCreated | AnswersChanged | RowAdded | RowRemoved | ResponseSubmitted | ResponseAmended | ResponseVoided


class ResponseView(msgspec.Struct, frozen=True):
    """A response as callers see it. `elements` only where something was said that only FHIR has a place for.

    Only where a change was merged: `merged`, and in `cleared` the answers that apply no more since, and were taken out.
    """

    id: UUID
    questionnaire: UUID
    canonical: str | None
    questionnaire_version: str | None
    subject: str | None
    status: str
    version: int
    answers: Answers
    rows: Rows
    created_at: datetime
    updated_at: datetime
    elements: Elements | msgspec.UnsetType = msgspec.UNSET
    merged: bool | msgspec.UnsetType = msgspec.UNSET
    cleared: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


class ResponseChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one version changed, for whoever has the version before: with it they have this one.

    `change` is the name of the event. In `answers` and `elements` None stands for what was cleared or went. `rows` are rows as
    they are from now on, by address; of groups, one alone was added at the end (`rows_added`), or taken away (`rows_removed`).
    """

    version: int
    change: str
    status: str
    answers: Answers = {}
    rows: Rows = {}
    rows_added: Rows = {}
    rows_removed: Rows = {}
    elements: Elements = {}
    reason: str | None = None


class RowView(msgspec.Struct, frozen=True):
    """A row just added. `row` is its id once more, under the name it has in addresses; `group` is the group's address."""

    id: str
    row: str
    group: str
    version: int
    response: ResponseView


class ResponseSummary(msgspec.Struct, frozen=True):
    """A response in a list, without its answers."""

    id: UUID
    questionnaire: UUID
    subject: str | None
    status: str
    version: int
    created_at: datetime
    updated_at: datetime

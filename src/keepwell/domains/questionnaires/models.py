"""The nouns of this room: the stored questionnaire, what may be asked of it, what happened to it, and its compiled form."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.validation import Form
from keepwell.kernel.envelope import Command
from keepwell.kernel.problems import Fault


class Questionnaire(msgspec.Struct, frozen=True):
    """A FHIR R4 Questionnaire as sent, and where it stands: `draft`, `active` (published) or `retired`."""

    status: str
    resource: dict[str, Any]


class CreateQuestionnaire(Command, frozen=True):
    """Stores a new questionnaire; one whose own status is `active` is published at once."""

    resource: dict[str, Any]


class ReplaceQuestionnaire(Command, frozen=True):
    """Puts another resource in the place of a draft's."""

    resource: dict[str, Any]


class PublishQuestionnaire(Command, frozen=True):
    """Fixes the resource for ever and opens it to answers."""


class RetireQuestionnaire(Command, frozen=True):
    """Closes it to new responses. Those begun may be finished."""


class QuestionnaireCreated(msgspec.Struct, frozen=True, tag="created"):
    """A questionnaire came to be, with this status."""

    status: str
    resource: dict[str, Any]


class QuestionnaireReplaced(msgspec.Struct, frozen=True, tag="replaced"):
    """A draft got another resource, and this status."""

    status: str
    resource: dict[str, Any]


class QuestionnairePublished(msgspec.Struct, frozen=True, tag="published"):
    """A draft was published."""


class QuestionnaireRetired(msgspec.Struct, frozen=True, tag="retired"):
    """A questionnaire was retired."""


QuestionnaireEvent = QuestionnaireCreated | QuestionnaireReplaced | QuestionnairePublished | QuestionnaireRetired


class Verdict(msgspec.Struct, frozen=True):
    """What the rules say of a resource. Warnings never stand in the way."""

    faults: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()


class Option(msgspec.Struct, frozen=True):
    """One permitted answer: its FHIR type, such as `Coding` or `string`, and its value."""

    type: str
    value: Any


class Item(msgspec.Struct, frozen=True):
    """One item of a form. `groups` are the linkIds of the items around it that have rows, outermost first.

    `rows`: it repeats and something can be answered inside, so each repetition is a row with an id of its own: the rows of a
    repeating group, and the answers of a repeating question that asks further questions.
    """

    link_id: str
    type: str
    text: str | None = None
    required: bool = False
    repeats: bool = False
    read_only: bool = False
    max_length: int | None = None
    options: tuple[Option, ...] = ()
    value_set: str | None = None
    parent: str | None = None
    children: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    rows: bool = False
    definition: str | None = None

    @property
    def answerable(self) -> bool:
        """Whether the item can have answers at all; `question` is R4's abstract type."""
        return self.type not in ("group", "display", "question")


class Definition(msgspec.Struct, frozen=True):
    """A form compiled for its answers: its items by linkId in document order, and the linkIds of those at the top.

    `deciders` are the linkIds on whose answers it depends which items apply: every one where an expression says so.
    `form` is what whole responses are checked against.
    """

    items: dict[str, Item]
    top: tuple[str, ...]
    deciders: frozenset[str]
    form: Form


class QuestionnaireView(msgspec.Struct, frozen=True):
    """A questionnaire as callers see it. `version` is the business version its author gave."""

    id: UUID
    url: str | None
    version: str | None
    status: str
    title: str | None
    resource: dict[str, Any]


class QuestionnaireSummary(msgspec.Struct, frozen=True):
    """A questionnaire in a list."""

    id: UUID
    url: str | None
    version: str | None
    status: str
    title: str | None
    created_at: datetime
    updated_at: datetime

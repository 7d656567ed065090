"""Responses to one form, decided on in memory."""

from typing import Any
from uuid import UUID

from keepwell.domains import responses
from keepwell.domains.questionnaires import Questionnaire
from keepwell.domains.responses import (
    AddRow,
    AmendResponse,
    CreateResponse,
    PatchResponse,
    RemoveRow,
    SubmitResponse,
    VoidResponse,
)
from keepwell.kernel.problems import Refusal
from keepwell.kit.ids import new_id
from tests.support.desk import Desk
from tests.support.forms import form

FORM = new_id()


class Sheet:
    """One response being filled in."""

    def __init__(self, resource: dict[str, Any], subject: str | None = None) -> None:
        self.id = new_id()
        self.desk = Desk(responses.AGGREGATES[0], {FORM: Questionnaire(resource["status"], resource)}, subject)

    def create(
        self, answers: dict[str, Any] | None = None, subject: str | None = None, questionnaire: UUID = FORM
    ) -> Refusal | None:
        return self.desk.do(CreateResponse(self.id, questionnaire, subject, answers or {}))

    def patch(self, **answers: Any) -> Refusal | None:
        return self.change(answers)

    def change(self, answers: dict[str, Any]) -> Refusal | None:
        return self.desk.do(PatchResponse(self.id, answers))

    def merge(self, seen: int, answers: dict[str, Any]) -> Refusal | None:
        """A change made from version `seen`."""
        return self.desk.do(PatchResponse(self.id, answers), seen)

    def merge_removal(self, seen: int, row: str) -> Refusal | None:
        return self.desk.do(RemoveRow(self.id, UUID(row)), seen)

    def add_row(self, group: str, answers: dict[str, Any] | None = None) -> str:
        """The new row's id."""
        assert self.desk.do(AddRow(self.id, group, answers or {})) is None
        return self.desk.events[-1].row

    def refused_row(self, group: str, answers: dict[str, Any] | None = None) -> Refusal | None:
        return self.desk.do(AddRow(self.id, group, answers or {}))

    def remove_row(self, row: str) -> Refusal | None:
        return self.desk.do(RemoveRow(self.id, UUID(row)))

    def submit(self) -> Refusal | None:
        return self.desk.do(SubmitResponse(self.id))

    def amend(self, answers: dict[str, Any], reason: str = "a slip of the pen") -> Refusal | None:
        return self.desk.do(AmendResponse(self.id, reason, answers))

    def void(self, reason: str = "the wrong person") -> Refusal | None:
        return self.desk.do(VoidResponse(self.id, reason))

    @property
    def version(self) -> int:
        return len(self.desk.events)

    @property
    def answers(self) -> dict[str, Any]:
        return self.desk.state.answers

    @property
    def rows(self) -> dict[str, tuple[str, ...]]:
        return self.desk.state.rows


def begun(*items: dict[str, Any], **elements: Any) -> Sheet:
    """A response just begun, to a published form with these items."""
    sheet = Sheet(form(*items, **elements))
    assert sheet.create() is None
    return sheet


def places(refusal: Refusal | None) -> list[tuple[str, str]]:
    """Pointer and code of each fault."""
    assert refusal is not None
    return [(fault.pointer, fault.code) for fault in refusal.faults]

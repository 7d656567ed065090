"""What a check has found so far, and what it may still spend."""

from keepwell.domains.validation.models import Finding, Issue, Severity
from keepwell.domains.validation.rules.frames import Frame, Step
from keepwell.kit.fhir.limits import CONDITION_FUEL, MAX_ISSUES, MAX_RESPONSE_ITEMS


class EnoughIssuesError(Exception):
    """The list of errors is full: looking further would help nobody."""


class TooLargeError(Exception):
    """The response has more to look at than one check may."""


class Report:
    """Collects issues, at most `MAX_ISSUES` errors and as many others. `strict`: what is missing is an error."""

    __slots__ = ("errors", "issues", "items", "looks", "strict")

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self.issues: list[Issue] = []
        self.errors = 0
        self.items = MAX_RESPONSE_ITEMS
        self.looks = CONDITION_FUEL

    def add(
        self,
        finding: Finding,
        frame: Frame,
        steps: tuple[Step, ...],
        link_id: str | None,
        severity: Severity | None = None,
    ) -> None:
        """Adds an issue at a place.

        Raises:
            EnoughIssuesError: there are enough errors now.
        """
        level = finding.severity if severity is None else severity
        if level is not Severity.ERROR and len(self.issues) - self.errors >= MAX_ISSUES:
            return
        self.issues.append(
            Issue(level, finding.code, finding.kind, frame.pointer(*steps), frame.expression(*steps), finding.message, link_id)
        )
        if level is Severity.ERROR:
            self.errors += 1
            if self.errors >= MAX_ISSUES:
                raise EnoughIssuesError

    def incomplete(self, finding: Finding, frame: Frame, steps: tuple[Step, ...], link_id: str | None) -> None:
        """Adds what only stands in the way of submitting: a warning until then."""
        self.add(finding, frame, steps, link_id, finding.severity if self.strict else Severity.WARNING)

    def count(self, items: int) -> None:
        """Counts items of the response.

        Raises:
            TooLargeError: there are too many.
        """
        self.items -= items
        if self.items < 0:
            raise TooLargeError

    def look(self, answers: int) -> None:
        """Counts answers that conditions look at.

        Raises:
            TooLargeError: there are too many.
        """
        self.looks -= answers + 1
        if self.looks < 0:
            raise TooLargeError

"""What is found while a form is compiled: faults, which refuse it, and warnings, at most `MAX_FAULTS` of each."""

from keepwell.domains.validation.models import FormFault
from keepwell.kit.fhir.limits import MAX_FAULTS


class EnoughFaultsError(Exception):
    """The list of faults is full: looking further would help nobody."""


class Notebook:
    """Collects faults and warnings by pointer and linkId."""

    def __init__(self) -> None:
        self.faults: list[FormFault] = []
        self.warnings: list[FormFault] = []

    def fault(self, pointer: str, code: str, message: str, link_id: str | None = None) -> None:
        """Adds a fault.

        Raises:
            EnoughFaultsError: the list is full now.
        """
        self.faults.append(FormFault(pointer, code, message, link_id))
        if len(self.faults) >= MAX_FAULTS:
            raise EnoughFaultsError

    def warn(self, pointer: str, code: str, message: str, link_id: str | None = None) -> None:
        """Adds a warning while there is room."""
        if len(self.warnings) < MAX_FAULTS:
            self.warnings.append(FormFault(pointer, code, message, link_id))

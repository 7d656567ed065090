"""Who asks at the FHIR door, and what was found out for the answer so far."""

from uuid import UUID

from keepwell.domains.fhir.models import BASE, Preferences, Resource
from keepwell.domains.questionnaires import Definition
from keepwell.kernel import Actor, Origin


class Caller:
    """One request. `base` is the address of the FHIR interface as the caller wrote it; `reason` is why, where that was said.

    `forms` are the compiled forms that were needed so far, None for those that are not there; `coming` are the Questionnaires
    that the request itself creates.
    """

    __slots__ = ("actor", "base", "coming", "forms", "origin", "preferences", "reason")

    def __init__(
        self, actor: Actor, origin: Origin, host: str = "", preferences: Preferences | None = None, reason: str = ""
    ) -> None:
        self.actor = actor
        self.origin = origin
        self.base = host + BASE
        self.preferences = preferences or Preferences()
        self.reason = reason
        self.forms: dict[UUID, Definition | None] = {}
        self.coming: dict[UUID, Resource] = {}

    def local(self, reference: str) -> str:
        """A reference without this server's own address before it."""
        return reference.removeprefix(f"{self.base}/")

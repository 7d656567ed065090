"""Every room of the program, listed once: a room that is not here does not exist."""

from collections.abc import Callable

from keepwell.domains import audit, identity, questionnaires, responses, tenants
from keepwell.domains.audit import routes as audit_routes
from keepwell.domains.identity import errors as identity_errors
from keepwell.domains.identity import routes as identity_routes
from keepwell.domains.questionnaires import errors as questionnaire_errors
from keepwell.domains.questionnaires import routes as questionnaire_routes
from keepwell.domains.responses import errors as response_errors
from keepwell.domains.responses import routes as response_routes
from keepwell.domains.tenants import errors as tenant_errors
from keepwell.kernel import Kernel
from keepwell.kernel.aggregate import Catalog
from keepwell.kernel.envelope import Actor
from keepwell.kernel.http import Endpoint
from keepwell.kernel.problems import ProblemType
from keepwell.platform.settings import Settings

PROBLEMS: tuple[ProblemType, ...] = (
    *tenant_errors.PROBLEMS,
    *identity_errors.PROBLEMS,
    *questionnaire_errors.PROBLEMS,
    *response_errors.PROBLEMS,
)


def catalog() -> Catalog:
    """Every aggregate of the program."""
    return Catalog((*tenants.AGGREGATES, *identity.AGGREGATES, *questionnaires.AGGREGATES, *responses.AGGREGATES))


class Rooms:
    """The services of every room, over one kernel. `derive` gives 32 bytes under the master key for a label."""

    def __init__(self, kernel: Kernel, derive: Callable[[str], bytes], settings: Settings) -> None:
        self.tenants = tenants.TenantService(kernel)
        self.identity = identity.IdentityService(kernel, self.tenants, derive, _identity(settings))
        self.questionnaires = questionnaires.QuestionnaireService(kernel)
        self.responses = responses.ResponseService(kernel, self.questionnaires)
        self.audit = audit.AuditService(kernel)

    def authenticate(self, authorization: str) -> Actor:
        """Who an Authorization header speaks for; raises `Refused` when for nobody."""
        return self.identity.authenticate(authorization)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every route of every room."""
        return (
            *identity_routes.endpoints(self.identity),
            *questionnaire_routes.endpoints(self.questionnaires),
            *response_routes.endpoints(self.responses),
            *audit_routes.endpoints(self.audit),
        )

    def close(self) -> None:
        self.identity.close()


def _identity(settings: Settings) -> identity.Settings:
    return identity.Settings(
        access_seconds=settings.access_token_lifetime_s,
        session=identity.SessionLimits(absolute=settings.session_lifetime_s, idle=settings.refresh_token_lifetime_s),
        hashing_queue=settings.password_hash_queue,
    )

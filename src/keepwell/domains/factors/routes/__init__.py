"""The HTTP door of factors: completing logins, one's own factors, the clinic's policy."""

from keepwell.domains.factors.routes import links, logins, oidc, own, policy
from keepwell.domains.factors.service import FactorService
from keepwell.kernel.http import Endpoint


def endpoints(service: FactorService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    return (
        *logins.endpoints(service),
        *links.endpoints(service),
        *oidc.endpoints(service),
        *own.endpoints(service.own),
        *policy.endpoints(service),
    )

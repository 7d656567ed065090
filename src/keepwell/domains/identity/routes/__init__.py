"""The HTTP door of identity: logging in, sessions, accounts."""

from keepwell.domains.identity.routes import sessions, users
from keepwell.domains.identity.service import IdentityService
from keepwell.kernel.http import Endpoint


def endpoints(service: IdentityService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    return (*sessions.endpoints(service), *users.endpoints(service))

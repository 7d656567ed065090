"""The HTTP door of responses."""

from keepwell.domains.responses.routes import bulk, single
from keepwell.domains.responses.service import ResponseService
from keepwell.kernel.http import Endpoint


def endpoints(service: ResponseService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    return (*single.endpoints(service), *bulk.endpoints(service))

"""Keeping status pages, and what everybody sees of them."""

from keepwell.domains.checks import CheckService
from keepwell.domains.statuspages.service.keeping import KIND, RESOURCE, Keeper
from keepwell.domains.statuspages.service.public import FRESH_SECONDS, Showing
from keepwell.domains.tenants import TenantService
from keepwell.kernel import Kernel


class StatusPageService:
    """All of status pages, built once a process."""

    def __init__(self, kernel: Kernel, tenants: TenantService, checks: CheckService) -> None:
        self.keeper = Keeper(kernel)
        self.showing = Showing(kernel, tenants, checks.reader)


__all__ = ["FRESH_SECONDS", "KIND", "RESOURCE", "StatusPageService"]

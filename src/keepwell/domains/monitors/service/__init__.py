"""What this room does besides deciding: keeping monitors, telling whose a heartbeat is, importing what other programs watch."""

import msgspec

from keepwell.domains.monitors.rules.lifecycle import RESOURCE
from keepwell.domains.monitors.service.beating import Heartbeats
from keepwell.domains.monitors.service.importing import Importer
from keepwell.domains.monitors.service.keeping import Keeper, Made
from keepwell.domains.tenants import TenantService
from keepwell.kernel import Kernel


class MonitorSettings(msgspec.Struct, frozen=True):
    """`allow_private`: the monitors of all clinics may reach private, loopback and link-local addresses."""

    allow_private: bool = False


class MonitorService:
    """All of monitors, built once a process."""

    def __init__(self, kernel: Kernel, tenants: TenantService, settings: MonitorSettings) -> None:
        self.kernel = kernel
        self.tenants = tenants
        self.keeper = Keeper(kernel, private=settings.allow_private)
        self.heartbeats = Heartbeats(kernel)
        self.importer = Importer(kernel, self.keeper)


__all__ = ["RESOURCE", "Made", "MonitorService", "MonitorSettings"]

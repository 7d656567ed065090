"""Background work of programs: their instants follow the zone database."""

import structlog

from keepwell.domains.programs.service import ProgramService
from keepwell.kernel import Origin
from keepwell.kit import zones
from keepwell.kit.ids import new_id

EVERY_SECONDS = 3600.0
"""How often it is looked: the database changes with the program, a few times a year."""
_log = structlog.stdlib.get_logger("keepwell.programs")


async def recompute_instants(service: ProgramService) -> None:
    """Computes anew what comes from another zone database, and says how many programs that concerned."""
    changed = await service.recompute(Origin("worker", str(new_id()), purpose="HSYSADMIN"))
    if changed:
        _log.warning("programs.zones-changed", count=changed, version=zones.database_version())

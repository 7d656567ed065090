"""Background work of emergency access: writing down that it is over."""

from keepwell.domains.access.service import AccessService
from keepwell.kernel import Origin
from keepwell.kit.ids import new_id

EVERY_SECONDS = 30.0


async def close_lapsed(service: AccessService) -> None:
    """Ends in the record what time has ended."""
    await service.close_lapsed(Origin("worker", str(new_id()), purpose="HSYSADMIN"))

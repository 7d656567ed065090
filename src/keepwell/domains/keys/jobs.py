"""Background work of keys: noticing when one is used in another way than usual."""

from keepwell.domains.keys.service import KeyService
from keepwell.kernel import Origin
from keepwell.kit.ids import new_id

EVERY_SECONDS = 300.0


async def watch_uses(service: KeyService) -> None:
    """Tells of what became unusual of late."""
    await service.watcher.watch(Origin("worker", str(new_id()), purpose="HSYSADMIN"))

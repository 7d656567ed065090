"""Background work of the flags: roll-outs move by themselves."""

from keepwell.domains.flags.service import FlagService
from keepwell.kernel import Origin
from keepwell.kit.ids import new_id

EVERY_SECONDS = 30.0
"""How often roll-outs are looked at: what is counted comes by the minute."""


async def steer_rollouts(service: FlagService) -> None:
    """Moves every roll-out that was held long enough in health, or that fails too often."""
    await service.steer(Origin("worker", str(new_id()), purpose="HSYSADMIN"))

"""Moving roll-outs: the numbers since a step began are looked up, and what they lead to is done, as the system."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import structlog

from keepwell.domains.flags.models import Flag, Numbers, StepRollout
from keepwell.domains.flags.rules.rollouts import move
from keepwell.domains.flags.service.memory import KIND, READ, RESOURCE
from keepwell.domains.flags.store import rollouts
from keepwell.domains.tenants import operator
from keepwell.kernel import Actor, Envelope, Kernel, Origin, Permission, Read, Refused, Search
from keepwell.kernel.problems import VERSION_CONFLICT
from keepwell.kernel.seen import ERROR, ON, OUTCOMES
from keepwell.kernel.tally import Count, counts, next_bucket
from keepwell.kit.ids import NIL

_SEARCH = Permission(RESOURCE, "s")
_log = structlog.stdlib.get_logger("keepwell.flags")


async def steer(kernel: Kernel, origin: Origin) -> None:
    """Moves every roll-out of every clinic whose numbers say so. Safe beside another process that does the same.

    Raises:
        Refused: at least one could not be looked at; the others were.
    """
    refused: Refused | None = None
    search = Search(KIND, operator(NIL), origin, _SEARCH, "find-rollouts")
    for tenant, id_ in await kernel.search(search, rollouts):
        try:
            await _steer(kernel, operator(tenant), id_, origin)
        except Refused as reason:
            refused = reason
    if refused is not None:
        raise refused


async def _steer(kernel: Kernel, actor: Actor, id_: UUID, origin: Origin) -> None:
    snapshot = await kernel.read(Read(KIND, id_, actor, origin, READ, "weigh-rollout"))
    flag: Flag = snapshot.state
    rollout = flag.rollout
    if rollout is None:
        return
    since = next_bucket(OUTCOMES, rollout.since)  # the span in which the step began holds requests from before it

    async def query(connection: Any) -> list[Count]:
        return await counts(connection, OUTCOMES, since)

    numbers = _numbers(flag.key, await kernel.search(Search(KIND, actor, origin, _SEARCH, "weigh-rollout"), query))
    if move(rollout, numbers, kernel.clock.now()) is None:
        return
    [outcome] = await kernel.execute([Envelope(StepRollout(id_, numbers), actor, origin, if_match=snapshot.version)])
    if outcome.refusal is None:
        _log.info("flags.rollout-moved", tenant=actor.tenant, id=id_, version=outcome.version)
    elif outcome.refusal.type != VERSION_CONFLICT:  # somebody else was faster, or changed the flag
        raise Refused(outcome.refusal)


def _numbers(key: str, found: Iterable[Count]) -> Numbers:
    sums = dict.fromkeys(Numbers.__struct_fields__, 0)
    for count in found:
        flag, seen, outcome = count.labels
        if flag == key:
            side = "on" if seen == ON else "off"
            sums[side] += count.amount
            if outcome == ERROR:
                sums[f"{side}_errors"] += count.amount
    return Numbers(**sums)

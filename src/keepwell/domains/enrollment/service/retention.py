"""Dropping what was uploaded and is needed no more. What came of its rows stays, and so does everybody who was enrolled."""

from datetime import timedelta

from keepwell.domains.enrollment.errors import BATCH_STATUS
from keepwell.domains.enrollment.models import ForgetUpload
from keepwell.domains.enrollment.service.settings import BATCH
from keepwell.kernel import Actor, Envelope, Kernel, Origin, Refused
from keepwell.kernel.problems import NOT_FOUND

_AT_ONCE = 500


class Retention:
    """The uploads of one clinic at a time: the actor's."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def drop_uploads(self, actor: Actor, origin: Origin, kept: timedelta) -> int:
        """Drops the uploads of batches that ended longer ago than they are `kept`, and what is left of uploads that never became
        batches; how many those were. Each batch's journal says so first: what is not dropped then, is the next time.

        Raises:
            Refused: the database is out of reach.
        """
        before = self._kernel.clock.now() - kept
        found = await self._kernel.pieces.aged(actor.tenant, BATCH, before, _AT_ONCE)
        outcomes = await self._kernel.execute([Envelope(ForgetUpload(id_, before), actor, origin) for id_ in found])
        dropped = 0
        for outcome in outcomes:
            refused = None if outcome.refusal is None else outcome.refusal.type
            if refused == BATCH_STATUS:  # it is still run, or was a short while ago
                continue
            if outcome.refusal is not None and refused != NOT_FOUND:
                raise Refused(outcome.refusal)
            await self._kernel.pieces.drop(actor.tenant, BATCH, outcome.id)
            dropped += 1
        return dropped

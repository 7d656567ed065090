"""From results to states: decided in memory, stored only where nobody else decided meanwhile, else decided again."""

from collections.abc import Sequence

import structlog
from prometheus_client import Counter

from keepwell.domains.checks.models import MonitorState, Standing, Transition
from keepwell.domains.checks.rules.judging import decide
from keepwell.domains.checks.service.configurations import Configurations
from keepwell.domains.checks.store import CheckStore
from keepwell.kernel import Refused
from keepwell.kernel.problems import NOT_FOUND
from keepwell.kit.ids import new_id

TRANSITIONS = Counter("keepwell_check_transitions", "Monitors that became up, down, or unknown.", ["status"])
_ATTEMPTS = 20
_log = structlog.stdlib.get_logger("keepwell.checks")


class Judge:
    """Judges monitors. Any number of processes may judge the same at once: one of them decides."""

    def __init__(self, store: CheckStore, configurations: Configurations) -> None:
        self._store = store
        self._configurations = configurations

    async def judge(self, standings: Sequence[Standing]) -> int:
        """Brings states to what the votes say; how many transitions that made.

        Raises:
            Refused, DatabaseUnavailable: the database is out of reach; what is left to judge is found again.
        """
        made = 0
        for _ in range(_ATTEMPTS):
            decided = [each for each in [await self._decided(standing) for standing in standings] if each is not None]
            if not decided:
                return made
            won = await self._store.decide(decided)
            for standing, _, transitions in decided:
                if (standing.tenant, standing.monitor) in won:
                    made += len(transitions)
                    _count(transitions)
            lost = [(each.tenant, each.monitor) for each, _, _ in decided if (each.tenant, each.monitor) not in won]
            if not lost:
                return made
            standings = await self._store.load(lost)
        _log.warning("checks.undecided", count=len(standings))
        return made

    async def judge_left(self, most: int) -> int:
        """Judges what somebody stored and did not come to judge. As `judge`."""
        left = await self._store.unjudged(most)
        return await self.judge(await self._store.load(left)) if left else 0

    async def _decided(self, standing: Standing) -> tuple[Standing, MonitorState, list[Transition]] | None:
        """None: nothing can be concluded yet."""
        quorum = await self._quorum(standing)
        state, transitions = decide(standing.state, standing.votes, quorum, new_id, parent_down=standing.parent_down)
        return None if state == standing.state else (standing, state, transitions)

    async def _quorum(self, standing: Standing) -> int:
        try:
            monitor = await self._configurations.get(standing.tenant, standing.monitor, standing.version)
        except Refused as refused:
            if refused.refusal.type == NOT_FOUND:
                return 1
            raise
        return monitor.agreeing


def _count(transitions: Sequence[Transition]) -> None:
    for transition in transitions:
        if transition.before != transition.after:
            TRANSITIONS.labels(transition.after).inc()

"""Trying again: with pauses that double and scatter, and not for ever."""

import asyncio
import random

from keepwell.domains.enrollment.service import measures
from keepwell.domains.enrollment.service.settings import EnrollmentSettings
from keepwell.kernel.problems import UNAVAILABLE, Refusal, Refused


class Trying:
    """Counts the attempts at something. `attempt` is the one under way, from 1; it begins anew when anything was settled."""

    def __init__(self, settings: EnrollmentSettings) -> None:
        self._settings = settings
        self.attempt = 1

    async def after(self, *, settled: bool, failed: bool) -> None:
        """Waits before the next attempt where this one failed.

        Raises:
            Refused: it failed as often in a row as is tried.
        """
        if not failed:
            return
        measures.RETRIES.inc()
        if self.attempt >= self._settings.tries:
            raise Refused(Refusal(UNAVAILABLE, "It failed too often.", retry_after=10))
        first, longest = self._settings.pauses
        pause = min(longest, first * 2 ** (self.attempt - 1))
        self.attempt += 1
        await asyncio.sleep(0 if settled else random.uniform(pause / 2, pause))  # noqa: S311 - it scatters those who wait

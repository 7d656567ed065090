"""Keeps a process's keys as fresh as they have to be, and looks at once when something shows that they are not."""

import asyncio
from time import monotonic

import structlog

from keepwell.kernel.keys import FRESH_SECONDS, KeyRing
from keepwell.kernel.problems import Refused
from keepwell.kernel.read import refusal_for
from keepwell.platform.crypto import UnreadableError
from keepwell.platform.postgres import AWAY, Database
from keepwell.platform.telemetry import describe

_EVERY = FRESH_SECONDS / 2
_APART = 0.25
_log = structlog.stdlib.get_logger("keepwell.keys")


class KeyWatch:
    """One per process. Without it, whoever uses keys has to look by themselves when too long nobody did."""

    def __init__(self, database: Database, ring: KeyRing) -> None:
        self._database = database
        self._ring = ring
        self._looking = asyncio.Lock()
        self._last = float("-inf")
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Looks once, so that what is derived is known where the database is there, and goes on looking."""
        await self._try()
        self._task = asyncio.create_task(self._keep_looking(), name="key-watch")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """Returns once a look that began after this call saw all keys as they are. Looks keep a distance; many share one.

        Raises:
            Refused: the database is out of reach.
            UnreadableError: no master key given here opens the installation's keys.
        """
        asked = monotonic()
        async with self._looking:
            if self._ring.seen_at >= asked:
                return
            await asyncio.sleep(max(0.0, self._last + _APART - monotonic()))
            self._last = monotonic()
            try:
                async with self._database.connection() as connection:
                    await self._ring.refresh(connection)
            except UnreadableError:
                raise
            except Exception as error:
                refusal = refusal_for(error)
                if refusal is None:
                    raise
                raise Refused(refusal) from error

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            await self._try()

    async def _try(self) -> None:
        """One look. A database that is away, or has no such schema yet, is asked again."""
        try:
            await self.look()
        except (Refused, *AWAY) as failure:
            _log.debug("keys.not-seen", error=type(failure).__qualname__)
        except UnreadableError as error:
            _log.error("keys.not-opened", **describe(error))


__all__ = ["KeyWatch"]

"""Whether the door is open for somebody, and who still goes through it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prometheus_client import Counter

from keepwell.domains.graphql.models import SUNSET, TRANSLATIONS, Use
from keepwell.kernel import Actor, Kernel, Origin, Permission, Search
from keepwell.kernel.tally import Count, TallyKind, counts

OPERATIONS = Counter("keepwell_legacy_operations", "Queries and mutations of the GraphQL door", ["operation"])
AFTER_SUNSET = Counter("keepwell_legacy_operations_after_sunset", "Those of them after the door was to be gone", ["operation"])
USES = TallyKind("legacy-uses", width=timedelta(days=1), kept=timedelta(days=400))
"""By operation and client."""

KIND = "legacy-use"
_SEARCH = Permission("LegacyUse", "s")
_KNOW = Permission("Organization", "r")
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


class GraphQLService:
    """The old door, for those who keep it. `is_open` says whether it is for an actor."""

    def __init__(self, kernel: Kernel, is_open: Callable[[Actor], Awaitable[bool]]) -> None:
        self.kernel = kernel
        self.is_open = is_open

    def count(self, actor: Actor, operation: str) -> None:
        """Takes note of a root field that is about to be executed."""
        OPERATIONS.labels(operation).inc()
        if self.kernel.clock.now() >= SUNSET:
            AFTER_SUNSET.labels(operation).inc()
        self.kernel.tally.add(actor.tenant, USES, operation, str(actor.id))

    async def usage(self, actor: Actor, origin: Origin) -> list[Use]:
        """What is used by whom in the clinic, by operation and client.

        Raises:
            Refused: as any read.
        """

        async def query(connection: Any) -> list[Count]:
            return await counts(connection, USES, _EVER)

        return [_use(count) for count in await self.kernel.search(Search(KIND, actor, origin, _SEARCH), query)]

    async def admit(self, actor: Actor, origin: Origin) -> None:
        """Lets somebody ask about the schema alone, which nothing else would check.

        Raises:
            Refused: the session has ended, or the database is out of reach.
        """
        await self.kernel.search(Search(KIND, actor, origin, _KNOW, "introspect"), _nothing)


async def _nothing(_connection: Any) -> None:
    """A search for the sake of its permission."""


def _use(count: Count) -> Use:
    operation, client = count.labels
    replaced_by = TRANSLATIONS[operation].replaced_by if operation in TRANSLATIONS else ""
    return Use(operation, UUID(client), count.amount, count.first_at, count.last_at, replaced_by)

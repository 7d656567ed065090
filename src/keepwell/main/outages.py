"""What it means to a caller that a part we need is away."""

import asyncpg

from keepwell.kernel.problems import UNAVAILABLE, Refusal
from keepwell.platform.postgres import DatabaseUnavailable

_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    ConnectionError,
    TimeoutError,
)


def outages(error: Exception) -> Refusal | None:
    """What a caller is told when a part we need is away; None when the exception means something else."""
    if isinstance(error, DatabaseUnavailable):
        words = "All database connections are busy." if error.reason == "exhausted" else "The database cannot be reached."
        return Refusal(UNAVAILABLE, words, retry_after=error.retry_after)
    if isinstance(error, _LOST):
        return Refusal(UNAVAILABLE, "The connection to the database was lost.", retry_after=2)
    return None

"""The ASGI application of one process: the rooms' routes, health, metrics, and the door's own pages."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version

import asyncpg

from keepwell.kernel.http import Door, Endpoint, Limits, Pages, Socket
from keepwell.kernel.problems import UNAVAILABLE, Refusal
from keepwell.main.checks import Checks
from keepwell.main.exposition import Exposition
from keepwell.main.health import Readiness
from keepwell.main.parts import Parts
from keepwell.main.rooms import PROBLEMS, SHAPES, TAGS
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


def application(parts: Parts, exposition: Exposition | None = None) -> Door:
    """The application. Its lifespan opens the parts and, at shutdown, waits for what was accepted and closes them."""
    return _door(parts, exposition or Exposition(), parts.rooms.endpoints(), parts.rooms.sockets())


def watched(parts: Parts) -> Door:
    """Health and metrics alone, for a process that serves no callers. Its lifespan is that of the application."""
    return _door(parts, Exposition(), ())


def _door(parts: Parts, exposition: Exposition, endpoints: tuple[Endpoint, ...], sockets: tuple[Socket, ...] = ()) -> Door:
    own = (*Readiness(Checks(parts).by_name()).endpoints(), exposition.endpoint())

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncGenerator[None]:
        async with parts.running(), exposition.answering():
            yield

    return Door(
        parts.kernel,
        parts.rooms.authenticate,
        Pages((*endpoints, *own), PROBLEMS, version("keepwell"), TAGS).endpoints,
        outages=outages,
        lifespan=lifespan,
        shapes=SHAPES,
        sockets=sockets,
        limits=Limits(parts.settings.gather_queue, parts.settings.body_limit_bytes, parts.settings.cors_origins),
    )

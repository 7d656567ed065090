"""The ASGI application of one process: the rooms' routes, health, metrics, and the door's own pages."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version

from keepwell.kernel.http import Credentials, Door, Endpoint, ErrorShape, Limits, Pages, Socket
from keepwell.main.checks import Checks
from keepwell.main.exposition import Exposition
from keepwell.main.health import Readiness
from keepwell.main.outages import outages
from keepwell.main.parts import Parts
from keepwell.main.rooms import PROBLEMS, TAGS


def application(parts: Parts, exposition: Exposition | None = None) -> Door:
    """The application. Its lifespan opens the parts and, at shutdown, waits for what was accepted and closes them."""
    rooms = parts.rooms
    return _door(parts, exposition or Exposition(), rooms.endpoints(), rooms.sockets(), rooms.shapes())


def watched(parts: Parts) -> Door:
    """Health and metrics alone, for a process that serves no callers. Its lifespan is that of the application."""
    return _door(parts, Exposition(), ())


def _door(
    parts: Parts,
    exposition: Exposition,
    endpoints: tuple[Endpoint, ...],
    sockets: tuple[Socket, ...] = (),
    shapes: Mapping[str, ErrorShape] = {},
) -> Door:
    own = (*Readiness(Checks(parts).by_name()).endpoints(), exposition.endpoint())

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncGenerator[None]:
        async with parts.running(), exposition.answering():
            yield

    return Door(
        parts.kernel,
        Credentials(parts.rooms.authenticate, parts.rooms.identity.cookies),
        Pages((*endpoints, *own), PROBLEMS, version("keepwell"), TAGS).endpoints,
        outages=outages,
        lifespan=lifespan,
        sockets=sockets,
        shapes=shapes,
        limits=_limits(parts),
    )


def _limits(parts: Parts) -> Limits:
    settings = parts.settings
    return Limits(settings.gather_queue, settings.body_limit_bytes, settings.cors_origins, parts.rates)

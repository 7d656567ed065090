"""The doors of live rooms: Server-Sent Events to follow, a WebSocket to take part."""

from collections.abc import Callable
from datetime import datetime

from keepwell.domains.live.routes import events, room
from keepwell.domains.live.service import LiveService
from keepwell.kernel import Actor
from keepwell.kernel.http import Endpoint, Socket

Presenter = Callable[[str], tuple[Actor, datetime]]
"""The value of an Authorization header to the actor it proves, and the instant until which it does. Raises `Refused`."""


def endpoints(service: LiveService, present: Presenter) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    return events.endpoints(service, present)


def sockets(service: LiveService, present: Presenter) -> tuple[Socket, ...]:
    """Every WebSocket of the room."""
    return room.sockets(service, present)

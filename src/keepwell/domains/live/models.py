"""The nouns of a live room: who sits in it, what is said there, and within which bounds."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from keepwell.kernel import Actor, Origin

SNAPSHOT, CHANGED, SUBMITTED, AMENDED, VOIDED = "snapshot", "changed", "submitted", "amended", "voided"
PRESENCE, TYPING, FOCUS, PROBLEM, ACK = "presence", "typing", "focus", "problem", "ack"


class LiveSettings(msgspec.Struct, frozen=True):
    """The bounds of live rooms. `capacity` counts the connections in one room, `connections` those of this process in all rooms.

    Seconds: a socket that says nothing for `idle` is closed; whoever takes nothing for `stall` is let go; a seat lapses `seat`
    after its process was heard of last, which says so every `beat`. A connection may send `pace` messages a second, and twice
    as many at once. What waits for somebody are at most `backlog` messages of `backlog_bytes` in all: beyond, what they miss is
    made up for by a fresh snapshot.
    """

    capacity: int = 50
    connections: int = 10_000
    idle: float = 300.0
    stall: float = 30.0
    beat: float = 5.0
    seat: int = 15
    pace: float = 50.0
    backlog: int = 64
    backlog_bytes: int = 262_144


class Viewer(msgspec.Struct, frozen=True):
    """Who wants to sit in a room. `until` is when their credentials end. `speaks`: the connection goes both ways."""

    actor: Actor
    origin: Origin
    until: datetime
    speaks: bool


class Seat(msgspec.Struct, frozen=True):
    """One connection in a room, as the others see it. `focus` is the address of the item its person is at."""

    connection: UUID
    actor: UUID
    role: str
    since: datetime
    focus: str | None = None


class Presence(msgspec.Struct, frozen=True):
    """Everybody in the room, in the order they came."""

    members: list[Seat]


class At(msgspec.Struct, frozen=True):
    """The item somebody is at or types in; None: at none any more. `left` is the item they were at before."""

    connection: UUID
    linkId: str | None  # noqa: N815 - FHIR's own name
    left: str | None = None


class Version(msgspec.Struct, frozen=True):
    """How far the response is: all that is told to who may not read it."""

    version: int


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something said in a room, before it is addressed to anybody: each connection gives it an `id` of its own."""

    type: str
    at: datetime
    data: Any
    actor: UUID | None = None


class Frame(NamedTuple):
    """A message on its way to one connection: its id, its type, and the whole of it as JSON."""

    id: str
    type: str
    text: str

"""The nouns of this room: programs, and the period in which each takes people."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from keepwell.domains.uploads import Mapping
from keepwell.kernel.envelope import Command

Window = Literal["program", "participant"]
"""Whose clocks count: those of the program's zone, or those of each person's own."""


class Period(msgspec.Struct, frozen=True):
    """From when to when: local dates or date-times, as they were said, and the zone they are in. A date in `closes` includes
    that whole day. With the window `participant` they are meant in each person's own zone, and in this one for who has none.
    """

    opens: str
    closes: str
    time_zone: str
    window: Window = "program"


class Program(msgspec.Struct, frozen=True):
    """A program. `opens_at` and `closes_at` (the first instant it is closed) follow from the period and the zone database.

    `told_until` is the last of these instants of which it was told that it came.
    """

    id: UUID
    name: str
    period: Period
    opens_at: datetime
    closes_at: datetime
    zones: str
    mapping: Mapping = Mapping()
    told_until: datetime | None = None


class CreateProgram(Command, frozen=True):
    """Begins a program."""

    name: str
    period: Period
    mapping: Mapping = Mapping()


class Changes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a program; what is not set stays."""

    name: str | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET
    opens: str | UnsetType = UNSET
    closes: str | UnsetType = UNSET
    window: Window | UnsetType = UNSET
    mapping: Mapping | UnsetType = UNSET


class ChangeProgram(Command, frozen=True):
    """Changes a program in what is set."""

    changes: Changes


class RecomputeProgram(Command, frozen=True):
    """Computes the instants anew, with the zone database there is now."""


class TellProgram(Command, frozen=True):
    """Tells that the program opened or closed, of each instant once."""


class ProgramSet(msgspec.Struct, frozen=True, tag="set"):
    """A program was made, or changed."""

    id: UUID
    name: str
    period: Period
    opens_at: datetime
    closes_at: datetime
    zones: str
    mapping: Mapping = Mapping()


class InstantsRecomputed(msgspec.Struct, frozen=True, tag="recomputed"):
    """Another zone database gave these instants; `moved` says whether they are other ones."""

    opens_at: datetime
    closes_at: datetime
    zones: str
    moved: bool


class ProgramOpened(msgspec.Struct, frozen=True, tag="opened"):
    """It takes people since then."""

    at: datetime


class ProgramClosed(msgspec.Struct, frozen=True, tag="closed"):
    """It takes nobody any more since then."""

    at: datetime


ProgramEvent = ProgramSet | InstantsRecomputed | ProgramOpened | ProgramClosed


class ProgramView(msgspec.Struct, frozen=True):
    """A program as callers see it. `zones` is the version of the zone database that the instants come from."""

    id: UUID
    name: str
    time_zone: str
    opens: str
    closes: str
    window: Window
    opens_at: datetime
    closes_at: datetime
    zones: str
    mapping: Mapping
    version: int
    created_at: datetime
    updated_at: datetime

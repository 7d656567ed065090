"""What the routes of programs take and give."""

from typing import Annotated

import msgspec
from msgspec import Meta

from keepwell.domains.programs.models import ProgramView, Window
from keepwell.domains.uploads import Mapping

_Text = Annotated[str, Meta(max_length=500)]


class NewProgram(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A program to begin. `opens` and `closes` are local dates or date-times in `time_zone`."""

    name: _Text
    time_zone: _Text
    opens: _Text
    closes: _Text
    window: Window = "program"
    mapping: Mapping = Mapping()


class ProgramList(msgspec.Struct, frozen=True):
    """Programs, the newest first."""

    items: list[ProgramView]
    next: str | None

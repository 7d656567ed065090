"""What requests about emergency access carry, and what is answered."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from keepwell.domains.access.models import EmergencyView
from keepwell.domains.identity import Pair
from keepwell.kernel.http import Part

Text = Annotated[str, Meta(max_length=4_000)]


class EmergencyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why more is needed, for how many minutes, and for whom, where it is for one person."""

    reason: Text
    minutes: int = 30
    purpose: Literal["ETREAT"] = "ETREAT"
    patient: Annotated[str, Meta(pattern=r"^Patient/[A-Za-z0-9.-]{1,64}$")] | None = None


class EmergencyGranted(Pair, frozen=True, kw_only=True):
    """Tokens of a session of its own; what is done with them is marked."""

    break_glass: EmergencyView


class ReviewRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was found."""

    finding: Text
    justified: bool = True


class EmergencyPart(Part, frozen=True, forbid_unknown_fields=True):
    """Which ones, and which part of the list."""

    reviewed: bool | None = None


class EmergencyList(msgspec.Struct, frozen=True):
    """Times of emergency access, the newest first."""

    items: list[EmergencyView]
    next: str | None

"""A vendor: what it is given of health information, whom to call there, and what was signed."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

import msgspec

from keepwell.kernel.envelope import Command

AgreementKind = Literal["BAA", "other"]
"""A business associate agreement (45 CFR 164.504(e)), or any other contract; only the first lets health information out."""


class Agreement(msgspec.Struct, frozen=True):
    """What was signed. Both days belong to it; without `valid_until` it holds until another one is recorded or the vendor ends.
    `document` says where the signed paper is.
    """

    id: UUID
    kind: AgreementKind
    valid_from: date
    valid_until: date | None
    document: str


class Vendor(msgspec.Struct, frozen=True):
    """`touches` says what of health information the vendor is given; nothing: none."""

    name: str
    touches: tuple[str, ...]
    contact: str
    registered_at: datetime
    agreements: tuple[Agreement, ...] = ()
    ended_at: datetime | None = None
    end_reason: str = ""


class RegisterVendor(Command, frozen=True):
    """The clinic begins to work with a vendor."""

    name: str
    touches: tuple[str, ...]
    contact: str = ""


class ChangeVendor(Command, frozen=True):
    """Changes what is given, leaves what is None."""

    name: str | None = None
    touches: tuple[str, ...] | None = None
    contact: str | None = None


class AddAgreement(Command, frozen=True):
    """Something was signed. `agreement` is the id it is given."""

    agreement: UUID
    kind: AgreementKind
    valid_from: date
    valid_until: date | None
    document: str


class EndVendor(Command, frozen=True):
    """The clinic no longer works with it."""

    reason: str


class VendorRegistered(msgspec.Struct, frozen=True, tag="vendor-registered"):
    """The first entry of a vendor."""

    name: str
    touches: tuple[str, ...]
    contact: str
    at: datetime


class VendorChanged(msgspec.Struct, frozen=True, tag="vendor-changed"):
    """What is known of it is this now."""

    name: str
    touches: tuple[str, ...]
    contact: str


class AgreementAdded(msgspec.Struct, frozen=True, tag="vendor-agreement-added"):
    """Something was signed."""

    agreement: Agreement


class VendorEnded(msgspec.Struct, frozen=True, tag="vendor-ended"):
    """It is given nothing any more."""

    reason: str
    at: datetime


VendorEvent = VendorRegistered | VendorChanged | AgreementAdded | VendorEnded


class VendorView(msgspec.Struct, frozen=True):
    """A vendor as callers see it. `covered_until` is the last day on which what was signed allows it to have health information:
    null when nothing does.
    """

    id: UUID
    name: str
    touches: tuple[str, ...]
    contact: str
    agreements: tuple[Agreement, ...]
    covered_until: date | None
    active: bool
    registered_at: datetime
    ended_at: datetime | None
    end_reason: str
    version: int

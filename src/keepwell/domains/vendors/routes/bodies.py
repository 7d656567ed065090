"""What requests about vendors carry, and the lists they get."""

from datetime import date
from typing import Annotated

import msgspec
from msgspec import Meta

from keepwell.domains.vendors.models import AgreementKind, VendorView
from keepwell.kernel.http import Part

Text = Annotated[str, Meta(max_length=2_000)]
Touches = Annotated[tuple[Annotated[str, Meta(max_length=200)], ...], Meta(max_length=100)]


class VendorRegistration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A vendor, and what of health information it is given."""

    name: Text
    touches: Touches
    contact: Text = ""


class VendorChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is given changes, the rest stays."""

    name: Text | None = None
    touches: Touches | None = None
    contact: Text | None = None


class NewAgreement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was signed. Both days belong to it; without `valid_until` it has no end."""

    valid_from: date
    valid_until: date | None = None
    kind: AgreementKind = "BAA"
    document: Text = ""


class VendorEnd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why."""

    reason: Text


class ExpiringPart(Part, frozen=True):
    """As `Part`; within how many days."""

    days: Annotated[int, Meta(ge=0, le=3_650)] = 60


class VendorList(msgspec.Struct, frozen=True):
    """Vendors."""

    items: list[VendorView]
    next: str | None

"""What the document shows of this room's routes: a vendor from its registration to its end."""

from datetime import UTC, date, datetime
from uuid import UUID

from msgspec.structs import replace

from keepwell.domains.vendors.errors import INVALID_VENDOR
from keepwell.domains.vendors.models import Agreement, VendorView
from keepwell.domains.vendors.routes.bodies import NewAgreement, VendorChange, VendorEnd, VendorList, VendorRegistration
from keepwell.kernel.http import Example
from keepwell.kernel.problems import Fault, Refusal

_AT = datetime(2026, 9, 15, 11, 0, tzinfo=UTC)
_VENDOR = VendorView(
    id=UUID("01994fe8-2c60-7e73-a1d9-6b0f4c8e5d27"),
    name="Parcel Pharmacy",
    touches=("names and addresses", "prescriptions"),
    contact="privacy@pharmacy.example",
    agreements=(),
    covered_until=None,
    active=True,
    registered_at=_AT,
    ended_at=None,
    end_reason="",
    version=1,
)
_AGREEMENT = Agreement(
    UUID("01994fe9-0a31-7b48-9c57-3e1d6f2a8b04"), "BAA", date(2026, 10, 1), date(2028, 9, 30), "contracts/2026/17.pdf"
)
_CHANGED = replace(_VENDOR, contact="dpo@pharmacy.example", version=2)
_SIGNED = replace(_CHANGED, agreements=(_AGREEMENT,), covered_until=_AGREEMENT.valid_until, version=3)
_ENDED = replace(_SIGNED, covered_until=None, active=False, ended_at=_AT, end_reason="We changed pharmacies.", version=4)

REGISTER = Example(
    VendorRegistration(_VENDOR.name, _VENDOR.touches, _VENDOR.contact),
    _VENDOR,
    (Refusal(INVALID_VENDOR, faults=(Fault("/name", "name-length", "Use 1 to 200 printable characters."),)),),
)
PAGE = Example(answer=VendorList([_VENDOR], None))
SHOW = Example(answer=_VENDOR)
CHANGE = Example(VendorChange(contact=_CHANGED.contact), _CHANGED)
AGREE = Example(NewAgreement(_AGREEMENT.valid_from, _AGREEMENT.valid_until, document=_AGREEMENT.document), _SIGNED)
END = Example(VendorEnd(_ENDED.end_reason), _ENDED)

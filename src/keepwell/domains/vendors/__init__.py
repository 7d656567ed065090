"""Vendors that touch health information, and the agreements that allow it; a call to one without an agreement is refused."""

from keepwell.domains.vendors.errors import VENDOR_WITHOUT_AGREEMENT
from keepwell.domains.vendors.models import (
    AddAgreement,
    ChangeVendor,
    EndVendor,
    RegisterVendor,
    Vendor,
    VendorEvent,
    VendorView,
)
from keepwell.domains.vendors.rules import (
    decide_agreement,
    decide_change,
    decide_end,
    decide_register,
    evolve,
    guard_active,
    view,
)
from keepwell.domains.vendors.service import KIND, RESOURCE, VendorService
from keepwell.domains.vendors.store import LOOKUP
from keepwell.kernel.aggregate import Aggregate, CommandType
from keepwell.kernel.permissions import Permission

_UPDATE = Permission(RESOURCE, "u")

AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        kind=KIND,
        resource=RESOURCE,
        state=Vendor,
        event=VendorEvent,
        evolve=evolve,
        view=view,
        commands=(
            CommandType(
                "vendors.register", RegisterVendor, Permission(RESOURCE, "c"), decide_register, creates=True, guarded=False
            ),
            CommandType("vendors.change", ChangeVendor, _UPDATE, decide_change, guard=guard_active),
            CommandType(
                "vendors.add-agreement",
                AddAgreement,
                _UPDATE,
                decide_agreement,
                guard=guard_active,
                guarded=False,
                made_by_door=("agreement",),
            ),
            CommandType("vendors.end", EndVendor, Permission(RESOURCE, "d"), decide_end, guarded=False),
        ),
        lookup=LOOKUP,
    ),
)

__all__ = ["AGGREGATES", "VENDOR_WITHOUT_AGREEMENT", "VendorService", "VendorView"]

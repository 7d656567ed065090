"""The HTTP door of vendors."""

from keepwell.domains.vendors.errors import INVALID_VENDOR, VENDOR_ENDED, VENDOR_REGISTERED
from keepwell.domains.vendors.models import (
    AddAgreement,
    ChangeVendor,
    EndVendor,
    RegisterVendor,
    VendorView,
)
from keepwell.domains.vendors.routes import examples
from keepwell.domains.vendors.routes.bodies import (
    ExpiringPart,
    NewAgreement,
    VendorChange,
    VendorEnd,
    VendorList,
    VendorRegistration,
)
from keepwell.domains.vendors.service import VendorService
from keepwell.kernel.http import Answer, Call, Endpoint, Part, answer, page_of, part_of
from keepwell.kit.ids import new_id

_TAG = "Vendors"


class _Vendors:
    def __init__(self, service: VendorService) -> None:
        self._service = service

    async def register(self, call: Call) -> Answer:
        body: VendorRegistration = call.body
        outcome = await call.execute(RegisterVendor(new_id(), body.name, body.touches, body.contact))
        return answer(outcome, 201, f"/v1/vendors/{outcome.id}")

    async def page(self, call: Call) -> Answer:
        part: Part = call.query
        found = await self._service.page(call.actor, call.origin, part.cursor, part.limit + 1)
        return Answer(200, VendorList(*page_of(found, part.limit, lambda one: one.id)))

    async def expiring(self, call: Call) -> Answer:
        part: ExpiringPart = call.query
        found = await self._service.expiring(call.actor, call.origin, part.days)
        return Answer(200, VendorList(*part_of(found, lambda vendor: vendor.id, part.limit, part.cursor)))

    async def show(self, call: Call) -> Answer:
        vendor = await self._service.get(call.actor, call.id, call.origin)
        return Answer(200, vendor, {"etag": f'"{vendor.version}"'})

    async def change(self, call: Call) -> Answer:
        body: VendorChange = call.body
        return answer(await call.execute(ChangeVendor(call.id, body.name, body.touches, body.contact)))

    async def agree(self, call: Call) -> Answer:
        body: NewAgreement = call.body
        command = AddAgreement(call.id, new_id(), body.kind, body.valid_from, body.valid_until, body.document)
        return answer(await call.execute(command))

    async def end(self, call: Call) -> Answer:
        return answer(await call.execute(EndVendor(call.id, call.body.reason)))


def endpoints(service: VendorService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    vendors = _Vendors(service)
    return (*_reads(vendors), *_changes(vendors))


def _reads(vendors: _Vendors) -> tuple[Endpoint, ...]:
    described = (
        ("/v1/vendors", vendors.page, "List the clinic's vendors, the newest first", Part, examples.PAGE),
        (
            "/v1/vendors/expiring",
            vendors.expiring,
            "List vendors whose agreement ends within days, has ended, or never was",
            ExpiringPart,
            examples.PAGE,
        ),
    )
    lists = tuple(
        Endpoint("GET", path, handler, summary, _TAG, query=query, answers={200: VendorList}, compressed=True, example=example)
        for path, handler, summary, query, example in described
    )
    shown = Endpoint(
        "GET",
        "/v1/vendors/{id}",
        vendors.show,
        "Show a vendor with its agreements",
        _TAG,
        answers={200: VendorView},
        etag=True,
        compressed=True,
        example=examples.SHOW,
    )
    return (*lists, shown)


def _changes(vendors: _Vendors) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/vendors",
            vendors.register,
            "Register a vendor that touches health information",
            _TAG,
            body=VendorRegistration,
            answers={201: VendorView},
            problems=(INVALID_VENDOR, VENDOR_REGISTERED),
            etag=True,
            compressed=True,
            example=examples.REGISTER,
        ),
        Endpoint(
            "PATCH",
            "/v1/vendors/{id}",
            vendors.change,
            "Change what is known of a vendor",
            _TAG,
            body=VendorChange,
            answers={200: VendorView},
            problems=(INVALID_VENDOR, VENDOR_ENDED, VENDOR_REGISTERED),
            guarded=True,
            etag=True,
            compressed=True,
            example=examples.CHANGE,
        ),
        Endpoint(
            "POST",
            "/v1/vendors/{id}/agreements",
            vendors.agree,
            "Record an agreement that was signed with a vendor",
            _TAG,
            body=NewAgreement,
            answers={200: VendorView},
            problems=(INVALID_VENDOR, VENDOR_ENDED),
            etag=True,
            compressed=True,
            example=examples.AGREE,
        ),
        Endpoint(
            "POST",
            "/v1/vendors/{id}/end",
            vendors.end,
            "Say that the clinic no longer works with a vendor",
            _TAG,
            body=VendorEnd,
            answers={200: VendorView},
            etag=True,
            compressed=True,
            example=examples.END,
        ),
    )

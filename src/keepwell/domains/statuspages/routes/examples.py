"""What the document shows of this room's routes: a page from its making to its end."""

from datetime import UTC, date, datetime
from uuid import UUID

from msgspec.structs import replace

from keepwell.domains.statuspages.errors import INVALID_STATUS_PAGE
from keepwell.domains.statuspages.models import Component, Day, Outage, PublicComponent, PublicPage, StatusPageView
from keepwell.domains.statuspages.routes.bodies import NewStatusPage, StatusPageChange, StatusPageList
from keepwell.kernel.http import Example
from keepwell.kernel.problems import Fault, Refusal

_AT = datetime(2026, 9, 15, 11, 0, tzinfo=UTC)
_COMPONENT = Component(UUID("01994fe8-2c60-7e73-a1d9-6b0f4c8e5d31"), "Booking of appointments", "For patients")
_PAGE = StatusPageView(
    id=UUID("01994fe8-2c60-7e73-a1d9-6b0f4c8e5d32"),
    slug="services",
    title="Our services",
    description="How they are now.",
    time_zone="Europe/Berlin",
    components=(),
    published=False,
    version=1,
)
_CHANGED = replace(_PAGE, published=True, version=2)
_PUBLIC = PublicPage(
    title=_PAGE.title,
    description=_PAGE.description,
    status="operational",
    updated_at=_AT,
    time_zone=_PAGE.time_zone,
    components=(
        PublicComponent(
            _COMPONENT.name,
            _COMPONENT.group,
            "operational",
            _AT,
            0.9993,
            (Day(date(2026, 9, 14), 0.998), Day(date(2026, 9, 15), 1.0)),
        ),
    ),
    outages=(Outage(_COMPONENT.name, datetime(2026, 9, 14, 9, 2, tzinfo=UTC), datetime(2026, 9, 14, 9, 5, tzinfo=UTC)),),
)

CREATE = Example(
    NewStatusPage(_PAGE.slug, _PAGE.title, _PAGE.description, _PAGE.time_zone, _PAGE.components),
    _PAGE,
    (
        Refusal(
            INVALID_STATUS_PAGE,
            faults=(Fault("/slug", "slug", "Use 1 to 64 of a-z, 0-9 and -, neither beginning nor ending with -."),),
        ),
    ),
)
PAGE = Example(answer=StatusPageList([_PAGE], None))
SHOW = Example(answer=_PAGE)
CHANGE = Example(StatusPageChange(published=True), _CHANGED)
PUBLIC = Example(answer=_PUBLIC)

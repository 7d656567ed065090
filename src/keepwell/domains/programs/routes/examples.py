"""What the document shows of this room's routes: one programme for a spring, in Tokyo."""

from datetime import UTC, datetime
from uuid import UUID

from keepwell.domains.programs.models import Changes, ProgramView
from keepwell.domains.programs.routes.bodies import NewProgram, ProgramList
from keepwell.domains.uploads import Mapping
from keepwell.kernel.http import Example

_NEW = NewProgram("Spring cohort", "Asia/Tokyo", "2026-03-01", "2036-05-31")
_SEEN = ProgramView(
    id=UUID("01994fb2-6a1d-7c30-8b52-0e7f4a9c1d63"),
    name=_NEW.name,
    time_zone=_NEW.time_zone,
    opens=_NEW.opens,
    closes=_NEW.closes,
    window="program",
    opens_at=datetime(2026, 2, 28, 15, 0, tzinfo=UTC),
    closes_at=datetime(2036, 5, 31, 15, 0, tzinfo=UTC),
    zones="2026.1",
    mapping=Mapping(),
    version=1,
    created_at=datetime(2026, 2, 1, 9, 0, tzinfo=UTC),
    updated_at=datetime(2026, 2, 1, 9, 0, tzinfo=UTC),
)

CREATE = Example(body=_NEW, answer=_SEEN)
SHOW = Example(answer=_SEEN)
PAGE = Example(answer=ProgramList([_SEEN], None))
CHANGE = Example(body=Changes(closes="2036-05-31"), answer=_SEEN)

"""What the document shows of this room's routes: an incident from a leaked key to its end."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from keepwell.domains.incidents.models import (
    ImpactDescribed,
    Incident,
    IncidentAcknowledged,
    IncidentAssigned,
    IncidentEvent,
    IncidentOpened,
    IncidentResolved,
    IncidentView,
    NoteAdded,
    SeverityChanged,
    Times,
)
from keepwell.domains.incidents.routes.bodies import Assignment, IncidentList, IncidentTimes, Judgement, Note, Remark
from keepwell.domains.incidents.rules.lifecycle import evolve, view
from keepwell.domains.incidents.rules.postmortem import postmortem
from keepwell.kernel.envelope import Snapshot
from keepwell.kernel.http import Example
from keepwell.kit.ids import NIL

_ID = UUID("01994fb1-6c04-7b52-8e19-3f7a5d0c2b96")
_KEY = UUID("01994fa8-10f2-7d35-9b40-6e8c1a7d2f53")
_PERSON = UUID("01994f3c-5b07-7c66-8f0d-91d2a0c6b3f4")
_COLLEAGUE = UUID("01994f40-2a91-7f08-b3c5-6d7e1a0c4f82")
_AT = datetime(2026, 9, 15, 10, 0, tzinfo=UTC)


def _view(*events: IncidentEvent) -> IncidentView:
    state: Incident | None = None
    for event in events:
        state = evolve(state, event)
    return view(Snapshot("incident", _ID, len(events), state, _AT, _AT, b""))


_TOLD = f"Key 'Import at night' of account {_KEY} was revoked. Reported by an operator."
_OPENED = IncidentOpened(f"api-key/{_KEY}", "critical", "A key was found where it must not be", _TOLD, "docs/keys.md", NIL, _AT)
_TAKEN = IncidentAcknowledged("On it.", _PERSON, _AT + timedelta(minutes=4))
_NOTED = NoteAdded("The key was in a test fixture.", _PERSON, _AT + timedelta(minutes=9))
_OVER = IncidentResolved("Replaced; nothing else was done with it.", _PERSON, _AT + timedelta(minutes=30))
_GIVEN = IncidentAssigned(_COLLEAGUE, "Knows the import.", _PERSON, _AT + timedelta(minutes=12))
_JUDGED = SeverityChanged("warning", "It was a key of the test clinic.", _PERSON, _AT + timedelta(minutes=14))
_HURT = ImpactDescribed("No request of anybody else; 0 records seen.", _PERSON, _AT + timedelta(minutes=20))

PAGE = Example(answer=IncidentList([_view(_OPENED)], None))
SHOW = Example(answer=_view(_OPENED))
ACKNOWLEDGE = Example(Remark(_TAKEN.text), _view(_OPENED, _TAKEN))
NOTE = Example(Note(_NOTED.text), _view(_OPENED, _TAKEN, _NOTED))
ASSIGN = Example(Assignment(_COLLEAGUE, _GIVEN.text), _view(_OPENED, _TAKEN, _NOTED, _GIVEN))
SEVERITY = Example(Judgement("warning", _JUDGED.text), _view(_OPENED, _TAKEN, _NOTED, _GIVEN, _JUDGED))
IMPACT = Example(Note(_HURT.text), _view(_OPENED, _TAKEN, _NOTED, _GIVEN, _JUDGED, _HURT))
POSTMORTEM = Example(answer=postmortem(_view(_OPENED, _TAKEN, _NOTED, _GIVEN, _JUDGED, _HURT, _OVER)))
TIMES = Example(answer=IncidentTimes(30, [Times("critical", 3, 3, 2, 140.5, 1260.0)]))
RESOLVE = Example(Remark(_OVER.text), _view(_OPENED, _TAKEN, _NOTED, _GIVEN, _JUDGED, _HURT, _OVER))

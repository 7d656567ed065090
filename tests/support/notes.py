"""A small room for tests of the command path: notes that are written, changed and closed, and sessions to act under."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from keepwell.kernel import (
    Actor,
    Aggregate,
    Catalog,
    Command,
    CommandType,
    Context,
    Decision,
    Envelope,
    Lookup,
    Origin,
    Permission,
    ProblemType,
    Reference,
    Refusal,
    Snapshot,
)
from keepwell.kit.ids import new_id

CLOSED = ProblemType("note-closed", 409, "The note is closed", "Write another one.")
TITLE_TAKEN = ProblemType("title-taken", 409, "The title is taken", "Choose another one.")
TENANT = UUID(int=1)
OTHER_TENANT = UUID(int=2)


class Note(msgspec.Struct, frozen=True):
    title: str
    fields: dict[str, str]
    subject: str | None = None
    closed: bool = False


class Written(msgspec.Struct, frozen=True, tag="written"):
    title: str
    subject: str | None


class Changed(msgspec.Struct, frozen=True, tag="changed"):
    fields: dict[str, str | None]


class Closed(msgspec.Struct, frozen=True, tag="closed"):
    pass


class WriteNote(Command, frozen=True):
    title: str
    subject: str | None = None
    beside: UUID | None = None


class ChangeNote(Command, frozen=True):
    fields: dict[str, str | None]


class KeepNote(Command, frozen=True):
    title: str


class CloseNote(Command, frozen=True):
    pass


class Session(msgspec.Struct, frozen=True):
    until: datetime


class Began(msgspec.Struct, frozen=True, tag="began"):
    until: datetime


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    pass


class Begin(Command, frozen=True):
    until: datetime


class End(Command, frozen=True):
    pass


def evolve(state: Note | None, event: Written | Changed | Closed) -> Note:
    if isinstance(event, Written):
        return Note(event.title, {}, event.subject)
    assert state is not None
    if isinstance(event, Closed):
        return msgspec.structs.replace(state, closed=True)
    merged = {**state.fields, **event.fields}
    return msgspec.structs.replace(state, fields={key: value for key, value in merged.items() if value is not None})


FAULTY = "a title that no note may have"
_FAULTY_NOTE = ProblemType("faulty-note", 422, "No such title", "Choose another title.", kept=False)


def write(_: None, command: WriteNote, context: Context) -> Decision:
    if command.title == FAULTY:
        return Refusal(_FAULTY_NOTE)
    if command.beside is not None and ("note", command.beside) not in context.references:
        return Refusal(ProblemType("no-such-neighbour", 422, "No such note", "Name one that exists."))
    return (Written(command.title, command.subject),)


def open_only(state: Note, _command: object, _context: Context) -> Refusal | None:
    return Refusal(CLOSED) if state.closed else None


def change(_: Note, command: ChangeNote, _context: Context) -> Decision:
    if "explode" in command.fields:
        raise RuntimeError("a bug in a room, holding the value secret-value")
    return (Changed(command.fields),) if command.fields else ()


def keep(state: Note | None, command: KeepNote, _context: Context) -> Decision:
    return (Written(command.title, None),) if state is None else (Changed({"kept as": command.title}),)


def close(_: Note, _command: CloseNote, _context: Context) -> Decision:
    return (Closed(),)


def view(snapshot: Snapshot) -> dict[str, Any]:
    note: Note = snapshot.state
    return {"id": snapshot.id, "version": snapshot.version, "title": note.title, "fields": note.fields, "closed": note.closed}


def row(snapshot: Snapshot, blind: Callable[[str], bytes]) -> tuple[Any, ...]:
    return (blind(snapshot.state.title), snapshot.state.closed)


def beside(_: Note | None, command: WriteNote) -> tuple[Reference, ...]:
    return () if command.beside is None else (Reference("note", command.beside),)


NOTES = Aggregate(
    kind="note",
    resource="Note",
    state=Note,
    event=Written | Changed | Closed,
    evolve=evolve,
    view=view,
    commands=(
        CommandType("notes.write", WriteNote, Permission("Note", "c"), write, creates=True, guarded=False, references=beside),
        CommandType("notes.change", ChangeNote, Permission("Note", "u"), change, guard=open_only),
        CommandType("notes.keep", KeepNote, Permission("Note", "u"), keep, begins=True),
        CommandType("notes.close", CloseNote, Permission("Note", "u"), close, guard=open_only, guarded=False),
    ),
    lookup=Lookup("note", {"title_index": "bytea", "closed": "boolean"}, row, {"note_title": TITLE_TAKEN}),
    subject=lambda state: state.subject,
    announced=True,
)


def session_evolve(_: Session | None, event: Began | Ended) -> Session:
    return Session(event.until if isinstance(event, Began) else datetime.fromtimestamp(0, UTC))


def end(_: Session, _command: End, _context: Context) -> Decision:
    return (Ended(),)


SESSIONS = Aggregate(
    kind="session",
    resource="Session",
    state=Session,
    event=Began | Ended,
    evolve=session_evolve,
    view=lambda snapshot: {"id": snapshot.id},
    commands=(
        CommandType(
            "sessions.begin",
            Begin,
            Permission("Session", "c"),
            lambda _, command, __: (Began(command.until),),
            creates=True,
            guarded=False,
        ),
        CommandType("sessions.end", End, Permission("Session", "d"), end, guarded=False),
    ),
    valid_until=lambda state: state.until,
)

CATALOG = Catalog((NOTES, SESSIONS))

SCHEMA = """
CREATE TABLE note (tenant_id uuid NOT NULL, id uuid NOT NULL, title_index bytea NOT NULL, closed boolean NOT NULL,
                   PRIMARY KEY (tenant_id, id), CONSTRAINT note_title UNIQUE (tenant_id, title_index));
ALTER TABLE note ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON note TO keepwell_app USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE ON note TO keepwell_app;
"""


def actor(tenant: UUID = TENANT, **changes: Any) -> Actor:
    """Somebody who may do everything in the clinic, unless changed."""
    return msgspec.structs.replace(Actor(tenant, UUID(int=77), "clinician", ("user/*.cruds",)), **changes)


def origin(request_id: str = "test-request") -> Origin:
    return Origin("test", request_id)


def envelope(command: Command, *, who: Actor | None = None, if_match: int | None = None, key: str | None = None) -> Envelope:
    return Envelope(command, who or actor(), origin(), if_match, key)


def written(title: str | None = None, **fields: Any) -> WriteNote:
    return WriteNote(id=new_id(), title=title or str(new_id()), **fields)

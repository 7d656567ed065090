"""One aggregate decided on without any kernel: guard, decide, evolve, and the events kept."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains import questionnaires
from keepwell.domains.questionnaires import Questionnaire
from keepwell.kernel.aggregate import Aggregate, CommandType
from keepwell.kernel.envelope import Actor, Command, Context, Snapshot
from keepwell.kernel.problems import Refusal
from keepwell.kit.ids import new_id

START = datetime(2026, 1, 1, tzinfo=UTC)


class Desk:
    """Decides commands of one aggregate in order. `forms` are the questionnaires a decision can see, by id."""

    def __init__(
        self,
        aggregate: Aggregate,
        forms: Mapping[UUID, Questionnaire] | None = None,
        subject: str | None = None,
        scopes: tuple[str, ...] = (),
    ) -> None:
        self.aggregate = aggregate
        self.state: Any = None
        self.events: list[Any] = []
        self.now = START
        self.told: Mapping[str, Any] = {}
        self._forms = dict(forms or {})
        self._derived = {id_: questionnaires.AGGREGATES[0].derive(form) for id_, form in self._forms.items()}  # type: ignore[misc]
        self._commands = {command.type: command for command in aggregate.commands}
        self._actor = Actor(new_id(), new_id(), "clinician", scopes, subject=subject)

    def do(self, command: Command, seen: int | None = None) -> Refusal | None:
        """Carries a command out; the refusal when it was not. One made from version `seen` is merged into what came since."""
        self.now += timedelta(seconds=1)
        command_type = self._commands[type(command)]
        assert command_type.begins or command_type.creates == (self.state is None)
        wanted = command_type.references(self.state, command) if command_type.references else ()
        ids = [reference.id for reference in wanted if reference.id in self._forms]
        context = Context(
            self.now,
            self._actor,
            {("questionnaire", id_): Snapshot("questionnaire", id_, 1, self._forms[id_], START, START, b"") for id_ in ids},
            {("questionnaire", id_): self._derived[id_] for id_ in ids},
        )
        if command_type.guard is not None and (refusal := command_type.guard(self.state, command, context)):
            return refusal
        events = None if seen is None else self._merged(command_type, command, context, seen)
        if events is None:
            events = command_type.decide(self.state, command, context)
        if isinstance(events, Refusal):
            return events
        for event in events:
            self.state = self.aggregate.evolve(self.state, event)
            self.events.append(event)
        return None

    def forward(self, **parts: float) -> None:
        """Lets time pass."""
        self.now += timedelta(**parts)

    @contextmanager
    def as_another(self) -> Generator[None]:
        """While inside, another person of the same role acts."""
        actor, self._actor = self._actor, msgspec.structs.replace(self._actor, id=new_id())
        yield
        self._actor = actor

    def _merged(
        self, command_type: CommandType, command: Command, context: Context, seen: int
    ) -> tuple[Any, ...] | Refusal | None:
        if seen == len(self.events):
            return None
        assert command_type.merge is not None
        merged = command_type.merge(self.state, command, context, tuple(self.events[seen:]))
        if isinstance(merged, Refusal):
            return merged
        self.told = merged.told
        return merged.events

    def view(self, id_: UUID) -> Any:
        """What callers would see."""
        return self.aggregate.view(Snapshot(self.aggregate.kind, id_, len(self.events), self.state, START, self.now, b""))

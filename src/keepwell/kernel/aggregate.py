"""How a room tells the kernel about its aggregates: pure functions and declarations, no input or output.

The kernel does the rest for every kind alike: load, lock, decide, version, journal, encrypt, index, audit.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from keepwell.kernel.envelope import Command, Context, Reference, Snapshot
from keepwell.kernel.permissions import Permission
from keepwell.kernel.problems import ProblemType, Refusal

Decision = tuple[Any, ...] | Refusal
"""The events that happen, oldest first (an empty tuple: nothing to change), or why nothing may."""


class Merge(NamedTuple):
    """The events that bring a change into a newer version, and what the caller is told besides the view."""

    events: tuple[Any, ...]
    told: Mapping[str, Any]


class CommandType(msgspec.Struct, frozen=True):
    """One command a room offers.

    `name` is the stable name in journal, metrics and idempotency scope, such as `responses.patch`.
    `guard` says whether the state allows the command at all; it runs before the version is compared (409 before 412).
    `decide` says what happens; it runs after. Both are pure.
    `merge` decides in its place when the caller saw an older version and asked for merging: it is also given the events since
    that version, oldest first. What it refuses is refused; without it a stale version always is.
    `made_by_door` names further fields that hold fresh ids, which a retry will not repeat.
    `prepare` is what of the decision depends on the command alone and may take long: it is done beforehand, in a thread, and
    reaches `decide` as `Context.prepared`. It never fails.
    `reads`: it changes nothing, and only takes its place among commands; it is recorded like any read.
    `holds`: what it refers to cannot change between its decision and its commit, in no process. Dearer: for rare commands.
    `sensitive` says of a command whether whoever sends it must have proved who they are a short while ago.
    `creates`: the aggregate must not exist yet. `begins`: it begins with this command where there is none, as from version 0.
    `guarded`: the caller must name the version it saw (`If-Match`).
    """

    name: str
    type: type[Command]
    permission: Permission
    decide: Callable[[Any, Any, Context], Decision]
    guard: Callable[[Any, Any, Context], Refusal | None] | None = None
    merge: Callable[[Any, Any, Context, tuple[Any, ...]], Merge | Refusal] | None = None
    prepare: Callable[[Any], Any] | None = None
    reads: bool = False
    creates: bool = False
    begins: bool = False
    guarded: bool = True
    references: Callable[[Any, Any], tuple[Reference, ...]] | None = None
    holds: bool = False
    sensitive: Callable[[Any], bool] | None = None
    made_by_door: tuple[str, ...] = ()

    @property
    def volatile(self) -> tuple[str, ...]:
        """The fields that differ between a request and its retry: ids that the door made."""
        return ("id", *self.made_by_door) if self.creates else self.made_by_door


class Lookup(msgspec.Struct, frozen=True):
    """A room's table of plain columns to find its aggregates by: one row an aggregate, keyed (tenant_id, id).

    `columns` maps each further column to its PostgreSQL type, in the order `row` returns the values. The kernel writes the
    row in the transaction that stores the state, and can rebuild it, because `row` is a pure function of the snapshot.
    A value that could identify a person goes in as `blind` of it (a tenant-keyed HMAC), never as itself.
    `violations` names what a broken unique constraint means to the caller.
    """

    table: str
    columns: Mapping[str, str]
    row: Callable[[Snapshot, Callable[[str], bytes]], tuple[Any, ...]]
    violations: Mapping[str, ProblemType] = {}


class Aggregate(msgspec.Struct, frozen=True):
    """One kind of thing that changes by commands and is rebuilt from its events.

    `evolve(None, first_event)` starts it; it never fails on an event it once produced.
    `view` is what a caller who may read it sees; it must be encodable as JSON.
    `subject` is the FHIR reference of the person it is about: the compartment that `patient/` scopes are held to.
    `valid_until` makes it a credential: an actor that names it may act only before that instant. The database's function
    `credential_kinds` lists the same kinds. `authenticated_at` of a credential is when its holder last proved who they are,
    None when they never did. A kind without it, such as a key, proves nothing.
    `immutable` says that `derive` of this state may be cached for ever. `cached`: its sealed states are worth keeping near.
    `announced`: all processes are told of its changes, for those who watch.
    """

    kind: str
    resource: str
    state: type[Any]
    event: Any
    evolve: Callable[[Any, Any], Any]
    view: Callable[[Snapshot], Any]
    commands: tuple[CommandType, ...]
    lookup: Lookup | None = None
    subject: Callable[[Any], str | None] | None = None
    valid_until: Callable[[Any], datetime | None] | None = None
    authenticated_at: Callable[[Any], datetime | None] | None = None
    immutable: Callable[[Any], bool] | None = None
    derive: Callable[[Any], Any] | None = None
    cached: bool = False
    announced: bool = False


class Catalog:
    """Every aggregate of the program, by kind and by command; which kinds are credentials, which prove who somebody is.

    Built once, at start, by `main`.
    """

    def __init__(self, aggregates: tuple[Aggregate, ...]) -> None:
        self.kinds: dict[str, Aggregate] = {}
        self.commands: dict[type[Command], tuple[Aggregate, CommandType]] = {}
        self.credentials: dict[str, Callable[[Any], datetime | None]] = {}
        self.proofs: dict[str, Callable[[Any], datetime | None]] = {}
        names: set[str] = set()
        for aggregate in aggregates:
            if aggregate.kind in self.kinds:
                raise ValueError(f"two aggregates of kind {aggregate.kind}")
            self.kinds[aggregate.kind] = aggregate
            if aggregate.valid_until is not None:
                self.credentials[aggregate.kind] = aggregate.valid_until
            if aggregate.authenticated_at is not None:
                self.proofs[aggregate.kind] = aggregate.authenticated_at
            for command in aggregate.commands:
                if command.type in self.commands or command.name in names:
                    raise ValueError(f"command {command.name} is declared twice")
                names.add(command.name)
                self.commands[command.type] = (aggregate, command)


__all__ = ["Aggregate", "Catalog", "CommandType", "Decision", "Lookup", "Merge"]

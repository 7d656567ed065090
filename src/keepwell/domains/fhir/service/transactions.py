"""A transaction: every write of a Bundle in one atomic call of the kernel, with the references between entries resolved."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import NamedTuple, TypeVar
from uuid import UUID

from keepwell.domains.fhir.errors import MULTIPLE_MATCHES
from keepwell.domains.fhir.models import Resource
from keepwell.domains.fhir.rules.bundles import Entry, dangling, located, named_in, resolved, target
from keepwell.domains.fhir.service.caller import Caller
from keepwell.domains.fhir.service.conditional import Look, condition, look, lost
from keepwell.domains.fhir.service.facade import Facade, Plan, Source
from keepwell.domains.fhir.service.interactions import (
    Done,
    check_type,
    enveloped,
    planned_update,
    replayed,
    settled,
    shown,
)
from keepwell.kernel import Envelope, Fault, Kernel, Outcome, Refusal, Refused
from keepwell.kernel.problems import ABORTED, INVALID_BODY, METHOD_NOT_ALLOWED, NOT_FOUND
from keepwell.kit.ids import parse_id

_AT_ONCE = 64
_Found = TypeVar("_Found")


class LostError(Exception):
    """Somebody else claimed a condition first: all of it is to be done again."""


class _Write(NamedTuple):
    """One write, and the id it is for. `seen` is the look at its condition; what met that stands in its place."""

    entry: Entry
    facade: Facade
    id: UUID
    seen: Look | None = None

    @property
    def matched(self) -> bool:
        return self.seen is not None and bool(self.seen.matches)

    @property
    def name(self) -> str:
        return f"{self.facade.type.name}/{self.id}"


class _Step(NamedTuple):
    """A write that is to be run: its plan, and its commands on their way, after the claim of its condition."""

    write: _Write
    plan: Plan
    envelopes: list[Envelope]


def writable(caller: Caller, sources: Mapping[str, Source], entry: Entry) -> tuple[Facade, UUID | None]:
    """The type that an entry writes to, and the id of the resource that it updates.

    Raises:
        Refused: nothing is there, or nothing that can be written.
    """
    meant = target(entry.url, caller.base)
    facade, id_ = sources.get(meant.type), parse_id(meant.id or "")
    if facade is None or meant.history or meant.version is not None or meant.pairs:
        raise Refused(Refusal(NOT_FOUND))
    if not isinstance(facade, Facade) or (entry.method == "POST") != (meant.id is None):
        raise Refused(Refusal(METHOD_NOT_ALLOWED))
    if entry.method == "PUT" and id_ is None:
        raise Refused(Refusal(NOT_FOUND))
    return facade, id_


class Transaction:
    """One attempt. `key` is that of the whole call; every entry has one of its own that follows from it."""

    def __init__(self, caller: Caller, kernel: Kernel, sources: Mapping[str, Source], key: str | None) -> None:
        self._caller = caller
        self._kernel = kernel
        self._sources = sources
        self._key = key
        self._names: dict[str, str] = {}

    async def run(self, entries: Sequence[Entry]) -> list[tuple[Entry, Done]]:
        """What became of each entry.

        Raises:
            Refused: nothing is stored; the refusal says because of which entry.
            LostError: nothing is stored.
        """
        writes = [await _of(entry, self._write(entry)) for entry in entries]
        # A form that comes along is there before the responses to it.
        writes.sort(key=lambda write: (write.entry.method, write.facade.type.name != "Questionnaire"))
        _check_apart(writes)
        self._name(writes)
        if self._key is not None and any(self._named_in(write) for write in writes):
            writes = await self._known_again(writes)
        steps = [await self._step(write) for write in writes if not write.matched]
        outcomes = await self._execute(steps)
        done: list[tuple[Entry, Done]] = []
        for start in range(0, len(writes), _AT_ONCE):
            some = writes[start : start + _AT_ONCE]
            found = await asyncio.gather(*(self._shown(write, outcomes.get(write.entry.place)) for write in some))
            done += zip((write.entry for write in some), found, strict=True)
        return done

    async def _write(self, entry: Entry) -> _Write:
        facade, id_ = writable(self._caller, self._sources, entry)
        resource = entry.resource or {}
        check_type(facade, resource, id_)
        if id_ is not None:
            return _Write(entry, facade, id_)
        seen = None
        if entry.if_none_exist is not None:
            seen = await look(self._caller, facade, condition(facade, entry.if_none_exist))
            if len(seen.matches) > 1:
                raise Refused(Refusal(MULTIPLE_MATCHES))
            if seen.matches:
                return _Write(entry, facade, seen.matches[0], seen)
        return _Write(entry, facade, await facade.fresh_id(self._caller, resource), seen)

    def _name(self, writes: Sequence[_Write]) -> None:
        self._names |= {write.entry.full_url: write.name for write in writes if write.entry.full_url is not None}

    def _named_in(self, write: _Write) -> set[str]:
        return named_in(write.entry.resource, self._names, write.entry.root)

    async def _known_again(self, writes: Sequence[_Write]) -> list[_Write]:
        """Under a key, what was created the first time has its id already: what refers to it would else be another request."""
        found = {write.entry.place: write for write in writes}
        open_ = [write for write in writes if write.entry.method == "POST" and not write.matched]
        while open_:
            waiting = {write.entry.full_url for write in open_}
            ready = [write for write in open_ if not self._named_in(write) & waiting] or open_[:1]
            for write in ready:
                plan = await _of(write.entry, self._plan(write))
                earlier = await replayed(self._caller, write.facade, plan, self._own_key(write) or "") if plan.commands else None
                if earlier is not None:
                    found[write.entry.place] = write._replace(id=earlier.id)
                    self._name([found[write.entry.place]])
            open_ = [write for write in open_ if write not in ready]
        return list(found.values())

    async def _step(self, write: _Write) -> _Step:
        plan = await _of(write.entry, self._plan(write))
        if plan.refusal is not None and not plan.commands:
            raise Refused(located(plan.refusal, write.entry.pointer))
        claim = [] if write.seen is None else [write.seen.claim]
        return _Step(write, plan, [*claim, *enveloped(self._caller, plan, self._own_key(write))])

    async def _plan(self, write: _Write) -> Plan:
        resource: Resource = resolved(write.entry.resource, self._names, write.entry.root)
        faults = [Fault(pointer, "unresolved", "Nothing in this Bundle is called so.") for pointer in dangling(resource)]
        if faults:
            raise Refused(Refusal(INVALID_BODY, faults=tuple(faults)))
        if write.entry.method == "PUT":
            return await planned_update(self._caller, write.facade, write.id, resource, write.entry.if_match)
        return await write.facade.create(self._caller, resource, write.id)

    def _own_key(self, write: _Write) -> str | None:
        return None if self._key is None else f"{self._key}\x1f{write.entry.place}"  # no key that is sent has this character

    async def _execute(self, steps: Sequence[_Step]) -> dict[int, Outcome]:
        """The outcome of each step, by the place of its entry. Raises as `run` does."""
        faulty = any(step.plan.refusal is not None for step in steps)
        envelopes = [envelope for step in steps for envelope in step.envelopes]
        outcomes = iter(await self._kernel.execute(envelopes, atomic=True, dry_run=faulty))
        found = {step.write.entry.place: (step, [next(outcomes) for _ in step.envelopes]) for step in steps}
        if any(step.write.seen is not None and lost(own[0]) for step, own in found.values()):
            raise LostError
        for _, (step, own) in sorted(found.items()):
            if step.plan.refusal is not None or any(one.refusal not in (None, ABORTED) for one in own):
                try:
                    settled(step.plan, own)
                except Refused as refused:
                    refusal = located(refused.refusal, step.write.entry.pointer)
                    raise Refused(refusal, replayed=refused.replayed) from None
        return {place: settled(step.plan, own) for place, (step, own) in found.items()}

    async def _shown(self, write: _Write, outcome: Outcome | None) -> Done:
        if outcome is not None:
            created = write.entry.method == "POST"
            return await shown(self._caller, write.facade, outcome, 201 if created else 200, "c" if created else "u")
        snapshot = await write.facade.current(self._caller, write.id)
        resource = await write.facade.resource(self._caller, snapshot)
        return Done(write.facade, write.id, snapshot.version, 200, snapshot=snapshot, resource=resource)


async def _of(entry: Entry, work: Awaitable[_Found]) -> _Found:
    """What comes of work for one entry; a refusal says so."""
    try:
        return await work
    except Refused as refused:
        raise Refused(located(refused.refusal, entry.pointer), replayed=refused.replayed) from None


def _check_apart(writes: Sequence[_Write]) -> None:
    """Raises:
    Refused: `invalid-body` when two entries are about the same resource, or are called the same.
    """
    seen: set[tuple[str, UUID] | str | None] = set()
    for write in writes:
        about = None if write.matched else (write.facade.type.name, write.id)
        for one, place in ((about, "request/url"), (write.entry.full_url, "fullUrl")):
            if one is not None and one in seen:
                fault = Fault(f"{write.entry.pointer}/{place}", "named-twice", "Another entry is about the same resource.")
                raise Refused(Refusal(INVALID_BODY, faults=(fault,)))
            seen.add(one)

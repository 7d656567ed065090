"""Bundles to run: batches, of which every entry is as its single call would be, and transactions, which are one."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from keepwell.domains.fhir.models import Resource
from keepwell.domains.fhir.rules.bundles import Entry, entries_of, in_order, status_line, target
from keepwell.domains.fhir.rules.outcomes import of_refusal, said
from keepwell.domains.fhir.rules.resources import instant
from keepwell.domains.fhir.service.caller import Caller
from keepwell.domains.fhir.service.conditional import condition
from keepwell.domains.fhir.service.facade import Source
from keepwell.domains.fhir.service.interactions import ATTEMPTS, Done, create, update
from keepwell.domains.fhir.service.reading import find
from keepwell.domains.fhir.service.transactions import LostError, Transaction, writable
from keepwell.kernel import Kernel, Refusal, Refused
from keepwell.kernel.problems import OVERLOADED

_AT_ONCE = 64
_Answers = dict[int, Resource]


async def run(
    caller: Caller, kernel: Kernel, sources: Mapping[str, Source], bundle: Resource, key: str | None
) -> tuple[Resource, bool]:
    """The Bundle of answers, each in the place of its request, and whether all that is stored had been before under this key.

    Raises:
        Refused: it is no Bundle to run, or a transaction of which an entry was refused.
    """
    atomic, entries = entries_of(bundle)
    if atomic:
        answers, replayed = await _together(caller, kernel, sources, entries, key)
    else:
        answers, replayed = await _each(caller, sources, entries, key), False
    kind = "transaction-response" if atomic else "batch-response"
    found: Resource = {"resourceType": "Bundle", "type": kind}
    return ({**found, "entry": [answers[place] for place in sorted(answers)]} if answers else found), replayed


async def _together(
    caller: Caller, kernel: Kernel, sources: Mapping[str, Source], entries: list[Entry | Refused], key: str | None
) -> tuple[_Answers, bool]:
    for one in entries:
        if isinstance(one, Refused):
            raise one
    ordered = in_order([one for one in entries if isinstance(one, Entry)])
    writes = [entry for entry in ordered if entry.method != "GET"]
    for _ in range(ATTEMPTS):
        try:
            done = await Transaction(caller, kernel, sources, key).run(writes)
        except LostError:
            continue
        answers = {entry.place: _done(caller, one) for entry, one in done}
        for entry in ordered[len(writes) :]:
            answers[entry.place] = await _answered(caller, sources, entry, None)
        return answers, bool(done) and all(one.replayed for _, one in done)
    raise Refused(Refusal(OVERLOADED, "Too many ask for the same at once.", retry_after=1))


async def _each(caller: Caller, sources: Mapping[str, Source], entries: list[Entry | Refused], key: str | None) -> _Answers:
    """Entries of a batch know nothing of each other; the kernel gathers what arrives at once into batches of its own."""
    answers = {place: _refused(caller, one.refusal) for place, one in enumerate(entries) if isinstance(one, Refused)}
    ordered = in_order([one for one in entries if isinstance(one, Entry)])
    count = sum(entry.method != "GET" for entry in ordered)
    for part in (ordered[:count], ordered[count:]):
        for start in range(0, len(part), _AT_ONCE):
            some = part[start : start + _AT_ONCE]
            found = await asyncio.gather(*(_answered(caller, sources, entry, key) for entry in some))
            answers |= {entry.place: answer for entry, answer in zip(some, found, strict=True)}
    return answers


async def _answered(caller: Caller, sources: Mapping[str, Source], entry: Entry, key: str | None) -> Resource:
    """The answer to one entry, as its single call would have been given."""
    try:
        if entry.method == "GET":
            return _found(caller, entry, await find(caller, sources, target(entry.url, caller.base)))
        facade, id_ = writable(caller, sources, entry)
        own_key = None if key is None else f"{key}\x1f{entry.place}"  # no key that is sent has this character
        resource = entry.resource or {}
        if id_ is None:
            meant = None if entry.if_none_exist is None else condition(facade, entry.if_none_exist)
            return _done(caller, await create(caller, facade, resource, own_key, meant))
        return _done(caller, await update(caller, facade, id_, resource, entry.if_match, own_key))
    except Refused as refused:
        return _refused(caller, refused.refusal, entry.url)


def _found(caller: Caller, entry: Entry, found: Done | Resource) -> Resource:
    if isinstance(found, Done):
        known = entry.if_none_match == found.version
        return _done(caller, found._replace(status=304, resource=None) if known else found)
    return {"resource": found, "response": {"status": status_line(200)}}


def _done(caller: Caller, done: Done) -> Resource:
    response: dict[str, Any] = {"status": status_line(done.status), "etag": f'W/"{done.version}"'}
    if done.status != 304:
        response["location"] = f"{caller.base}/{done.facade.type.name}/{done.id}/_history/{done.version}"
    if done.snapshot is not None:
        response["lastModified"] = instant(done.snapshot.updated_at)
    if caller.preferences.returned == "OperationOutcome":
        response["outcome"] = msgspec.to_builtins(said("It is stored."))
    return {"response": response} if done.resource is None else {"resource": done.resource, "response": response}


def _refused(caller: Caller, refusal: Refusal, url: str = "") -> Resource:
    root = url.removeprefix(caller.base).lstrip("/").partition("?")[0].partition("/")[0]
    outcome = of_refusal(refusal, root or "Bundle", caller.origin.request_id)
    return {"response": {"status": status_line(refusal.type.status), "outcome": msgspec.to_builtins(outcome)}}

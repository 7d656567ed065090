"""Conditional create, safe however many ask at once: who creates claims the condition, and only one who looked last can.

A condition is an aggregate whose id follows from its text. Whoever saw it at a version, and then found nothing, creates together
with the next claim, all or nothing. Of those who looked at one moment one succeeds; the others look again and find what came.
"""

from typing import NamedTuple
from uuid import UUID

from keepwell.domains.fhir.models import CONDITION, CONDITIONED, Query
from keepwell.domains.fhir.rules.parameters import normal_form, read_query
from keepwell.domains.fhir.service.caller import Caller
from keepwell.domains.fhir.service.facade import Facade
from keepwell.kernel import Envelope, Fault, Outcome, Read, Refusal, Refused
from keepwell.kernel.http import parse_pairs
from keepwell.kernel.problems import ABORTED, CONFLICT, INVALID_HEADER, NOT_FOUND, VERSION_CONFLICT
from keepwell.kit.ids import keyed_id


class Look(NamedTuple):
    """What was found under a condition, and what claims it if nothing was."""

    matches: list[UUID]
    claim: Envelope


def condition(facade: Facade, text: str) -> Query:
    """The search that an `If-None-Exist` stands for.

    Raises:
        Refused: `invalid-header` when it asks for nothing or cannot be read; a condition is never guessed at.
    """
    try:
        query = read_query(facade.type, parse_pairs(text.removeprefix("?").encode("ascii")))
    except (Refused, UnicodeEncodeError) as error:
        faults = error.refusal.faults if isinstance(error, Refused) else ()
        raise Refused(Refusal(INVALID_HEADER, "If-None-Exist is a search that cannot be read.", faults)) from None
    if len(query.filters) != len(query.used) or not query.filters:
        fault = Fault("?", "invalid-value", "Send what the resource must not be like, and nothing about the result.")
        raise Refused(Refusal(INVALID_HEADER, "If-None-Exist takes search parameters that say what is looked for.", (fault,)))
    return query


async def look(caller: Caller, facade: Facade, query: Query) -> Look:
    """Sees how often the condition was claimed, and then what meets it.

    Raises:
        Refused: as any read.
    """
    kernel, actor, name = facade.kernel, caller.actor, facade.type.name
    blind = await kernel.blinding(actor.tenant)
    held = any(kernel.compartment_of(actor, facade.permission(letter)) is not None for letter in "cs")
    subject = actor.subject if held else None
    id_ = keyed_id(blind(f"condition:{name}:{subject or ''}:{normal_form(query)}"))
    try:
        read = Read(CONDITION, id_, actor, caller.origin, facade.permission("c"), "look")
        version = (await kernel.read(read)).version
    except Refused as refused:
        if refused.refusal.type != NOT_FOUND:
            raise
        version = None
    matches = await facade.matches(caller, query, 2)
    first, again = CONDITIONED[name]
    command = first(id_, subject) if version is None else again(id_)
    return Look(matches, Envelope(command, actor, caller.origin, version))


def lost(outcome: Outcome) -> bool:
    """Whether somebody else claimed first."""
    refusal = outcome.refusal
    return refusal is not None and refusal != ABORTED and refusal.type in (CONFLICT, VERSION_CONFLICT)

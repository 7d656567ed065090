"""One interaction with one resource: create, conditional create, update. Each is one call of the kernel, all of it or nothing."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace

from keepwell.domains.fhir.errors import MULTIPLE_MATCHES, RESOURCE_ID
from keepwell.domains.fhir.models import Query, Resource
from keepwell.domains.fhir.service.caller import Caller
from keepwell.domains.fhir.service.conditional import look, lost
from keepwell.domains.fhir.service.facade import Facade, Plan
from keepwell.kernel import Envelope, Fault, Kernel, Outcome, Refusal, Refused, Snapshot
from keepwell.kernel.problems import ABORTED, IDEMPOTENCY_KEY_REUSED, INVALID_BODY, OVERLOADED

ATTEMPTS = 10
"""How often a conditional create looks: after each time that somebody else was faster."""


class Done(NamedTuple):
    """What became of an interaction: the resource as it is now, at one of its versions. `status` is that of the answer."""

    facade: Facade
    id: UUID
    version: int
    status: int
    replayed: bool = False
    snapshot: Snapshot | None = None
    resource: Resource | None = None


def check_type(facade: Facade, resource: Resource, id_: UUID | None = None) -> None:
    """Raises:
    Refused: `invalid-body` when a resource is of another type; `resource-id` when it is to be stored at an id and has another.
    """
    if resource.get("resourceType") != facade.type.name:
        fault = Fault("/resourceType", "not-allowed", f"This must be {facade.type.name}.")
        raise Refused(Refusal(INVALID_BODY, faults=(fault,)))
    if id_ is not None and str(resource.get("id")).lower() != str(id_):
        raise Refused(Refusal(RESOURCE_ID))


async def create(caller: Caller, facade: Facade, resource: Resource, key: str | None, condition: Query | None) -> Done:
    """Stores a new resource; with a condition, only when none meets it.

    Raises:
        Refused: it is not stored.
    """
    check_type(facade, resource)
    plan = await facade.create(caller, resource, await facade.fresh_id(caller, resource))
    if condition is None:
        return await shown(caller, facade, await run(caller, facade, plan, key), 201, "c")
    for _ in range(ATTEMPTS):
        seen = await look(caller, facade, condition)
        if seen.matches:
            return await matched(caller, facade, plan, key, seen.matches)
        claim, *outcomes = await attempt(caller, facade.kernel, plan, key, seen.claim)
        if not lost(claim):
            return await shown(caller, facade, settled(plan, [claim, *outcomes]), 201, "c")
    raise Refused(Refusal(OVERLOADED, "Too many ask for the same at once.", retry_after=1))


async def matched(caller: Caller, facade: Facade, plan: Plan, key: str | None, matches: Sequence[UUID]) -> Done:
    """The resource that meets a condition, in place of a new one. Under a key, what came of the first request comes again."""
    if key is not None and (earlier := await replayed(caller, facade, plan, key)) is not None:
        return await shown(caller, facade, earlier, 201, "c")
    if len(matches) > 1:
        raise Refused(Refusal(MULTIPLE_MATCHES))
    snapshot = await facade.current(caller, matches[0])
    return Done(facade, snapshot.id, snapshot.version, 200, snapshot=snapshot, resource=await facade.resource(caller, snapshot))


async def update(caller: Caller, facade: Facade, id_: UUID, resource: Resource, version: int | None, key: str | None) -> Done:
    """Makes a stored resource say what this one says. The change is made from the version named, as that was.

    Raises:
        Refused: nothing is changed.
    """
    check_type(facade, resource, id_)
    plan = await planned_update(caller, facade, id_, resource, version)
    return await shown(caller, facade, await run(caller, facade, plan, key), 200, "u")


async def planned_update(caller: Caller, facade: Facade, id_: UUID, resource: Resource, version: int | None) -> Plan:
    """What an update asks for. Raises as `update` does."""
    if version is None:
        return Plan((facade.unguarded(id_),))
    base = await facade.at(caller, id_, version, "u", "read-base")
    return replace(await facade.update(caller, base, resource), if_match=version)


async def run(caller: Caller, facade: Facade, plan: Plan, key: str | None) -> Outcome:
    """Carries a plan out.

    Raises:
        Refused: nothing is changed.
    """
    return settled(plan, await attempt(caller, facade.kernel, plan, key))


async def attempt(caller: Caller, kernel: Kernel, plan: Plan, key: str | None, claim: Envelope | None = None) -> list[Outcome]:
    """The outcomes of a plan's commands, after that of the claim. Of a faulty resource it only shows what would come before."""
    envelopes = [*([] if claim is None else [claim]), *enveloped(caller, plan, key)]
    if plan.refusal is not None and not plan.commands:
        raise Refused(plan.refusal)
    return await kernel.execute(envelopes, atomic=len(envelopes) > 1, dry_run=plan.refusal is not None)


def enveloped(caller: Caller, plan: Plan, key: str | None) -> list[Envelope]:
    """A plan's commands on their way: each made from the version that the one before it leaves."""
    versions = [None if plan.if_match is None else plan.if_match + place for place in range(len(plan.commands))]
    return [
        Envelope(command, caller.actor, caller.origin, version, key)
        for command, version in zip(plan.commands, versions, strict=True)
    ]


def settled(plan: Plan, outcomes: Sequence[Outcome]) -> Outcome:
    """The last outcome of a plan.

    Raises:
        Refused: there is a refusal among them, or the resource itself cannot be expressed: with faults placed in the resource.
    """
    refused = next((one for one in outcomes if one.refusal is not None and one.refusal != ABORTED), None)
    refusal = None if refused is None else refused.refusal
    about_content = refusal is not None and refusal.type.status == 422 and refusal.type != IDEMPOTENCY_KEY_REUSED
    if plan.refusal is not None and (refusal is None or about_content):
        raise Refused(plan.refusal)
    if refused is not None and refusal is not None:
        faults = tuple(map(plan.in_resource, refusal.faults))
        raise Refused(replace(refusal, faults=faults), replayed=refused.replayed)
    own = outcomes[-len(plan.commands) :]
    return replace(own[-1], replayed=all(one.replayed for one in own))


async def replayed(caller: Caller, facade: Facade, plan: Plan, key: str) -> Outcome | None:
    """The first outcome under a key, if there was one. Raises as `run` does, when the key was used for something else."""
    outcomes = await facade.kernel.execute(enveloped(caller, plan, key), dry_run=True)
    if any(one.refusal is not None and one.refusal.type == IDEMPOTENCY_KEY_REUSED for one in outcomes):
        return settled(replace(plan, refusal=None), outcomes)
    return outcomes[-1] if outcomes[-1].replayed else None


async def shown(caller: Caller, facade: Facade, outcome: Outcome, status: int, letter: str) -> Done:
    """What an outcome left behind, as far as the caller wants to see it."""
    done = Done(facade, outcome.id, outcome.version, status, outcome.replayed)
    if caller.preferences.returned != "representation":
        return done
    snapshot = await facade.at(caller, outcome.id, outcome.version, letter, "read-stored")
    return done._replace(snapshot=snapshot, resource=await facade.resource(caller, snapshot))

"""Reading one resource: as it is, as it was at a version, or all its versions; and looking up whatever an address names."""

from collections.abc import Iterable, Mapping

from keepwell.domains.fhir.models import Resource
from keepwell.domains.fhir.rules.bundles import Target
from keepwell.domains.fhir.rules.parameters import UNKNOWN, read_part, read_query, whole_number, wrong_format
from keepwell.domains.fhir.service.caller import Caller
from keepwell.domains.fhir.service.events import AuditEvents
from keepwell.domains.fhir.service.facade import Facade, Source
from keepwell.domains.fhir.service.interactions import Done
from keepwell.domains.fhir.service.searching import history, search
from keepwell.kernel import Fault, Refusal, Refused
from keepwell.kernel.problems import INVALID_PARAMETER, NOT_FOUND
from keepwell.kit.ids import parse_id


async def read_one(caller: Caller, facade: Facade, text: str, version: str | None = None) -> Done:
    """One resource, as it is or as it was.

    Raises:
        Refused: as any read; `not-found` too for an id or version that nothing has.
    """
    id_ = parse_id(text)
    number = None if version is None else whole_number(version)
    if id_ is None or number == 0:
        raise Refused(Refusal(NOT_FOUND))
    snapshot = await (facade.current(caller, id_) if number is None else facade.past(caller, id_, number))
    return Done(facade, id_, snapshot.version, 200, snapshot=snapshot, resource=await facade.resource(caller, snapshot))


async def read_history(caller: Caller, facade: Facade, text: str, pairs: Iterable[tuple[str, str]]) -> Resource:
    """The versions of one resource. Raises as `read_one` does, and `invalid-parameter`."""
    part = read_part(pairs, facade.kernel.clock.now())
    id_ = parse_id(text)
    if id_ is None:
        raise Refused(Refusal(NOT_FOUND))
    return await history(caller, facade, await facade.versions(caller, id_), part)


def check_format(pairs: Iterable[tuple[str, str]]) -> None:
    """Raises:
    Refused: `invalid-parameter` for any parameter but a `_format` of JSON.
    """
    for name, value in pairs:
        fault = wrong_format(value) if name == "_format" else Fault(f"?{name[:80]}", "unknown-parameter", UNKNOWN)
        if fault is not None:
            raise Refused(Refusal(INVALID_PARAMETER, faults=(fault,)))


async def find(caller: Caller, sources: Mapping[str, Source], target: Target) -> Done | Resource:
    """What an address names: a resource, or the Bundle of a search or history. Raises as the single calls do."""
    source = sources.get(target.type)
    if source is None:
        raise Refused(Refusal(NOT_FOUND))
    if target.id is None:
        return await search(caller, source, read_query(source.type, target.pairs, lenient=caller.preferences.lenient))
    if isinstance(source, Facade) and target.history:
        return await read_history(caller, source, target.id, target.pairs)
    check_format(target.pairs)
    if isinstance(source, Facade):
        return await read_one(caller, source, target.id, target.version)
    if isinstance(source, AuditEvents) and not target.history and target.version is None:
        return await source.one(caller, target.id)
    raise Refused(Refusal(NOT_FOUND))

"""Searches and histories as Bundles, in pages. A cursor holds the whole search, sealed for its clinic."""

from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec.structs import replace

from keepwell.domains.fhir.models import Filter, HistoryPart, Query, Resource
from keepwell.domains.fhir.rules.outcomes import said
from keepwell.domains.fhir.rules.parameters import wrong
from keepwell.domains.fhir.rules.resources import instant
from keepwell.domains.fhir.service.caller import Caller
from keepwell.domains.fhir.service.facade import Facade, Source
from keepwell.kernel import Snapshot

_PURPOSE = "fhir search"


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """A search under way: what it is, and where its last page ended."""

    type: str
    filters: tuple[Filter, ...]
    count: int
    by: str
    descending: bool
    position: Any


_cursor = msgspec.msgpack.Decoder(Cursor)


async def search(caller: Caller, source: Source, query: Query) -> Resource:
    """A searchset.

    Raises:
        Refused: as any read, or `invalid-parameter`.
    """
    position = None
    if query.cursor is not None:
        query, position = await _opened(caller, source, query)
    found = await source.page(caller, query, position) if query.listed else None
    bundle: Resource = {"resourceType": "Bundle", "type": "searchset"}
    if query.counted:
        bundle["total"] = await source.count(caller, query)
    elif found is not None and found.position is None and position is None:
        bundle["total"] = len(found.resources)
    bundle["link"] = [_link("self", caller, source, query.used if query.cursor is None else (("_cursor", query.cursor),))]
    if found is not None and found.position is not None:
        cursor = await _sealed(caller, source, query, found.position)
        bundle["link"].append(_link("next", caller, source, (("_cursor", cursor),)))
    entries = [_entry(caller, source, resource) for resource in ([] if found is None else found.resources)]
    if query.ignored:
        words = f"Ignored, because nobody here knows them: {', '.join(name[:80] for name in query.ignored)}."
        entries.append({"resource": msgspec.to_builtins(said(words)), "search": {"mode": "outcome"}})
    return {**bundle, "entry": entries} if entries else bundle


def _entry(caller: Caller, source: Source, resource: Resource) -> dict[str, Any]:
    return {"fullUrl": f"{caller.base}/{source.type.name}/{resource['id']}", "resource": resource, "search": {"mode": "match"}}


def _link(relation: str, caller: Caller, source: Source, pairs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    query = f"?{urlencode(pairs)}" if pairs else ""
    return {"relation": relation, "url": f"{caller.base}/{source.type.name}{query}"}


async def _sealed(caller: Caller, source: Source, query: Query, position: Any) -> str:
    cursor = Cursor(source.type.name, query.filters, query.count, query.by, query.descending, position)
    return await source.kernel.seal(caller.actor.tenant, msgspec.msgpack.encode(cursor), _PURPOSE)


async def _opened(caller: Caller, source: Source, query: Query) -> tuple[Query, Any]:
    opened = await source.kernel.unseal(caller.actor.tenant, query.cursor or "", _PURPOSE)
    cursor = None if opened is None else _cursor.decode(opened)
    if cursor is None or cursor.type != source.type.name:
        raise wrong("_cursor", "Follow a link that a search gave.")
    by: Any = cursor.by
    return replace(query, filters=cursor.filters, count=cursor.count, by=by, descending=cursor.descending), cursor.position


async def history(caller: Caller, facade: Facade, snapshots: list[Snapshot], part: HistoryPart) -> Resource:
    """A part of a history, the newest version first.

    Raises:
        Refused: what has to be read to show it may not be.
    """
    since = [one for one in reversed(snapshots) if part.since is None or one.updated_at >= part.since]
    wanted = [one for one in since if part.before is None or one.version < part.before]
    shown = wanted[: part.most]
    resources = await facade.resources(caller, shown)
    entries = [_version(caller, facade, snapshot, resource) for snapshot, resource in zip(shown, resources, strict=True)]
    path = f"{caller.base}/{facade.type.name}/{snapshots[0].id}/_history"
    links = [_part("self", path, part)]
    if len(wanted) > part.most:
        links.append(_part("next", path, part._replace(before=shown[-1].version)))
    bundle: Resource = {"resourceType": "Bundle", "type": "history", "total": len(since), "link": links}
    return {**bundle, "entry": entries} if entries else bundle


def _part(relation: str, path: str, part: HistoryPart) -> dict[str, str]:
    asked = {"_count": part.most, "_before": part.before, "_since": part.since_text}
    return {"relation": relation, "url": f"{path}?{urlencode({name: value for name, value in asked.items() if value})}"}


def _version(caller: Caller, facade: Facade, snapshot: Snapshot, resource: Resource) -> dict[str, Any]:
    name = facade.type.name
    begun = snapshot.version == 1
    return {
        "fullUrl": f"{caller.base}/{name}/{snapshot.id}",
        "resource": resource,
        "request": {"method": "POST" if begun else "PUT", "url": name if begun else f"{name}/{snapshot.id}"},
        "response": {
            "status": "201 Created" if begun else "200 OK",
            "etag": f'W/"{snapshot.version}"',
            "lastModified": instant(snapshot.updated_at),
        },
    }

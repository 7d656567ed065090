"""The items of a form as a flat list: where each stands, what it is in, and whether the whole can be used at all."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from keepwell.domains.validation.rules.notebook import Notebook
from keepwell.kit.fhir.limits import MAX_DEPTH, MAX_ITEMS


class Entry(NamedTuple):
    """One item: its JSON, its linkId and type, the pointer to it, and the linkIds of the items around it, outermost first."""

    item: Mapping[str, Any]
    link_id: str
    type: str
    pointer: str
    around: tuple[str, ...]


def outline(resource: Mapping[str, Any], notebook: Notebook) -> list[Entry]:
    """Every item in document order, parents before children. Faults: too many, too deep, no linkId or type, a linkId twice."""
    found: list[Entry] = []
    seen: set[str] = set()
    work = _below(resource, "", (), notebook)
    while work:
        entry = work.pop()
        if entry.link_id in seen:
            notebook.fault(entry.pointer + "/linkId", "que-2", "Another item has this linkId already.", entry.link_id)
            continue
        seen.add(entry.link_id)
        found.append(entry)
        if len(found) > MAX_ITEMS:
            notebook.fault("/item", "limit", f"A form may have at most {MAX_ITEMS} items.")
            return []
        if len(entry.around) >= MAX_DEPTH:
            notebook.fault(entry.pointer, "limit", f"Items may be nested at most {MAX_DEPTH} deep.", entry.link_id)
            return []
        work += _below(entry.item, entry.pointer, (*entry.around, entry.link_id), notebook)
    return found


def _below(element: Mapping[str, Any], pointer: str, around: tuple[str, ...], notebook: Notebook) -> list[Entry]:
    written: Any = element.get("item", [])
    if not isinstance(written, list):
        notebook.fault(pointer + "/item", "structure", "This must be an array.")
        return []
    items = cast("list[Any]", written)
    if len(items) > MAX_ITEMS:
        notebook.fault(pointer + "/item", "limit", f"A form may have at most {MAX_ITEMS} items.")
        return []
    found: list[Entry] = []
    for index, item in enumerate(items):
        place = f"{pointer}/item/{index}"
        if not isinstance(item, dict):
            notebook.fault(place, "structure", "This must be an object.")
            continue
        one = cast("dict[str, Any]", item)
        link_id, kind = one.get("linkId"), one.get("type")
        if not isinstance(link_id, str) or not link_id:
            notebook.fault(place + "/linkId", "structure", "An item must have a linkId.")
        elif not isinstance(kind, str):
            notebook.fault(place + "/type", "structure", "An item must have a type.", link_id)
        else:
            found.append(Entry(one, link_id, kind, place, around))
    found.reverse()
    return found

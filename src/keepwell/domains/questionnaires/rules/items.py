"""Walks the items of a form, and puts them in an order in which each can be judged after all it depends on."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

from keepwell.domains.questionnaires.rules.structure import Place, below


class Found(NamedTuple):
    """One item of a resource, where it stands, the linkId of the item it is in, and how deep that is (1 is the top)."""

    item: dict[str, Any]
    place: Place
    parent: str | None
    depth: int


def walk(resource: Mapping[str, Any]) -> Iterator[Found]:
    """Every item that is an object, in document order, whatever else is wrong with it. Does not recurse."""
    work = _children(resource, None, None, 1)
    while work:
        found = work.pop()
        yield found
        link_id = found.item.get("linkId")
        work += _children(found.item, found.place, link_id if isinstance(link_id, str) else None, found.depth + 1)


def _children(element: Mapping[str, Any], place: Place | None, parent: str | None, depth: int) -> list[Found]:
    items: Any = element.get("item")
    if not isinstance(items, list):
        return []
    inside = below(place, "item")
    return [
        Found(cast("dict[str, Any]", item), below(inside, index), parent, depth)
        for index, item in reversed(list(enumerate(cast("list[Any]", items))))
        if isinstance(item, dict)
    ]


def dictionaries(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; nothing when it is no list."""
    if not isinstance(value, list):
        return []
    return [cast("dict[str, Any]", item) for item in cast("list[Any]", value) if isinstance(item, dict)]

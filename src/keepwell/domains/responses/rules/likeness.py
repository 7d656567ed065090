"""Which rows of a tree are the ones known before, where they do not say so by their ids."""

from collections.abc import Mapping
from typing import Any, cast

from keepwell.domains.responses.rules.tree import Tree


def matched(ids: list[str | None], contents: list[Any], known: Tree) -> list[int | None]:
    """For each row, which known one it is: the one with its id; else one that says the same, or else what stood in its place."""
    by_id = {one.get("id"): place for place, one in enumerate(known)}
    found = [None if id_ is None else by_id.get(id_) for id_ in ids]
    free = set(range(len(known))) - set(found)
    said = [content(one) for one in known]
    for place, id_ in enumerate(ids):
        if id_ is None:
            found[place] = next((one for one in sorted(free) if said[one] == contents[place]), None)
            free.discard(cast("int", found[place]))
    for place, id_ in enumerate(ids):
        if id_ is None and found[place] is None and place in free:
            found[place] = place
            free.discard(place)
    return found


def content(element: Mapping[str, Any]) -> Any:
    """What an answer or a row says, to compare it by: the value of an answer, all that is given in a row; empty: nothing."""
    value = [(name, value) for name, value in element.items() if name.startswith("value")]
    return value or _said(element.get("item"))


def _said(items: Any) -> list[Any]:
    found: list[Any] = []
    for one in _dictionaries(items):
        answers = [(content(answer), _said(answer.get("item"))) for answer in _dictionaries(one.get("answer"))]
        inner = _said(one.get("item"))
        if answers or inner:
            found.append((one.get("linkId"), answers, inner))
    return found


def _dictionaries(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    return [cast("dict[str, Any]", one) for one in cast("list[Any]", value) if isinstance(one, dict)]

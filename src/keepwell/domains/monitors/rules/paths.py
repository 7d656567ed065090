"""Paths into JSON, as far as they name one place: the singular queries of RFC 9535, such as `$.data[0]['first name']`."""

import re
from functools import lru_cache
from typing import Any, cast

_STEP = re.compile(
    r"\.([A-Za-z_\u0080-\U0010ffff][\w\u0080-\U0010ffff-]*)|\[(-?\d{1,9})\]|\['((?:[^'\\]|\\.)*)'\]|\[\"((?:[^\"\\]|\\.)*)\"\]"
)
_ESCAPED = re.compile(r"\\(.)")
_LONGEST = 500

ABSENT: Any = object()
"""What stands at a place that is not there; null is there."""


class PathError(ValueError):
    """The text is no path to one place."""


@lru_cache(maxsize=1_024)
def steps(path: str) -> tuple[str | int, ...]:
    """The names and indices that a path goes through.

    Raises:
        PathError: it is none.
    """
    if not path.startswith("$") or len(path) > _LONGEST:
        raise PathError(path)
    place, found = 1, list[str | int]()
    while place < len(path):
        match = _STEP.match(path, place)
        if match is None:
            raise PathError(path)
        name, index, *quoted = match.groups()
        text = next((each for each in quoted if each is not None), None)
        found.append(int(index) if index is not None else name if text is None else _ESCAPED.sub(r"\1", text))
        place = match.end()
    return tuple(found)


def at(document: Any, path: str) -> Any:
    """What stands at a path; `ABSENT` where there is nothing. Raises as `steps`."""
    for step in steps(path):
        if isinstance(step, int):
            items = cast("list[Any]", document) if isinstance(document, list) else []
            if not -len(items) <= step < len(items):
                return ABSENT
            document = items[step]
        elif isinstance(document, dict) and step in document:
            document = cast("dict[str, Any]", document)[step]
        else:
            return ABSENT
    return document

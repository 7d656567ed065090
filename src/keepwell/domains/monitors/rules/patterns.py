"""Patterns of RE2: time linear in the text and memory bounded, whatever their author wrote and whatever a target answers."""

from functools import lru_cache
from typing import Any, cast

import re2

LONGEST = 1_000
_MEMORY = 4 << 20
_re2: Any = cast("Any", re2)


class PatternError(ValueError):
    """The text is no pattern, or none that can be run in bounded time."""


@lru_cache(maxsize=1_024)
def _compiled(pattern: str) -> Any:
    if len(pattern) > LONGEST:
        raise PatternError(f"Use at most {LONGEST} characters.")
    options = _re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    try:
        return _re2.compile(pattern, options)
    except (_re2.error, UnicodeError):
        raise PatternError("Use a pattern of RE2: it has no look-around and no back-references.") from None


def check(pattern: str, *, groups: int | None = None) -> None:
    """Makes sure that a pattern can be used, and has so many groups where that matters.

    Raises:
        PatternError: it cannot, or has not.
    """
    found = _compiled(pattern).groups
    if groups is not None and found != groups:
        raise PatternError(f"Use a pattern with exactly {groups} group.")


def found(pattern: str, text: str) -> str | None:
    """What of a text a pattern finds first: its first group, or all of it where there is none. Raises as `check` does."""
    compiled = _compiled(pattern)
    match = compiled.search(text)
    if match is None:
        return None
    return match.group(1 if compiled.groups else 0) or ""

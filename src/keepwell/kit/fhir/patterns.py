"""Regular expressions of forms, run by RE2: time linear in the text, memory bounded, whatever the form's author wrote.

What RE2 cannot promise that for (looking around, referring back, huge repetitions) is refused when the form comes in.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import re2

from keepwell.kit.fhir.limits import MAX_PATTERN, PATTERN_MEMORY

_re2: Any = cast("Any", re2)


class PatternError(Exception):
    """This is no regular expression, or none that can be run in bounded time and memory."""


def _options() -> Any:
    options = _re2.Options()
    options.max_mem = PATTERN_MEMORY
    options.log_errors = False
    options.never_capture = True
    return options


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> Any:
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"A regular expression may have at most {MAX_PATTERN} characters.")
    try:
        return _re2.compile(pattern, _options())
    except (_re2.error, UnicodeError) as error:
        reason = error.args[0] if error.args else b""
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else "not valid"
        raise PatternError(f"This regular expression cannot be used: {text}") from None


def matcher(pattern: str) -> Callable[[str], bool]:
    """Says of a text whether the pattern matches all of it.

    Raises:
        PatternError: the pattern cannot be used.
    """
    fullmatch = _compiled(pattern).fullmatch
    return lambda text: fullmatch(text) is not None


def searcher(pattern: str) -> Callable[[str], bool]:
    """Says of a text whether the pattern matches some of it. Raises as `matcher` does."""
    search = _compiled(pattern).search
    return lambda text: search(text) is not None


def replaced(pattern: str, substitution: str, text: str) -> str:
    """The text with every match put in other words; `substitution` is taken literally. Raises as `matcher` does."""

    def put(_match: Any) -> str:
        return substitution

    return cast("str", _compiled(pattern).sub(put, text))
